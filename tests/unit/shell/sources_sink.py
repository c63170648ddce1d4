"""The node's end of a source: collects what is delivered, with a capacity, and can be waited for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge.sense.reading import Reading
from edge.shell.sources import Source, open_source

WAIT_S = 10.0


class Sink:
    """`deliver` answers False while `capacity` readings stand in it."""

    def __init__(self, capacity: int = 1_000_000) -> None:
        self.capacity = capacity
        self.readings: list[Reading] = []
        self.refused = 0
        self.said: list[tuple[str, str, dict[str, object]]] = []
        self._changed = threading.Condition()

    def deliver(self, reading: Reading) -> bool:
        with self._changed:
            is_taken = len(self.readings) < self.capacity
            if is_taken:
                self.readings.append(reading)
            else:
                self.refused += 1
            self._changed.notify_all()
            return is_taken

    def report(self, level: str, event: str, fields: tuple[tuple[str, object], ...]) -> None:
        with self._changed:
            self.said.append((level, event, dict(fields)))
            self._changed.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until the condition is true; looked at after each delivery and a hundred times a second besides."""
        deadline_s = time.monotonic() + WAIT_S
        with self._changed:
            while not condition():
                assert time.monotonic() < deadline_s, (self.readings[-3:], self.said)
                self._changed.wait(0.01)

    def wait_count(self, count: int) -> list[Reading]:
        self.wait(lambda: len(self.readings) >= count)
        return self.readings[:count]

    def wait_said(self, event: str) -> dict[str, object]:
        self.wait(lambda: any(said == event for _, said, _ in self.said))
        return next(fields for _, said, fields in self.said if said == event)

    @property
    def values(self) -> list[tuple[float, ...]]:
        return [reading.values for reading in self.readings]


def opened(sink: Sink, kind: str, **options: object) -> Source:
    source = open_source("src", kind, options, sink.report)
    source.backoff_s = 0.01
    source.recovery_s = 0.0
    return source


@contextmanager
def running(sink: Sink, kind: str, **options: object) -> Iterator[Source]:
    """A started source, stopped at the end; stopping in time is part of every test."""
    source = opened(sink, kind, **options)
    source.start(sink.deliver)
    try:
        yield source
    finally:
        assert source.stop(), "it did not stop in time"
