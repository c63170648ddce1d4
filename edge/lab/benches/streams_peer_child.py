"""river, as `bench streams` measures it, under the interpreter that has it.

Imports nothing of ours. One JSON document in, one out: `where` its data lies, or the scores of half-space trees, or the
drifts that a detector tells; with the time that these took, made as a user makes them.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import river
from river import anomaly, datasets, drift, preprocessing


def where(_: dict[str, Any]) -> dict[str, Any]:
    """NASA's Shuttle, a CSV in which the last column is 1 for an anomaly."""
    return {"version": river.__version__, "shuttle": str(Path(datasets.__file__).with_name("shuttle.csv.gz"))}


def forest(asked: dict[str, Any]) -> dict[str, Any]:
    """Each row scaled by what was seen, judged, then learnt."""
    with gzip.open(asked["path"], "rt", newline="") as file:
        rows = [{key: float(value) for key, value in row.items() if key != "anomaly"} for row in csv.DictReader(file)]
    trees, scaler, scores = anomaly.HalfSpaceTrees(**asked["options"]), preprocessing.MinMaxScaler(), []
    begun_ns = time.perf_counter_ns()
    for row in rows[: asked["rows"]]:
        scaler.learn_one(row)
        x = scaler.transform_one(row)
        scores.append(trees.score_one(x))
        trees.learn_one(x)
    return {"ns": time.perf_counter_ns() - begun_ns, "scores": scores}


def drifts(asked: dict[str, Any]) -> dict[str, Any]:
    detector: Any = {"adwin": drift.ADWIN, "page-hinkley": drift.PageHinkley}[asked["kind"]]()
    found = []
    begun_ns = time.perf_counter_ns()
    for place, value in enumerate(asked["values"]):
        detector.update(value)
        if detector.drift_detected:
            found.append(place)
    return {"ns": time.perf_counter_ns() - begun_ns, "drifts": found}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(json.dumps({"where": where, "forest": forest, "drifts": drifts}[asked["do"]](asked)))
