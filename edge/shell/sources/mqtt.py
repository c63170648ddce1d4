"""Readings from an MQTT topic: JSON payloads, one reading or a batch each.

The link's callback only puts the payload into a bounded queue; this source's own thread opens it. A payload that finds
the queue full is shed unread and counted as a message, since nobody knows how many readings were in it.

Keys: `topic` (no wildcards: one source is one stream), `fields` (JSON paths; `$`, the payload itself, by default),
`time_field` with `time_unit` (s, ms, us, ns; text is ISO 8601), `interval_ms` between the readings of a batch.
"""

import threading
from collections import deque

from edge import limits
from edge.sense.table import ANY, Table, shown
from edge.shell.sources.base import Deliver, Report, Source, Watch, wall_ms
from edge.shell.sources.extract import DOCUMENT, TIME_UNITS, Extractor, NotUsableError, parse_json

FRAMES = "synedge/1/"


class MqttSource(Source):
    kind = "mqtt"

    def __init__(self, name: str, table: Table, report: Report | None = None) -> None:
        self._topic = _topic(table)
        paths = "a list of different JSON paths such as x, a.b[0].c or $ for the payload itself"
        fields = table.texts("fields", paths, count_max=limits.WINDOW_CHANNELS_MAX, bytes_max=256, default=(DOCUMENT,))
        time_field = table.text("time_field", "the JSON path of the time", default="") or None
        time_unit = table.choice("time_unit", list(TIME_UNITS), default="ms")
        interval_ms = table.number("interval_ms", 0.0, ANY, default=0.0)
        table.done()
        super().__init__(name, fields, report)
        self._extractor = Extractor(fields, time_field=time_field, time_unit=time_unit, interval_ms=interval_ms)
        self._waiting: deque[tuple[int, bytes, bool]] = deque()
        self._waiting_bytes = 0
        self._is_shed = False
        self._ready = threading.Condition()
        self.messages = self.shed_messages = 0

    def start(self, deliver: Deliver, watch: Watch | None = None) -> None:
        assert watch is not None, "an mqtt source needs the link's watch"
        super().start(deliver, watch)
        watch(self._topic, self._arrived)

    def counts(self) -> dict[str, int]:
        return super().counts() | {"messages": self.messages, "shed_messages": self.shed_messages}

    def _arrived(self, topic: str, payload: bytes) -> None:
        """Called by the link; never waits and never raises."""
        del topic
        now_ms = wall_ms()
        with self._ready:
            if self._stopping.is_set():
                return
            self.messages += 1
            is_full = (
                len(self._waiting) >= limits.SOURCE_MESSAGES_MAX
                or self._waiting_bytes + len(payload) > limits.SOURCE_MESSAGES_BYTES
            )
            if is_full:
                self.shed_messages += 1
                self._is_shed = True
                return
            self._waiting.append((now_ms, bytes(payload), self._is_shed))
            self._is_shed = False
            self._waiting_bytes += len(payload)
            self._ready.notify()

    def _wake(self) -> None:
        with self._ready:
            self._ready.notify_all()

    def _live(self) -> None:
        while True:
            with self._ready:
                while not self._waiting and not self._stopping.is_set():
                    self._ready.wait()
                if self._stopping.is_set():
                    return
                arrival_ms, payload, is_after_shed = self._waiting.popleft()
                self._waiting_bytes -= len(payload)
            self._is_gap |= is_after_shed
            self._open(payload, arrival_ms)

    def _open(self, payload: bytes, arrival_ms: int) -> None:
        try:
            if len(payload) > limits.LINE_BYTES_MAX:
                raise NotUsableError(f"has {len(payload)} bytes; allowed are at most {limits.LINE_BYTES_MAX}")
            rows = self._extractor.rows(parse_json(payload), arrival_ms)
        except NotUsableError as why:
            expected = "JSON with a number at " + ", ".join(self.fields)
            self._refuse(f"a payload on topic {self._topic} {why}; expected is {expected}")
            return
        for time_ms, values in rows:
            self._offer(time_ms, values)


def _topic(table: Table) -> str:
    allowed = "an MQTT topic without + and # (one source is one stream)"
    topic = table.text("topic", allowed, bytes_max=1024)
    if any(character in topic for character in "+#\0"):
        raise ValueError(f"topic = {shown(topic)}: allowed is {allowed}")
    if topic.startswith(FRAMES):
        raise ValueError(f"topic = {shown(topic)}: allowed is a topic of sensors; {FRAMES}… is the mesh's own")
    return topic
