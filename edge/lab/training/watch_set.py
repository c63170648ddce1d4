"""The smartwatch recordings of seglearn 1.2.5, read out of its wheel: who, which arm, which exercise, six channels.

Accelerometer in g, gyroscope in rad/s, 50 Hz. Needs numpy. The wheel: `pip download --no-deps seglearn==1.2.5`.
"""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_MEMBER = "seglearn/data/watch_dataset.npy"
_SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"

EXERCISES = (
    "pendulum",
    "abduction",
    "forward-elevation",
    "internal-rotation",
    "external-rotation",
    "trapezius-extension",
    "upright-row",
)
"""The set's PEN, ABD, FEL, IR, ER, TRAP and ROW, in its own order (Burns et al. 2018, arXiv:1802.01489)."""
CHANNELS = ("ax", "ay", "az", "gx", "gy", "gz")
"""The set calls the last three wx, wy and wz."""
RATE_HZ = 50
TRAINED = (1, 2, 3, 4, 5)
HELD_OUT = (6, 7, 8, 9, 10)
"""Split by number, before anything was trained: no window of these people chose a weight or a setting."""


class Recording(NamedTuple):
    """About 20 repetitions of one exercise by one person on one arm."""

    person: int
    arm: str
    exercise: int
    samples: Any
    """float64 array [n, 6]."""


def load(wheel: Path) -> list[Recording]:
    """All 140 recordings, by person, arm and exercise. The array is pickled: its hash is checked before it is read."""
    data = zipfile.ZipFile(wheel).read(_MEMBER)
    if hashlib.sha256(data).hexdigest() != _SHA256:
        raise SystemExit(f"{wheel}: {_MEMBER} is not the one of seglearn 1.2.5")
    table = np.load(io.BytesIO(data), allow_pickle=True).item()
    assert tuple(table["y_labels"]) == ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
    rows = zip(table["subject"], table["side"], table["y"], table["X"], strict=True)
    recordings = [Recording(int(who), "right" if side else "left", int(y), x) for who, side, y, x in rows]
    return sorted(recordings, key=lambda recording: recording[:3])
