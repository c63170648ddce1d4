"""The full published set: the slice is cut from it, the network comes out of the script, and is as good as it says."""

import gzip
import json
import os
import struct
import subprocess
from pathlib import Path

import pytest

from edge.lab import watch
from edge.shell.engines import open_model
from tests.integration import tflite_venv

pytestmark = pytest.mark.slow

DUMP = """
import struct, sys
from pathlib import Path
from edge.lab.training.train_watch import HELD_OUT, STEP, windows
from edge.lab.training.watch_set import load
out = sys.stdout.buffer
for recording in load(Path(sys.argv[1])):
    if recording.person in HELD_OUT:
        for window in windows(recording.samples, STEP):
            out.write(struct.pack("<2i", recording.person, recording.exercise) + window.astype("<f4").tobytes())
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A Python with the numpy that made the network, and seglearn's wheel."""
    numpy, folder = watch.about()["made_with"]["numpy"], tmp_path_factory.mktemp("lab")
    try:
        python = str(tflite_venv.make(folder / "venv", f"numpy=={numpy}"))
        fetch = [python, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), "seglearn==1.2.5"]
        subprocess.run(fetch, check=True, capture_output=True, timeout=300)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"numpy or seglearn cannot be installed here: {error}")
    return python, str(next(folder.glob("seglearn-*.whl")))


def run(python: str, *arguments: str) -> bytes:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [python, *arguments], cwd=tflite_venv.ROOT, env=environment, capture_output=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_the_slice_is_cut_from_the_published_set(lab: tuple[str, str], tmp_path: Path):
    run(lab[0], "-m", "edge.lab.training.cut_slice", lab[1], "--out", str(tmp_path))
    for stream in watch.streams():
        again = (tmp_path / stream.recording.name).read_bytes()
        assert gzip.decompress(again) == gzip.decompress(stream.recording.read_bytes()), stream.name
        assert (tmp_path / "labels" / stream.labels.name).read_bytes() == stream.labels.read_bytes()


def test_the_network_is_as_good_on_the_whole_held_out_set_as_it_says(lab: tuple[str, str]):
    size = 128 * 6 * 4
    dump, counts = run(lab[0], "-c", DUMP, lab[1]), dict[str, list[int]]()
    model = open_model(watch.FOLDER / "activity.tflite")
    for at in range(0, len(dump), 8 + size):
        person, exercise = struct.unpack_from("<2i", dump, at)
        outputs = model.run(dump[at + 8 : at + 8 + size])
        count = counts.setdefault(str(person), [0, 0])
        count[0] += outputs.index(max(outputs)) == exercise
        count[1] += 1
    model.close()
    assert counts == watch.about()["accuracy_held_out"]["per_person"]


def test_training_again_gives_the_same_network_or_one_as_good(lab: tuple[str, str], tmp_path: Path):
    """The same bytes on the machine that made it; on another CPU sums may round otherwise, and training drifts."""
    run(lab[0], "-m", "edge.lab.training.train_watch", lab[1], "--out", str(tmp_path))
    told, again = watch.about(), json.loads((tmp_path / "activity.json").read_text())
    if (tmp_path / "activity.tflite").read_bytes() == (watch.FOLDER / "activity.tflite").read_bytes():
        assert again == told
    else:
        assert abs(again["accuracy_held_out"]["value"] - told["accuracy_held_out"]["value"]) < 0.04
