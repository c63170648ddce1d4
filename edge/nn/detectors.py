"""What detectors of streams are told: options by the names and with the defaults of river.

A detector judges each row of its stream, then learns it; there is no file of it. `edge.nn.streams` runs them, and is
not imported here: this is part of reading a configuration.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ForestOptions:
    """Half-space trees (Tan, Ting, Liu, IJCAI 2011): how rare a row is where it falls. One output, the score: from 0
    for what is usual to nearly 1 for what was not seen before; 0 until the first window is over."""

    trees: int = 25
    """As many as in the paper, section 4."""
    height: int = 8
    window: int = 250
    """Rows after which what was learnt becomes what is usual, and learning begins again."""
    limits: tuple[tuple[float, float], ...] = ()
    """Low and high of each input; empty: of what was seen so far, as river's MinMaxScaler has it."""
    seed: int = 1
    """Of the trees' splits."""
    kind: ClassVar[str] = "half-space-trees"


@dataclass(frozen=True, slots=True)
class AdwinOptions:
    """ADWIN (Bifet, Gavaldà, SDM 2007): a window that grows as long as its parts have one mean. Outputs as `DRIFT`."""

    delta: float = 0.002
    """How likely a false alarm may be."""
    clock: int = 32
    """Values between two checks."""
    max_buckets: int = 5
    """Of each size."""
    min_window_length: int = 5
    """Of either part."""
    grace_period: int = 10
    """Values before the first check."""
    kind: ClassVar[str] = "adwin"


@dataclass(frozen=True, slots=True)
class PageHinkleyOptions:
    """Page-Hinkley (Page, Biometrika 1954): how far distances from the mean add up. Outputs as `DRIFT`."""

    min_instances: int = 30
    delta: float = 0.005
    """What counts as no distance."""
    threshold: float = 50.0
    alpha: float = 1 - 0.0001
    """What is left of the sum with each value."""
    mode: str = "both"
    kind: ClassVar[str] = "page-hinkley"


DetectorOptions = ForestOptions | AdwinOptions | PageHinkleyOptions

MODES = ("both", "up", "down")
"""Which drifts Page-Hinkley tells, by the numbers of streams.h."""
DRIFT_KINDS = (AdwinOptions.kind, PageHinkleyOptions.kind)
DRIFT = ("drift", "before", "after")
"""What detectors of drift answer: 1 or 0; the mean before the change; the mean since, or of all where there is none."""


def outputs(options: DetectorOptions) -> int:
    """How many numbers it answers."""
    return len(DRIFT) if options.kind in DRIFT_KINDS else 1
