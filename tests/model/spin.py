"""Spin, asked to visit every state of a model.

A search counts only if it was exhaustive: whatever ended it early fails the test.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

STEPS_MAX = 100_000
"""Search depth in atomic steps; the deepest search here needs some hundreds."""
MEMORY_MB_MAX = 8_000
LIMIT_S = 1_800

needs_spin = pytest.mark.skipif(
    shutil.which("spin") is None or shutil.which("gcc") is None, reason="no spin or gcc here to check the model with"
)


class Search(NamedTuple):
    """What a search says: states stored, errors, the assertion that failed (or empty), all it printed."""

    states: int
    errors: int
    violated: str
    text: str


def search(folder: Path, model: Path, *switches: str, optimise: str = "-O0") -> Search:
    """Generates, compiles and runs the verifier under these switches; asserts that nothing cut it short."""
    flags = [f"-D{switch}" for switch in switches]
    run(folder, "spin", "-a", *flags, str(model))
    options = ["-DSAFETY", "-DNOREDUCE", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB_MAX}"]
    run(folder, "gcc", "-w", optimise, *options, "-o", "pan", "pan.c")
    text = run(folder, "./pan", f"-m{STEPS_MAX}")
    for cut in ("max search depth too small", "out of memory", "reached -DMEMLIM", "Search not completed"):
        assert cut not in text or "assertion violated" in text, text
    assert "Full statespace search" in text, text
    numbers = [re.search(pattern, text) for pattern in (r"(\d+) states, stored", r"errors: (\d+)")]
    states, errors = (int(number[1]) if number else -1 for number in numbers)
    violated = re.search(r"assertion violated (.+) \(at depth", text)
    return Search(states, errors, violated[1].replace(" ", "") if violated else "", text)


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def holds(folder: Path, model: Path, switches: list[str], states: int, optimise: str = "-O0") -> None:
    """The search meets no error, in so many states."""
    found = search(folder, model, *switches, optimise=optimise)
    assert found.errors == 0, found.violated or found.text
    assert found.states == states, "the model has changed: docs/SOUNDNESS.md says how large it was"


def is_found(folder: Path, model: Path, switches: list[str], violated: str) -> None:
    """The search ends at the property that the mistake breaks, and leaves a trail that leads there."""
    shutil.copy(model, folder)
    found = search(folder, model, *switches)
    assert found.errors == 1, found.text
    assert re.search(violated, found.violated), found.violated
    trail = run(folder, "spin", "-t", *[f"-D{switch}" for switch in switches], str(folder / model.name))
    assert "assertion violated" in trail, trail
