"""What river says of streams that anyone can make again: `PYTHON -m tests.conformance.river_said [--write]`.

PYTHON is an interpreter with river of deploy/requirements/bench.txt: .venv-bench/bin/python. Without --write the
recorded answers are compared with river's, and the exit code is 1 if any differs.
"""

import json
import sys
from pathlib import Path
from random import Random
from typing import Any

from tests.reference.streams import drifting

FILE = Path(__file__).with_name("river_said.json")
STREAMS = 300
SCORED = 12


def adwin_options(seed: int) -> dict[str, Any]:
    rng = Random(seed)
    return {"delta": rng.choice((0.002, 0.05, 0.3)), "clock": rng.choice((32, 1, 7)), "max_buckets": rng.choice((5, 3))}


def page_hinkley_options(seed: int) -> dict[str, Any]:
    rng = Random(-seed)
    mode = rng.choice(("both", "both", "up", "down"))
    return {"threshold": rng.choice((50.0, 5.0, 500.0)), "delta": rng.choice((0.005, 0.5)), "mode": mode}


def rows(seed: int, count: int, inputs: int) -> list[list[float]]:
    """Around a few places, seldom elsewhere."""
    rng = Random(seed)
    places = [[rng.uniform(0.1, 0.9) for _ in range(inputs)] for _ in range(3)]
    found = []
    for _ in range(count):
        place = rng.choice(places)
        found.append([rng.random() if rng.random() < 0.05 else rng.gauss(middle, 0.05) for middle in place])
    return found


def drifts(detector: Any, stream: list[float]) -> tuple[list[int], float]:
    """At which values, and the last mean that it knows."""
    found = []
    for place, value in enumerate(stream):
        detector.update(value)
        if detector.drift_detected:
            found.append(place)
    mean = detector.estimation if hasattr(detector, "estimation") else detector._x_mean.get()
    return found, mean


def tree(node: Any) -> list[Any]:
    """Splits from the root, the left side before the right: [input, at, left, right]; a leaf is empty."""
    return [] if not hasattr(node, "children") else [int(node.feature), node.threshold, *map(tree, node.children)]


def scored(seed: int) -> dict[str, Any]:
    from river import anomaly, preprocessing

    rng = Random(seed)
    shape = {"n_trees": rng.randint(1, 4), "height": rng.randint(2, 5), "window_size": rng.randint(10, 60)}
    inputs, is_scaled = rng.randint(1, 4), bool(seed % 2)
    forest, scaler, scores = anomaly.HalfSpaceTrees(**shape, seed=seed), preprocessing.MinMaxScaler(), []
    for row in rows(seed, 200, inputs):
        x = {str(place): 9.0 * value - 4.0 if is_scaled else value for place, value in enumerate(row)}
        if is_scaled:
            scaler.learn_one(x)
            x = scaler.transform_one(x)
        scores.append(forest.score_one(x))
        forest.learn_one(x)
    return {**shape, "inputs": inputs, "is_scaled": is_scaled, "trees": list(map(tree, forest.trees)), "scores": scores}


def said() -> dict[str, Any]:
    from river import __version__, drift

    streams = [drifting(seed) for seed in range(STREAMS)]
    return {
        "river": __version__,
        "adwin": [drifts(drift.ADWIN(**adwin_options(seed)), each) for seed, each in enumerate(streams)],
        "page_hinkley": [drifts(drift.PageHinkley(**page_hinkley_options(i)), each) for i, each in enumerate(streams)],
        "forest": [scored(seed) for seed in range(SCORED)],
    }


def main(arguments: list[str]) -> int:
    text = "{\n" + ",\n".join(f"{json.dumps(key)}: {_lines(value)}" for key, value in said().items()) + "\n}\n"
    if arguments == ["--write"]:
        FILE.write_text(text)
    is_same = FILE.exists() and FILE.read_text() == text
    print("river says what is recorded" if is_same else "river says something else")
    return 0 if is_same else 1


def _lines(value: Any) -> str:
    """An entry of a list on a line of its own."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(item, separators=(",", ":")) for item in value) + "\n]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
