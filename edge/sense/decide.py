"""From a model's outputs to an event, or to nothing: four kinds of decision, each a small machine with hysteresis.

`argmax`: the likeliest class. Event kind `class`, values (label,), confidence = its probability.
    threshold   below it a window is unsure: nothing is reported, and the run of equal windows starts again
    hold        this many equal windows in a row before the class changes; 1 by default
    report      `every` window of the current class (default), or only each `change` of it
    labels      one name per output; the outputs' numbers without it
    ignore      labels that are followed but never reported, such as a class "nothing"
    softmax     true when the model gives logits; otherwise its outputs must be probabilities
`threshold`: one output against a bound. Event kind `alarm` (urgent) or `clear`, values (output,).
    above, below    alarm outside of them; at least one. Both make a band
    hysteresis      how far back inside the value must come before `clear`
    hold            this many windows in a row on the other side before the state changes; the first is reported too
    report          each `change` (default) or `every` window
    index           which output, by number or (without a model) by name such as "x.rms"; 0 when there is only one
`value`: the outputs themselves, as of a regression. Event kind `value`, values = the outputs, or the one at `index`.
    every       one event per this many windows; 1 by default
    deadband    in between, also when a value moved at least this far from the one last reported
    unit        as the agent's `unit`
All of these:
    smooth      decide on the mean of this many windows' outputs, the newest and those judged before it; 1 by default.
                Until so many were judged nothing is said. It is the outputs that are averaged, so logits before softmax
`drift`: what a detector of drift says (outputs: drift, before, after). Event kind `alarm` (urgent) with values (after,
before): the means since the change and before it; or `clear` with values (mean,).
    clear_after     windows without another drift after which the alarm ends; 1000 by default
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, fsum
from typing import ClassVar, NamedTuple

from edge import limits
from edge.sense.table import ANY, Table, in_words

KINDS = ("argmax", "threshold", "value", "drift")
REPORTS = ("every", "change")
WINDOWS_MAX = 1_000_000
PROBABILITY_SLACK = 1e-3
"""How far from [0, 1] a probability may be: an int8 softmax and float32 rounding reach a little beyond."""


class Verdict(NamedTuple):
    """What a window says, in the words of an event."""

    kind: str
    values: tuple[float | str, ...]
    confidence: float | None = None
    urgent: bool = False


class Fault(NamedTuple):
    """The outputs cannot be judged; the text says why and what would help."""

    text: str


Answer = Verdict | Fault | None
"""None: looked at, nothing to report."""


@dataclass(frozen=True, slots=True)
class ArgmaxOptions:
    """The class with the highest output."""

    threshold: float = 0.0
    hold: int = 1
    report: str = "every"
    labels: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    softmax: bool = False
    smooth: int = 1
    kind: ClassVar[str] = "argmax"


@dataclass(frozen=True, slots=True)
class ThresholdOptions:
    """An alarm while a value is beyond a bound."""

    above: float | None = None
    below: float | None = None
    hysteresis: float = 0.0
    hold: int = 1
    report: str = "change"
    index: int | None = None
    smooth: int = 1
    kind: ClassVar[str] = "threshold"


@dataclass(frozen=True, slots=True)
class ValueOptions:
    """The value itself, at most so often."""

    every: int = 1
    deadband: float | None = None
    index: int | None = None
    smooth: int = 1
    kind: ClassVar[str] = "value"


@dataclass(frozen=True, slots=True)
class DriftOptions:
    """An alarm for each change of the mean."""

    clear_after: int = 1000
    kind: ClassVar[str] = "drift"


DecideOptions = ArgmaxOptions | ThresholdOptions | ValueOptions | DriftOptions


class Run:
    """A state that changes only after `hold` equal proposals in a row; None proposes nothing and breaks the run."""

    __slots__ = ("_count", "_proposed", "current", "hold")

    def __init__(self, hold: int) -> None:
        assert hold >= 1
        self.hold = hold
        self.current: int | None = None
        self._proposed: int | None = None
        self._count = 0

    def propose(self, state: int | None) -> bool:
        """Take one proposal; true when it changed the current state."""
        self._count = self._count + 1 if state == self._proposed else 1
        self._proposed = state
        if state is None or state == self.current or self._count < self.hold:
            return False
        self.current = state
        return True


class Argmax:
    def __init__(self, options: ArgmaxOptions) -> None:
        self._options = options
        self._run = Run(options.hold)

    def check(self, width: int) -> None:
        labels = self._options.labels
        if width < 2:
            raise ValueError(
                f'decide.kind = "argmax": there is only {width} output, which always wins; use "threshold"'
            )
        if labels and len(labels) != width:
            raise ValueError(
                f"decide.labels has {len(labels)} names, but there are {width} outputs: allowed is one each"
            )

    def decide(self, outputs: Sequence[float]) -> Answer:
        shares = softmax(outputs) if self._options.softmax else outputs
        winner = max(range(len(shares)), key=shares.__getitem__)
        share = shares[winner]
        if not -PROBABILITY_SLACK <= share <= 1 + PROBABILITY_SLACK:
            return Fault(
                f"output {winner} is {share:.6g}, which is no probability from 0 to 1; "
                "set decide.softmax = true if the model gives logits"
            )
        share = min(1.0, max(0.0, share))
        is_sure = share >= self._options.threshold
        changed = self._run.propose(winner if is_sure else None)
        if not is_sure or winner != self._run.current or (self._options.report == "change" and not changed):
            return None
        label = self._options.labels[winner] if self._options.labels else str(winner)
        return None if label in self._options.ignore else Verdict("class", (label,), share)


class Threshold:
    def __init__(self, options: ThresholdOptions) -> None:
        self._options = options
        self._run = Run(options.hold)

    def check(self, width: int) -> None:
        _check_index(self._options.index, width, is_needed=width > 1)

    def decide(self, outputs: Sequence[float]) -> Answer:
        value = outputs[self._options.index or 0]
        changed = self._run.propose(int(self._is_outside(value)))
        if not changed and (self._options.report == "change" or self._run.current is None):
            return None
        alarm = self._run.current == 1
        return Verdict("alarm" if alarm else "clear", (value,), None, alarm)

    def _is_outside(self, value: float) -> bool:
        """Whether the value speaks for alarm; while there is one, the bounds stand further inside."""
        back = self._options.hysteresis if self._run.current == 1 else 0.0
        above, below = self._options.above, self._options.below
        return (above is not None and value > above - back) or (below is not None and value < below + back)


class Value:
    def __init__(self, options: ValueOptions) -> None:
        self._options = options
        self._last: tuple[float, ...] = ()
        self._since = 0

    def check(self, width: int) -> None:
        _check_index(self._options.index, width, is_needed=width > limits.EVENT_VALUES_MAX)

    def decide(self, outputs: Sequence[float]) -> Answer:
        index = self._options.index
        values = tuple(outputs) if index is None else (outputs[index],)
        self._since += 1
        if self._last and self._since < self._options.every and not self._has_moved(values):
            return None
        self._last = values
        self._since = 0
        return Verdict("value", values)

    def _has_moved(self, values: tuple[float, ...]) -> bool:
        deadband = self._options.deadband
        if deadband is None:
            return False
        return any(abs(value - last) >= deadband for value, last in zip(values, self._last, strict=True))


class Smoothed:
    """Another decision, on the mean of the last windows' outputs. Memory: `smooth` times the outputs."""

    def __init__(self, decider: "Argmax | Threshold | Value", smooth: int) -> None:
        self._decider = decider
        self._last: deque[Sequence[float]] = deque(maxlen=smooth)
        self._smooth = smooth

    def check(self, width: int) -> None:
        if width * self._smooth > limits.SMOOTH_VALUES_MAX:
            raise ValueError(
                f"decide.smooth = {self._smooth}: there are {width} outputs; allowed is a whole number "
                f"from 1 to {max(1, limits.SMOOTH_VALUES_MAX // width)}"
            )
        self._decider.check(width)

    def decide(self, outputs: Sequence[float]) -> Answer:
        self._last.append(outputs)
        if len(self._last) < self._smooth:
            return None
        return self._decider.decide([fsum(column) / self._smooth for column in zip(*self._last, strict=True)])


class Drift:
    def __init__(self, options: DriftOptions) -> None:
        self._options = options
        self._left = 0
        """Windows until the alarm ends; 0 without one."""

    def check(self, width: int) -> None:
        if width != 3:
            raise ValueError(f'decide.kind = "drift": there are {width} outputs; allowed are the three of a detector')

    def decide(self, outputs: Sequence[float]) -> Answer:
        drift, before, after = outputs
        if drift:
            self._left = self._options.clear_after
            return Verdict("alarm", (after, before), None, True)
        if not self._left:
            return None
        self._left -= 1
        return None if self._left else Verdict("clear", (after,))


Decider = Argmax | Threshold | Value | Drift | Smoothed


def open_decider(options: DecideOptions) -> Decider:
    if isinstance(options, DriftOptions):
        return Drift(options)
    decider = _decider(options)
    return decider if options.smooth == 1 else Smoothed(decider, options.smooth)


def _decider(options: ArgmaxOptions | ThresholdOptions | ValueOptions) -> Argmax | Threshold | Value:
    match options:
        case ArgmaxOptions():
            return Argmax(options)
        case ThresholdOptions():
            return Threshold(options)
        case ValueOptions():
            return Value(options)


def softmax(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    terms = [exp(logit - top) for logit in logits]
    total = sum(terms)
    return [term / total for term in terms]


def _check_index(index: int | None, width: int, *, is_needed: bool) -> None:
    allowed = f"a whole number from 0 to {width - 1}"
    if index is None and is_needed:
        raise ValueError(f"decide.index is missing: there are {width} outputs; allowed is {allowed}")
    if index is not None and index >= width:
        raise ValueError(f"decide.index = {index}: there are {width} outputs; allowed is {allowed}")


def decide_options(table: Table, names: Sequence[str] | None) -> DecideOptions:
    """Options from the `decide` table; `names` are those of the outputs where known (an agent without a model)."""
    kind = table.choice("kind", KINDS)
    options: DecideOptions
    if kind == "argmax":
        options = _argmax_options(table)
    elif kind == "threshold":
        options = _threshold_options(table, names)
    elif kind == "drift":
        options = DriftOptions(table.whole("clear_after", 1, WINDOWS_MAX, default=DriftOptions().clear_after))
    else:
        options = ValueOptions(
            every=table.whole("every", 1, WINDOWS_MAX, default=1),
            deadband=table.optional_number("deadband", 0.0, ANY),
            index=_index(table, names),
            smooth=_smooth(table),
        )
    table.done()
    return options


def _smooth(table: Table) -> int:
    return table.whole("smooth", 1, limits.SMOOTH_VALUES_MAX, default=1)


def _argmax_options(table: Table) -> ArgmaxOptions:
    words = f"a list of 2 to 4096 different names of 1 to {limits.TEXT_BYTES_MAX} bytes"
    labels = table.texts("labels", words, count_max=4096, bytes_max=limits.TEXT_BYTES_MAX)
    of_labels = f"a list of names from labels ({in_words(labels)})"
    ignore = table.texts("ignore", of_labels, count_max=4096)
    if not all(name in labels for name in ignore):
        raise table.refusal("ignore", list(ignore), of_labels)
    return ArgmaxOptions(
        threshold=table.number("threshold", 0.0, 1.0, default=0.0),
        hold=table.whole("hold", 1, WINDOWS_MAX, default=1),
        report=table.choice("report", REPORTS, default="every"),
        labels=labels,
        ignore=ignore,
        softmax=bool(table.flag("softmax", False)),
        smooth=_smooth(table),
    )


def _threshold_options(table: Table, names: Sequence[str] | None) -> ThresholdOptions:
    above = table.optional_number("above", -ANY, ANY)
    below = table.optional_number("below", -ANY, ANY)
    hysteresis = table.number("hysteresis", 0.0, ANY, default=0.0)
    if above is None and below is None:
        raise table.missing("above", "a number in above, in below, or in both")
    if above is not None and below is not None and below + hysteresis > above - hysteresis:
        raise table.refusal(
            "below", below, f"a number that leaves room under above = {above:g} with its hysteresis on both sides"
        )
    return ThresholdOptions(
        above=above,
        below=below,
        hysteresis=hysteresis,
        hold=table.whole("hold", 1, WINDOWS_MAX, default=1),
        report=table.choice("report", REPORTS, default="change"),
        index=_index(table, names),
        smooth=_smooth(table),
    )


def _index(table: Table, names: Sequence[str] | None) -> int | None:
    value = table.raw("index")
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    if isinstance(value, str) and names is not None:
        if value in names:
            return list(names).index(value)
        raise table.refusal("index", value, "one of " + shown_names(names))
    by_name = "" if names is None else ", or one of " + shown_names(names)
    raise table.refusal("index", value, "the number of an output, from 0" + by_name)


def shown_names(names: Sequence[str]) -> str:
    return in_words(names[:16]) + (", …" if len(names) > 16 else "")
