"""Four wake words: the models of microWakeWord (Apache-2.0) in the pymicro-wakeword wheel, and how an agent runs them.

The package is found and never imported. The agent's way is theirs: three frames of 10 ms a step, state kept in between,
and the mean of the last probabilities against a bound of each model's own (pymicro_wakeword/microwakeword.py).
"""

from __future__ import annotations

import importlib.util
import json
from array import array
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from edge.errors import UnavailableError
from edge.lab.ear_child import CHUNK_SAMPLES, FEATURES, WINDOW_SAMPLES
from edge.nn.backends import ModelFile
from edge.shell.engines.native import Native

PACKAGE, WHEEL = "pymicro-wakeword", "pymicro_wakeword"
NAMES = ("hey_jarvis", "hey_mycroft", "alexa", "okay_nabu")
FRAMES = 3
"""In one step of the networks."""
HYSTERESIS = 0.5
"""A word is over when the mean has fallen so far below the cut-off: one that wavers around it is heard once."""
FIELDS = tuple(f"f{number}" for number in range(FEATURES))

AGENT = """
[[agent]]
name = {name}
source = {source}
window = {{ size = {frames} }}
model = {model}
decide = {{ kind = "threshold", above = {cutoff}, smooth = {smooth}, hysteresis = {hysteresis} }}
"""


class WakeWord(NamedTuple):
    """One model, and what its maker says of it."""

    agent: str
    """The name of the agent that runs it: `okay-nabu`."""
    phrase: str
    path: Path
    cutoff: float
    """The mean probability above which the word was heard."""
    smooth: int
    """Of how many steps that mean is."""

    def settings(self, source: str, model: str) -> str:
        """The `[[agent]]` table."""
        return AGENT.format(
            name=json.dumps(self.agent),
            source=json.dumps(source),
            frames=FRAMES,
            model=json.dumps(model),
            cutoff=self.cutoff,
            smooth=self.smooth,
            hysteresis=HYSTERESIS,
        )


class Hearing(NamedTuple):
    """What one model alone makes of a sound, step by step."""

    means: tuple[float, ...]
    """The mean of the last probabilities; 0 until there are enough."""
    alarms: tuple[int, ...]
    """The steps at which it rises above the cut-off."""
    said: tuple[tuple[bytes, float], ...]
    """Of each of them what an event about it says: the digest of the step, and the mean."""


def wake_words() -> list[WakeWord]:
    """All four; UnavailableError when the wheel is not installed."""
    spec = importlib.util.find_spec(WHEEL)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        return [_wake_word(Path(folder, "models", f"{name}.json")) for name in NAMES]
    raise UnavailableError(f"no {PACKAGE} here, which has the models; install it: pip install --no-deps {PACKAGE}")


def _wake_word(path: Path) -> WakeWord:
    try:
        told = json.loads(path.read_text())
        rules = told["micro"]
        model = path.with_name(told["model"])
        agent = path.stem.replace("_", "-")
        return WakeWord(agent, told["wake_word"], model, rules["probability_cutoff"], rules["sliding_window_size"])
    except (OSError, ValueError, KeyError) as error:
        raise UnavailableError(f"{path}: is not as {PACKAGE} 2 has it: {error}") from None


def steps_of(frames: Sequence[Sequence[float]]) -> list[bytes]:
    """The tensors of the networks, packed float32 as an agent packs them."""
    return [
        array("f", [value for frame in frames[at : at + FRAMES] for value in frame]).tobytes()
        for at in range(0, len(frames) - FRAMES + 1, FRAMES)
    ]


def end_of(step: int) -> int:
    """The sample with which a step ends."""
    return ((step + 1) * FRAMES - 1) * CHUNK_SAMPLES + WINDOW_SAMPLES


def hear(word: WakeWord, steps: Sequence[bytes]) -> Hearing:
    """Run the model over a sound, without an agent."""
    data = word.path.read_bytes()
    model = Native().load(ModelFile(str(word.path), data, sha256(data).digest()))
    try:
        probabilities = [model.run(step)[0] for step in steps]
    finally:
        model.close()
    full = range(word.smooth, len(probabilities) + 1)
    means = [0.0] * min(word.smooth - 1, len(probabilities)) + [
        fmean(probabilities[at - word.smooth : at]) for at in full
    ]
    alarms, is_above = [], False
    for at, mean in enumerate(means):
        was_above, is_above = is_above, mean > word.cutoff - (HYSTERESIS if is_above else 0.0)
        if is_above and not was_above:
            alarms.append(at)
    return Hearing(tuple(means), tuple(alarms), tuple((sha256(steps[at]).digest(), means[at]) for at in alarms))
