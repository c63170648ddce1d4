"""How long a stream may be silent before that means something: its pace, learned from the intervals themselves."""

SILENCE_MS_MIN = 5_000.0
SILENCE_FIRST_MS = 60_000.0
"""Until the pace is known: nothing can be told apart from a slow sensor."""
SILENCE_FACTOR = 10
INTERVALS_KNOWN = 2
_DECAY = 256


class Pace:
    """The typical interval of a stream. It rises at once and falls slowly, so that a source which sends bursts is
    known by the time between them."""

    __slots__ = ("_intervals", "typical_ms")

    def __init__(self) -> None:
        self.typical_ms = 0.0
        self._intervals = 0

    def limit_ms(self) -> float:
        """Longer than this is a silence: max(5 s, 10 typical intervals)."""
        if self._intervals < INTERVALS_KNOWN:
            return SILENCE_FIRST_MS
        return max(SILENCE_MS_MIN, SILENCE_FACTOR * self.typical_ms)

    def is_silent(self, since_ms: float) -> bool:
        return since_ms > self.limit_ms()

    def learn(self, interval_ms: float) -> None:
        """Take one interval; a silence counts as the limit, so that one outage does not blunt the next alarm."""
        interval_ms = min(interval_ms, self.limit_ms())
        if interval_ms >= self.typical_ms:
            self.typical_ms = (self.typical_ms + interval_ms) / 2 if self._intervals else interval_ms
        else:
            self.typical_ms += (interval_ms - self.typical_ms) / _DECAY
        self._intervals = min(self._intervals + 1, INTERVALS_KNOWN)
