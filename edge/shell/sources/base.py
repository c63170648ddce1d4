"""What all sources share: one thread, a bounded way into the node, counters, and trouble that is said once.

A source never ends the process: whatever happens in its thread becomes trouble, and it tries again after a pause that
doubles up to a bound. `deliver` answers False when the node's queue is full: a live source sheds the reading and says
with the next one how many were lost; a recording waits.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Literal

from edge.sense.reading import Reading
from edge.shell.telemetry import LEVELS, line

Deliver = Callable[[Reading], bool]
Watch = Callable[[str, Callable[[str, bytes], None]], None]
"""`watch(topic, callback)`: the site link's subscription; the callback gets (topic, payload) on the link's thread."""
Report = Callable[[str, str, tuple[tuple[str, object], ...]], None]
State = Literal["idle", "running", "failing", "ended", "stopped"]

BACKOFF_S = 1.0
BACKOFF_S_MAX = 60.0
RECOVERY_S = 10.0
"""So long without trouble before a failing source counts as well again: a sensor that flickers is said once."""
STOP_S = 1.0


class SourceError(Exception):
    """The source cannot go on as it is; the text says what, where, and what is expected."""


class Source:
    """One stream of readings with fixed fields. Subclasses implement `_live` and deliver through `_offer`."""

    kind = ""

    def __init__(self, name: str, fields: Iterable[str], report: Report | None = None) -> None:
        self.name = name
        self.fields = tuple(fields)
        """The names of a reading's values, in order."""
        self.backoff_s = BACKOFF_S
        self.recovery_s = RECOVERY_S
        self._report = report or _log
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._deliver: Deliver | None = None
        self._state: State = "idle"
        self._detail = ""
        self._troubled_s = 0.0
        self._lost = 0
        self._is_gap = False
        self.readings = self.shed_readings = self.refused = self.errors = self.restarts = 0

    def start(self, deliver: Deliver, watch: Watch | None = None) -> None:
        """Begin to deliver, from a thread of its own; returns at once. `watch` is needed by the kind `mqtt` only."""
        assert self._thread is None, "a source is started once"
        self._deliver = deliver
        self._state = "running"
        self._thread = threading.Thread(target=self._main, name=f"source-{self.name}", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """End the thread; True when it has ended in time."""
        self._stopping.set()
        self._wake()
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        if self._state != "ended":
            self._state = "stopped"
        return thread is None or not thread.is_alive()

    def counts(self) -> dict[str, int]:
        """Cumulative since the start. `refused`: lines or payloads that were no readings."""
        return {
            "readings": self.readings,
            "shed_readings": self.shed_readings,
            "refused": self.refused,
            "errors": self.errors,
            "restarts": self.restarts,
        }

    def status(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "fields": list(self.fields),
            "state": self._state,
            "detail": self._detail or None,
            **self.counts(),
        }

    @property
    def state(self) -> State:
        return self._state

    def _live(self) -> None:
        """One life of the source: returning ends it for good, `SourceError` leads to another."""
        raise NotImplementedError

    def _wake(self) -> None:
        """Interrupt whatever `_live` waits for besides `_pause`."""

    def _main(self) -> None:
        pause_s = self.backoff_s
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                self._live()
                return
            except SourceError as trouble:
                self._trouble(str(trouble))
            except Exception as error:  # a bug of ours here must not end the node
                logging.getLogger(__name__).exception("source-bug source=%s", self.name)
                self._trouble(f"internal error: {error!r}")
            if time.monotonic() - began_s > BACKOFF_S_MAX:
                pause_s = self.backoff_s
            self._pause(pause_s)
            pause_s = min(pause_s * 2, BACKOFF_S_MAX)
            self.restarts += not self._stopping.is_set()

    def _pause(self, seconds: float) -> bool:
        """Wait; False when the source is to stop."""
        return not self._stopping.wait(min(max(0.0, seconds), threading.TIMEOUT_MAX))

    def _offer(self, time_ms: int, values: tuple[float, ...]) -> bool:
        """Hand a reading over, or count it as shed."""
        if self._stopping.is_set():
            return False
        assert self._deliver is not None
        if not self._deliver(Reading(self.name, time_ms, values, self._lost, self._is_gap)):
            self._lost += 1
            self.shed_readings += 1
            return False
        self._accepted()
        return True

    def _offer_patiently(self, time_ms: int, values: tuple[float, ...]) -> bool:
        """Hand a reading over, waiting for room; False only when the source is to stop."""
        assert self._deliver is not None
        reading = Reading(self.name, time_ms, values, 0, self._is_gap)
        while not self._stopping.is_set():
            if self._deliver(reading):
                self._accepted()
                return True
            self._pause(0.01)
        return False

    def _accepted(self) -> None:
        self.readings += 1
        self._lost = 0
        self._is_gap = False
        if self._state == "failing" and time.monotonic() - self._troubled_s >= self.recovery_s:
            self._state, self._detail = "running", ""
            self._say("info", "source-recovered")

    def _refuse(self, text: str) -> None:
        """A line or payload is no reading; the next reading is the first after a gap."""
        self.refused += 1
        self._trouble(text)

    def _trouble(self, text: str) -> None:
        self.errors += 1
        self._is_gap = True
        self._troubled_s = time.monotonic()
        self._detail = text
        if self._state != "failing" and not self._stopping.is_set():
            self._state = "failing"
            self._say("warning", "source-failing", ("reason", text))

    def _ended(self, text: str) -> None:
        self._state, self._detail = "ended", text
        self._say("info", "source-ended", ("reason", text))

    def _say(self, level: str, event: str, *fields: tuple[str, object]) -> None:
        self._report(level, event, (("source", self.name), *fields))


def _log(level: str, event: str, fields: tuple[tuple[str, object], ...]) -> None:
    logging.getLogger(__name__).log(LEVELS[level], "%s", line(event, fields))


def wall_ms() -> int:
    return time.time_ns() // 1_000_000
