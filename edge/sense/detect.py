"""The `detector` of an agent: options from its table, by the names and with the defaults of river.

    detector = "adwin"                                     all defaults
    detector = { kind = "half-space-trees", trees = 50 }   with options
`half-space-trees`: how unusual the whole tensor is. One output, the score, from 0 to nearly 1.
    trees, height, window   25, 8 and 250; scores are 0 until the first `window` tensors are learnt
    limits                  [low, high] for all inputs, or such a pair for each; without it the range of what was seen
    seed                    of the trees' splits; 1
`adwin`: whether the mean of one number changed. Outputs: drift (1 or 0), the mean before, the mean since.
    delta                   0.002, how likely a false alarm may be
    clock                   32 values between two checks
    max_buckets, min_window_length, grace_period    5, 5 and 10
`page-hinkley`: the same question and outputs, by how far distances from the mean add up.
    threshold, delta        50 and 0.005, in the unit of the number
    alpha                   0.9999, what is left of the sum with each value
    min_instances, mode     30 and `both` (or `up`, `down`)
"""

from collections.abc import Sequence

from edge import limits
from edge.nn.detectors import MODES, AdwinOptions, DetectorOptions, ForestOptions, PageHinkleyOptions
from edge.sense.features import FLOAT32_MAX
from edge.sense.table import ANY, Table

KINDS = (ForestOptions.kind, AdwinOptions.kind, PageHinkleyOptions.kind)
DELTA_MIN = 1e-9
LEAST = 1e-12
WORDS = 'a name such as "adwin", or a table such as { kind = "half-space-trees", trees = 25 }'


def detector_options(table: Table, inputs: Sequence[str]) -> DetectorOptions | None:
    """What the agent's table says under `detector`, None when there is none; `inputs` names its tensor's elements."""
    inner = table.optional_table("detector", WORDS, word="kind")
    if inner is None:
        return None
    kind = inner.choice("kind", KINDS)
    if kind == ForestOptions.kind:
        options: DetectorOptions = _forest(inner, inputs)
    else:
        _few(inner, kind, inputs, 1)
        options = _adwin(inner) if kind == AdwinOptions.kind else _page_hinkley(inner)
    inner.done()
    return options


def _forest(table: Table, inputs: Sequence[str]) -> ForestOptions:
    default = ForestOptions()
    _few(table, ForestOptions.kind, inputs, limits.DETECTOR_INPUTS_MAX)
    trees = table.whole("trees", 1, limits.DETECTOR_TREES_MAX, default=default.trees)
    height = table.whole("height", 1, limits.DETECTOR_HEIGHT_MAX, default=default.height)
    if trees * (2 ** (height + 1) - 1) > limits.DETECTOR_NODES_MAX:
        most = limits.DETECTOR_NODES_MAX // (2 ** (height + 1) - 1)
        raise table.refusal("trees", trees, f"a whole number from 1 to {most} for trees of height {height}")
    return ForestOptions(
        trees=trees,
        height=height,
        window=table.whole("window", 1, limits.DETECTOR_VALUES_MAX, default=default.window),
        limits=_limits(table, len(inputs)),
        seed=table.whole("seed", 0, limits.COUNTER_MAX, default=default.seed),
    )


def _few(table: Table, kind: str, inputs: Sequence[str], most: int) -> None:
    if len(inputs) > most:
        names = ", ".join(inputs[:4]) + (", …" if len(inputs) > 4 else "")
        allowed = "one input" if most == 1 else f"at most {most} inputs"
        raise table.refusal(
            "kind", kind, f"{allowed}; fields, window and features make {len(inputs)} ({names}): take fewer"
        )


def _limits(table: Table, inputs: int) -> tuple[tuple[float, float], ...]:
    value = table.raw("limits")
    if value is None:
        return ()
    allowed = f"[low, high] with low below high, or a list of {inputs} such pairs, one for each input"
    if not isinstance(value, list | tuple) or not value:
        raise table.refusal("limits", value, allowed)
    pairs = [value] * inputs if not isinstance(value[0], list | tuple) else value
    if len(pairs) != inputs or not all(_is_pair(pair) for pair in pairs):
        raise table.refusal("limits", value, allowed)
    return tuple((float(low), float(high)) for low, high in pairs)


def _is_pair(value: object) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    if not all(isinstance(edge, int | float) and not isinstance(edge, bool) for edge in value):
        return False
    return bool(-FLOAT32_MAX <= value[0] < value[1] <= FLOAT32_MAX)


def _adwin(table: Table) -> AdwinOptions:
    default, most = AdwinOptions(), limits.DETECTOR_VALUES_MAX
    return AdwinOptions(
        delta=table.number("delta", DELTA_MIN, 0.999, default=default.delta),
        clock=table.whole("clock", 1, most, default=default.clock),
        max_buckets=table.whole("max_buckets", 2, limits.DETECTOR_BUCKETS_MAX, default=default.max_buckets),
        min_window_length=table.whole("min_window_length", 1, most, default=default.min_window_length),
        grace_period=table.whole("grace_period", 0, most, default=default.grace_period),
    )


def _page_hinkley(table: Table) -> PageHinkleyOptions:
    default = PageHinkleyOptions()
    return PageHinkleyOptions(
        min_instances=table.whole("min_instances", 1, limits.DETECTOR_VALUES_MAX, default=default.min_instances),
        delta=table.number("delta", 0.0, FLOAT32_MAX, default=default.delta),
        threshold=table.number("threshold", LEAST, ANY, default=default.threshold),
        alpha=table.number("alpha", LEAST, 1.0, default=default.alpha),
        mode=table.choice("mode", MODES, default=default.mode),
    )
