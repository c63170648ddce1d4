"""Cuts `edge/lab/data/watch/*.csv.gz` and their labels: the held-out people, 12 s of each exercise, one stream per arm.

    python -m edge.lab.training.cut_slice seglearn-1.2.5-py3-none-any.whl

The same bytes on every run with the same zlib.
"""

import argparse
import gzip
import io
from pathlib import Path
from typing import Any

from edge.lab.training.watch_set import CHANNELS, EXERCISES, HELD_OUT, RATE_HZ, Recording, load

FOLDER = Path(__file__).parents[1] / "data" / "watch"
SECONDS = 12
DECIMALS = (3, 3, 3, 2, 2, 2)
"""1 mg and 0.01 rad/s, below the noise of the sensors."""


def cut(samples: Any) -> Any:
    """The middle of a recording: the first and last repetitions hold pauses."""
    length = SECONDS * RATE_HZ
    start = (len(samples) - length) // 2
    return samples[start : start + length]


def stream(recordings: list[Recording], first: int) -> tuple[str, str]:
    """The CSV of one person's arm and the CSV of its labels; exercises in the set's order from `first` on."""
    rows, labels, at = io.StringIO(), io.StringIO(), 0
    rows.write(",".join(("t_ms", *CHANNELS)) + "\n")
    labels.write("from_ms,to_ms,label\n")
    by_exercise = {recording.exercise: recording for recording in recordings}
    for turn in range(len(EXERCISES)):
        exercise = (first + turn) % len(EXERCISES)
        start = at
        for sample in cut(by_exercise[exercise].samples):
            values = (f"{value:.{places}f}" for value, places in zip(sample, DECIMALS, strict=True))
            rows.write(",".join((str(at), *values)) + "\n")
            at += 1000 // RATE_HZ
        labels.write(f"{start},{at},{EXERCISES[exercise]}\n")
    return rows.getvalue(), labels.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description="Cut the demo's recordings out of the seglearn wheel.")
    parser.add_argument("wheel", type=Path, help="seglearn-1.2.5-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where the streams and labels/ go")
    arguments = parser.parse_args()
    recordings, out = load(arguments.wheel), arguments.out
    (out / "labels").mkdir(parents=True, exist_ok=True)
    places = [(person, arm) for person in HELD_OUT for arm in ("left", "right")]
    for number, (person, arm) in enumerate(places):
        mine = [recording for recording in recordings if (recording.person, recording.arm) == (person, arm)]
        rows, labels = stream(mine, number % len(EXERCISES))
        name = f"p{person:02}-{arm}.csv"
        (out / f"{name}.gz").write_bytes(gzip.compress(rows.encode(), 9, mtime=0))
        (out / "labels" / name).write_text(labels)


if __name__ == "__main__":
    main()
