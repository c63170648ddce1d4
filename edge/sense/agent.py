"""One agent: readings in, windows out; outputs in, an event or nothing out; and an account of every reading.

The law: readings == recorded + quiet + shed + open, after every call. A full window leaves its oldest readings to
whoever holds the window; they stay open until `decide`, `fail` or `shed` says what became of them, exactly once per
window. Readings that cannot be used (wrong width, not finite, no time) are refused and counted apart: they never were
readings.

A model that answers with what is no finite number is stopped: an event says so, once, and what comes after it is shed.
"""

from hashlib import sha256
from math import isfinite
from typing import NamedTuple

from edge import limits
from edge.sense.decide import Fault, Verdict, open_decider
from edge.sense.features import FLOAT32_MAX, extract, pack, scale
from edge.sense.options import AgentOptions
from edge.sense.reading import Reading
from edge.sense.silence import Pace
from edge.sense.window import Push, Ring, Window
from edge.wire.event import GAP_BEFORE, Event
from edge.wire.items import Tally

COUNTS = ("windows", "events", "refused", "errors")


class Change(NamedTuple):
    """Something began to fail, or recovered; said once."""

    kind: str
    """`agent` or `source`."""
    name: str
    is_ok: bool
    text: str


class Agent:
    """A machine without clock; `options` rule it, `model_loaded` ties it to a model when it has one."""

    __slots__ = (
        "_decider", "_errors", "_events", "_fault", "_is_gap_due", "_last", "_model", "_pace", "_quiet", "_readings",
        "_recorded", "_refused", "_ring", "_said", "_shed", "_since_gap", "_stopped", "_time_ms", "_waiting", "_width",
        "_windows", "options",
    )  # fmt: skip

    def __init__(self, options: AgentOptions) -> None:
        self.options = options
        self._ring = Ring(options.size, options.step, len(options.fields))
        self._decider = open_decider(options.decide)
        self._model: bytes | None = None
        self._width: int | None = None
        if not options.has_model:
            self._expect(options.tensor_length)
        self._pace = Pace()
        self._time_ms: int | None = None
        self._since_gap: int | None = None
        self._is_gap_due = False
        self._readings = self._recorded = self._quiet = self._shed = self._waiting = 0
        self._refused = self._windows = self._events = self._errors = 0
        self._last: Event | None = None
        self._fault = ""
        self._said = ""
        self._stopped = ""

    def model_loaded(self, digest: bytes, input_length: int, output_length: int) -> None:
        """Tie the agent to its model (SHA-256 of the file); ValueError when their shapes do not fit."""
        assert len(digest) == 32 and self.options.has_model
        options = self.options
        if input_length != options.tensor_length:
            made = f"{len(options.features)} features of" if options.features else f"window.size {options.size} ×"
            raise ValueError(
                f"the model takes {input_length} numbers, but {made} {len(options.fields)} fields "
                f"({', '.join(options.fields)}) make {options.tensor_length}"
            )
        self._expect(output_length)
        self._model = digest

    def _expect(self, width: int) -> None:
        self._decider.check(width)
        self._width = width

    def read(self, reading: Reading) -> Window | None:
        """Take one reading; the window it completes, if it does."""
        if reading.lost:
            self._readings += reading.lost
            self._shed += reading.lost
        if reading.lost or reading.gap:
            self._mark_gap()
        trouble = self._trouble(reading)
        if trouble:
            self._refused += 1
            self._fault = trouble
            self._mark_gap()
            return None
        self._watch_time(reading.time_ms)
        self._readings += 1
        if self._since_gap is not None:
            self._since_gap += 1
        match self._ring.push([reading.values[place] for place in self.options.picks]):
            case Push.SKIPPED:
                self._quiet += 1
            case Push.COMPLETE:
                return self._complete(reading.time_ms)
        return None

    def _trouble(self, reading: Reading) -> str:
        """Why a reading cannot be used, or nothing."""
        values, width = reading.values, self.options.source_width
        if len(values) != width:
            return f"a reading of source {reading.source} has {len(values)} values; allowed is {width}, one per field"
        for value in values:
            if not -FLOAT32_MAX <= value <= FLOAT32_MAX:  # false for NaN too
                return f"a reading of source {reading.source} holds {value}; allowed are finite float32 numbers"
        if not 0 <= reading.time_ms <= limits.COUNTER_MAX:
            return f"a reading of source {reading.source} has the time {reading.time_ms}; allowed are Unix ms from 0"
        return ""

    def _watch_time(self, time_ms: int) -> None:
        """A step back or a long silence between two readings is a gap in the signal."""
        if self._time_ms is not None and (time_ms < self._time_ms or self._pace.is_silent(time_ms - self._time_ms)):
            self._mark_gap()
        if self._time_ms is not None and time_ms >= self._time_ms:
            self._pace.learn(time_ms - self._time_ms)
        self._time_ms = time_ms

    def _mark_gap(self) -> None:
        """The next reading is the first after a gap."""
        self._since_gap = 0

    def _complete(self, time_ms: int) -> Window | None:
        options = self.options
        retires = self._ring.retires
        if self._stopped:
            self._shed += retires
            return None
        self._waiting += retires
        self._windows += 1
        gap = self._since_gap is not None
        if self._since_gap is not None and self._since_gap >= options.size:
            self._since_gap = None
        values = scale(extract(self._ring.rows(), len(options.fields), options.features), options.mean, options.std)
        tensor = pack(values)
        if tensor is None:
            names = options.tensor_names
            worst = max(
                range(len(values)), key=lambda index: abs(values[index]) if isfinite(values[index]) else FLOAT32_MAX * 2
            )
            self._give_up(retires, f"{names[worst]} is {values[worst]:g}, beyond float32; scale the source down")
            return None
        outputs = None if options.has_model else tuple(values)
        return Window(tensor, sha256(tensor).digest(), time_ms, gap, retires, outputs)

    def decide(self, window: Window, outputs: tuple[float, ...]) -> Event | None:
        """Judge a window by its outputs: an event, or None for quiet and for outputs that make no sense."""
        if self._stopped:
            self.shed(window)
            return None
        trouble = self._misfit(outputs)
        if not trouble and not all(map(isfinite, outputs)):
            return self._stop(window, outputs)
        answer = Fault(trouble) if trouble else self._decider.decide(outputs)
        self._is_gap_due |= window.gap
        match answer:
            case Fault():
                self._give_up(window.retires, answer.text)
                return None
            case None:
                self._settle(window.retires)
                self._quiet += window.retires
                self._recover(window)
                return None
            case Verdict():
                self._settle(window.retires)
                self._recorded += window.retires
                self._recover(window)
                return self._event(window, answer)

    def _event(self, window: Window, verdict: Verdict) -> Event:
        event = Event(
            self.options.name,
            verdict.kind,
            window.time_ms,
            verdict.values,
            self.options.unit if verdict.kind not in ("class", "failed") else None,
            verdict.confidence,
            self._model,
            window.digest,
            GAP_BEFORE if self._is_gap_due else 0,
        )
        self._is_gap_due = False
        self._events += 1
        self._last = event
        return event

    def _misfit(self, outputs: tuple[float, ...]) -> str:
        if len(outputs) != self._width:
            return f"{len(outputs)} outputs came; expected are {self._width}"
        return ""

    def _stop(self, window: Window, outputs: tuple[float, ...]) -> Event:
        """The window counts as recorded: the event is what became of it."""
        index, output = next((index, output) for index, output in enumerate(outputs) if not isfinite(output))
        text = f"output {index} of the model is {output}, not a finite number"
        self._stopped = f"stopped until the next start: {text}"
        self._errors += 1
        self._settle(window.retires)
        self._recorded += window.retires
        return self._event(window, Verdict("failed", (text,)))

    def fail(self, window: Window, text: str) -> None:
        """The model could not run on this window: an error, its readings are shed."""
        self._give_up(window.retires, text)

    def shed(self, window: Window) -> None:
        """Nobody will look at this window: overload, not an error."""
        self._settle(window.retires)
        self._shed += window.retires
        self._is_gap_due = True

    def _give_up(self, retires: int, text: str) -> None:
        self._settle(retires)
        self._shed += retires
        self._errors += 1
        self._fault = text
        self._is_gap_due = True

    def _settle(self, retires: int) -> None:
        assert self._waiting >= retires, "a window's fate was told twice"
        self._waiting -= retires

    def _recover(self, window: Window) -> None:
        """All is well again once a whole window without a gap was judged."""
        if not window.gap:
            self._fault = ""

    def is_urgent(self, event: Event) -> bool:
        urgent = self.options.urgent
        return event.kind in ("alarm", "failed") if urgent is None else urgent

    def tally(self) -> Tally:
        held = self._ring.held + self._waiting
        return Tally(self._readings, self._recorded, self._quiet, self._shed, held)

    def change(self) -> Change | None:
        """The trouble that began, changed or ended since the last call."""
        if self.fault == self._said:
            return None
        self._said = self.fault
        return Change("agent", self.options.name, not self.fault, self.fault or "works again")

    @property
    def last(self) -> Event | None:
        """The last event it gave."""
        return self._last

    def counts(self) -> dict[str, int]:
        """What happened so far, besides the tally."""
        return dict(zip(COUNTS, (self._windows, self._events, self._refused, self._errors), strict=True))

    @property
    def fault(self) -> str:
        """What is wrong now; empty when nothing is."""
        return self._stopped or self._fault
