"""People's messages while brokers come and go: what is retained is said again to each new one, the rest waits."""

from collections import deque
from collections.abc import Callable
from threading import Lock

from edge import limits

Say = Callable[[str, str, bool], bool]
"""(topic, text, retain) -> taken; must not block."""


class Texts:
    """Thread-safe. What is said twice about one topic arrives in the order in which it was said."""

    def __init__(self) -> None:
        self._retained: dict[str, str] = {}
        self._waiting: deque[tuple[str, str]] = deque()
        self._lock = Lock()
        self.dropped = 0

    def say(self, topic: str, text: str, retain: bool, to: Callable[[], Say | None]) -> bool:
        """Say it now, or keep it for `say_again`. False: neither; counted. `to` is asked while nobody else speaks."""
        with self._lock:
            kept = retain and self._keep(topic, text)
            if (say := to()) is not None and say(topic, text, retain):
                return True
            if not retain:
                kept = self._wait(topic, text)
            self.dropped += not kept
            return kept

    def say_again(self, to: Say) -> None:
        """To a new broker: everything retained, then what waited."""
        with self._lock:
            for topic, text in self._retained.items():
                to(topic, text, True)
            while self._waiting and to(*self._waiting[0], False):
                self._waiting.popleft()

    def _keep(self, topic: str, text: str) -> bool:
        if topic not in self._retained and len(self._retained) >= limits.TEXTS_RETAINED_MAX:
            return False
        self._retained[topic] = text
        return True

    def _wait(self, topic: str, text: str) -> bool:
        if len(self._waiting) >= limits.TEXTS_WAITING_MAX:
            return False
        self._waiting.append((topic, text))
        return True
