"""An agent's options, checked: from the `[[agent]]` table and the fields its source delivers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge import limits
from edge.nn.detectors import DRIFT_KINDS, DetectorOptions, outputs
from edge.sense.decide import DecideOptions, ValueOptions, decide_options, open_decider
from edge.sense.detect import detector_options
from edge.sense.features import CORRELATION, NAMES, feature_names, tensor_length
from edge.sense.table import Table, in_words, shown

AGENT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
"""The rule of docs/WIRE.md for names; here again, so that reading a configuration does not load the signatures."""
RETENTIONS = ("routine", "important", "critical")


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What an agent reads, how it looks at it, and what it says about it."""

    name: str
    source: str
    fields: tuple[str, ...]
    """The channels it uses, in its own order."""
    source_width: int
    """How many values a reading of its source has."""
    picks: tuple[int, ...]
    """For each channel its place in a reading."""
    size: int = 1
    step: int = 1
    features: tuple[str, ...] = ()
    """Empty: the window itself, row-major [size, channels]."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """Scaling, (value - mean) / std: per channel of a raw window, else per element; empty for none."""
    has_model: bool = False
    """Whether something is run on the tensor: a model, or the detector."""
    detector: DetectorOptions | None = None
    decide: DecideOptions = field(default_factory=ValueOptions)
    unit: str | None = None
    urgent: bool | None = None
    """None: alarms are urgent, everything else is not."""
    retention: int = 0

    @property
    def tensor_length(self) -> int:
        return tensor_length(self.size, len(self.fields), self.features)

    @property
    def tensor_names(self) -> list[str]:
        return feature_names(self.fields, self.features, self.size)


def agent_options(values: Mapping[str, object] | Table, source_fields: Sequence[str]) -> AgentOptions:
    """Options from an `[[agent]]` table as TOML gives it; ValueError names the key and what is allowed.

    `scaling` must be the table { mean, std } itself; reading it from a file is the caller's. Of `model` and `models`
    only their presence matters. A caller that gives a `Table` can ask it afterwards what is in force.
    """
    table = values if isinstance(values, Table) else Table(values)
    name_rule = "1 to 32 of a-z, 0-9 and '-', not starting with '-'"
    name = table.text("name", name_rule)
    if not AGENT_NAME.fullmatch(name):
        raise table.refusal("name", name, name_rule)
    source = table.text("source", "the name of a [[source]]", bytes_max=limits.NAME_BYTES_MAX)
    fields = _fields(table, source, source_fields)
    size, step = _window(table, len(fields))
    features = _features(table, len(fields))
    mean, std = _scaling(table, size, len(fields), features)
    has_model = [table.raw(key) for key in ("model", "models")] != [None, None]
    inputs = feature_names(fields, features, size)
    detector = detector_options(table, inputs)
    if has_model and detector is not None:
        raise table.refusal("detector", detector.kind, "one of model and detector")
    unit, decide = _decide(table, None if has_model else inputs, detector)
    options = AgentOptions(
        name=name,
        source=source,
        fields=fields,
        source_width=len(source_fields),
        picks=tuple(list(source_fields).index(field) for field in fields),
        size=size,
        step=step,
        features=features,
        mean=mean,
        std=std,
        has_model=has_model or detector is not None,
        detector=detector,
        unit=unit,
        decide=decide,
        urgent=table.flag("urgent", None),
        retention=_retention(table),
    )
    table.done()
    return options


def _decide(
    table: Table, inputs: Sequence[str] | None, detector: DetectorOptions | None
) -> tuple[str | None, DecideOptions]:
    """The unit and the decision; where it is known what comes out, they fit each other."""
    finds_drift = detector is not None and detector.kind in DRIFT_KINDS
    decide_words = 'a table such as { kind = "argmax", labels = ["ok", "worn"] }'
    decide_table = table.table("decide", decide_words, default={"kind": "drift" if finds_drift else "value"})
    unit = _unit(table, decide_table)
    decide = decide_options(decide_table, None if detector is not None else inputs)
    allowed = ("drift", "value") if finds_drift else ("value", "threshold")
    if (detector is None and decide.kind == "drift") or (detector is not None and decide.kind not in allowed):
        of = (
            f"{in_words(allowed)} for detector {detector.kind}"
            if detector
            else f"drift for {in_words(DRIFT_KINDS)} alone"
        )
        raise decide_table.refusal("kind", decide.kind, of)
    if inputs is not None:
        open_decider(decide).check(len(inputs) if detector is None else outputs(detector))
    return unit, decide


def _fields(table: Table, source: str, source_fields: Sequence[str]) -> tuple[str, ...]:
    if len(source_fields) > limits.WINDOW_CHANNELS_MAX and not table.has("fields"):
        raise ValueError(
            f"source {source} has {len(source_fields)} fields, an agent takes at most {limits.WINDOW_CHANNELS_MAX}: "
            "name those it uses in fields"
        )
    allowed = f"a list of different fields of source {source}: {in_words(source_fields)}"
    fields = table.texts("fields", allowed, count_max=limits.WINDOW_CHANNELS_MAX, default=tuple(source_fields))
    if not all(field in source_fields for field in fields):
        raise table.refusal("fields", list(fields), allowed)
    return fields


def _window(table: Table, channels: int) -> tuple[int, int]:
    window = table.table("window", "a table such as { size = 128, step = 64 }", default={"size": 1})
    size = window.whole("size", 1, limits.WINDOW_READINGS_MAX)
    step = window.whole("step", 1, limits.WINDOW_READINGS_MAX, default=size)
    window.done()
    if size * channels > limits.WINDOW_VALUES_MAX:
        raise ValueError(
            f"window.size = {size}: with {channels} fields allowed is at most {limits.WINDOW_VALUES_MAX // channels}"
        )
    return size, step


def _features(table: Table, channels: int) -> tuple[str, ...]:
    allowed = "a list of different names from " + in_words(NAMES)
    features = table.texts("features", allowed, count_max=len(NAMES))
    if not all(name in NAMES for name in features):
        raise table.refusal("features", list(features), allowed)
    if CORRELATION in features and channels < 2:
        raise table.refusal(
            "features", list(features), f"{CORRELATION} only for two fields or more; this agent has {channels}"
        )
    return features


def _scaling(
    table: Table, size: int, channels: int, features: tuple[str, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    scaling = table.optional_table("scaling", "a table { mean = [...], std = [...] }")
    if scaling is None:
        return (), ()
    length = tensor_length(size, channels, features)
    count = length if features else channels
    words = f"a list of {count} finite numbers, one per " + ("element of the features" if features else "field")
    lists = []
    for key in ("mean", "std"):
        values = scaling.numbers(key, words, count_max=limits.WINDOW_VALUES_MAX)
        if values is None:
            raise scaling.missing(key, words)
        if len(values) != count:
            raise ValueError(f"scaling.{key} has {len(values)} numbers: allowed is {words}")
        lists.append(values)
    for index, std in enumerate(lists[1]):
        if std <= 0:
            raise ValueError(
                f"scaling.std[{index}] = {std:g}: allowed is a number above 0 (leave out what never varies, or use 1)"
            )
    scaling.done()
    return lists[0], lists[1]


def _unit(table: Table, decide: Table) -> str | None:
    """The unit stands beside the agent's name or in `decide`; not in both."""
    allowed = f'a unit of 1 to {limits.TEXT_BYTES_MAX} bytes, such as "°C"'
    units = [each.text("unit", allowed, default="", bytes_max=limits.TEXT_BYTES_MAX) for each in (table, decide)]
    given = [unit for unit in units if unit]
    if len(given) > 1:
        raise ValueError(f"unit = {shown(given[0])} and decide.unit = {shown(given[1])}: allowed is one of the two")
    return given[0] if given else None


def _retention(table: Table) -> int:
    """By number, as the vertex carries it, or by name."""
    value = table.raw("retention", RETENTIONS[0])
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(RETENTIONS):
        return value
    if isinstance(value, str) and value in RETENTIONS:
        return RETENTIONS.index(value)
    raise table.refusal("retention", value, f"0, 1 or 2, or one of {in_words(RETENTIONS)}")
