"""Votes before bulk: while a question is open to a member, the vertices of others wait, at most half of the time.

All members are asked at once, and on a small machine each of them would otherwise check the bulk of a site while the
others wait for its vote. What waits lies in the inbox, whose lanes are bounded; what they cannot hold, repair brings.
"""

BULK_WAITS_MS_MAX = 200.0
"""At a stretch. Shorter than the time after which a vertex that peers name is asked for (`edge/mesh/repair.py`)."""


class Precedence:
    """A bucket of time: it empties while bulk waits, and fills while it does not."""

    def __init__(self) -> None:
        self._left_ms = BULK_WAITS_MS_MAX
        self._at_ms = 0.0
        self.holds = False
        """Whether bulk waits, as `look` said last."""

    def look(self, is_deciding: bool, now_ms: float) -> bool:
        """Whether bulk waits from now on. Once the bucket was empty it does again when half of it is full."""
        elapsed_ms = now_ms - self._at_ms
        self._at_ms = now_ms
        self._left_ms = min(BULK_WAITS_MS_MAX, self._left_ms + (-elapsed_ms if self.holds else elapsed_ms))
        self.holds = is_deciding and self._left_ms > (0.0 if self.holds else BULK_WAITS_MS_MAX / 2)
        return self.holds

    def deadline_ms(self) -> float:
        """When to look again at the latest, monotonic."""
        return self._at_ms + self._left_ms if self.holds else float("inf")
