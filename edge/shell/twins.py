"""Telling the second copy of a message from the first: everyone says on both brokers what concerns all."""

import threading
import time
from collections.abc import Callable

from edge import limits

WINDOW_S = 5.0
"""Brokers are seldom further apart; what comes later is a duplicate that the node recognises by its id."""


class Twins:
    """Thread-safe. Two copies come by different links; what comes twice by one link was said twice, and will come twice
    by the other. First copies are remembered for one to two windows, as a digest that is keyed for each process
    (SipHash, PEP 456): a message taken for another's twin is as likely as a guess of 64 bits, and a frame lost that way
    is repaired."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._fresh: dict[int, tuple[int, int]] = {}  # digest: link, copies that it is ahead
        self._old: dict[int, tuple[int, int]] = {}
        self._turn_at = 0.0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._old)

    def is_second(self, topic: bytes | str, payload: bytes, link: int) -> bool:
        """Whether another link has brought this message, which is thereby forgotten."""
        digest = hash((topic, payload))
        now = self._clock()
        with self._lock:
            if now >= self._turn_at or len(self._fresh) >= limits.TWINS_MAX // 2:
                self._old = self._fresh if now < self._turn_at + WINDOW_S else {}
                self._fresh = {}
                self._turn_at = now + WINDOW_S
            known = self._fresh if digest in self._fresh else self._old
            first, ahead = known.pop(digest, (link, 0))
            is_second = first != link
            ahead += -1 if is_second else 1
            if ahead:
                self._fresh[digest] = (first, ahead)
            return is_second
