"""`synedge nn train`: a file that answers as it was trained, whatever ends the training."""

import os
import pty
import shlex
import signal
import struct
import subprocess
import sys
from array import array
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

from edge.nn import kernels
from edge.nn.fann import read_net, write_net
from edge.nn.fann_answer import answer
from edge.nn.fann_data import Data, read_data, write_data
from edge.shell.engines import open_model
from tests.house.source import ROOT
from tests.nn.recall import recall
from tests.unit.cli.conftest import Synedge


def words_of(line: str) -> list[str]:
    return line.split()


def circle(rows: int, seed: int, outputs: int = 2) -> bytes:
    """Points inside a circle and outside of it."""
    rng, given, wanted = Random(seed), array("f"), array("f")
    for _ in range(rows):
        x, y = rng.uniform(-1, 1), rng.uniform(-1, 1)
        inside = x * x + y * y < 0.6
        given.extend((x, y))
        wanted.extend((inside, not inside)[:outputs])
    return write_data(Data(rows, 2, outputs, given, wanted))


@pytest.fixture(autouse=True)
def _sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "valve.train").write_bytes(circle(300, 1))
    (tmp_path / "valve.test").write_bytes(circle(200, 2))
    (tmp_path / "steps.train").write_bytes(write_data(recall(3, 10, 50, 1)))
    monkeypatch.chdir(tmp_path)
    yield
    kernels.select()


def test_a_network_of_fann_is_trained_judged_and_trained_on(synedge: Synedge):
    words = "nn train valve.train --layers 8 --out valve.net --test valve.test --epochs 100 --json"
    ended = synedge(*words_of(words))
    assert ended.code == 0, ended.err
    found = ended.json
    assert (found["algorithm"], found["layers"], found["ended"]) == ("irprop", [2, 8, 2], "epochs")
    assert found["test_error"] < 0.1 and found["loss"] < found["course"][0]["loss"] / 3
    assert len(found["course"]) == 100 and found["course"][-1]["test_error"] is not None
    net, test = read_net(Path("valve.net").read_bytes()), read_data(Path("valve.test").read_bytes())
    answers = [(answer(net, given), right) for given, right in (test.row(number) for number in range(test.rows))]
    wrong = sum(got.index(max(got)) != right.index(1) for got, right in answers)
    assert wrong / test.rows == found["test_error"]
    words = "nn train valve.train --net valve.net --out more.net --loss cross-entropy --epochs 100 --json"
    more = synedge(*words_of(words))
    assert more.json["loss"] < found["loss"]
    assert synedge(*words_of("models convert valve.net valve.tflite")).code == 0


def test_the_same_seed_gives_the_same_file(synedge: Synedge):
    files = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        words = f"nn train valve.train --algorithm sgd --epochs 3 --seed {seed} --out {name}.net"
        assert synedge(*words_of(words)).code == 0
        files.append(Path(f"{name}.net").read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("options", ["", "--int8", "--activation RELU --output SOFTMAX --algorithm adam"])
def test_a_tflite_answers_as_it_was_trained(synedge: Synedge, options: str):
    words = f"nn train valve.train --out valve.tflite --test valve.test --epochs 200 {options} --json"
    found = synedge(*words_of(words)).json
    assert found["engine"] == "native" and found["dtype"] == ("int8" if "int8" in options else "float32")
    assert found["test_error"] < 0.1
    assert abs(found["file_error"] - found["test_error"]) <= (0.03 if "int8" in options else 0)
    assert found["difference_max"] < (0.3 if "int8" in options else 1e-5)
    model, test = open_model("valve.tflite"), read_data(Path("valve.test").read_bytes())
    try:
        rows = [test.row(number) for number in range(test.rows)]
        got = [(model.run(struct.pack("<2f", *given)), right) for given, right in rows]
        assert sum((a > b) != (c > d) for (a, b), (c, d) in got) / test.rows == found["file_error"]
    finally:
        model.close()


def test_a_cascade_grows_into_a_network_of_fann(synedge: Synedge):
    ended = synedge(
        *words_of("nn train valve.train --test valve.test --algorithm cascade --neurons 6 --out valve.net --json")
    )
    found = ended.json
    assert found["algorithm"] == "cascade" and found["ended"] in ("right", "neurons")
    assert found["test_error"] < 0.1 and found["layers"][0] == 2 and found["layers"][-1] == 2
    assert len(found["course"]) == len(found["layers"]) - 1
    net = read_net(Path("valve.net").read_bytes())
    assert net.is_shortcut and list(net.layer_sizes) == [3, *found["layers"][1:]]
    more = synedge(
        *words_of("nn train valve.train --net valve.net --epochs 20 --loss cross-entropy --out more.net --json")
    )
    assert more.json["loss"] <= found["loss"] and more.json["layers"] == found["layers"]
    for option in ("--layers 3", "--epochs 9", "--batch 3", "--net valve.net"):
        refused = synedge(*words_of(f"nn train valve.train --algorithm cascade --out a.net {option}"))
        assert refused.code == 64 and "by itself" in refused.err
    assert synedge(*words_of("nn train valve.train --algorithm cascade --out a.tflite")).code == 64
    assert synedge(*words_of("nn train valve.train --neurons 3 --out a.net")).code == 64


def test_sequences_make_a_network_that_remembers(synedge: Synedge):
    Path("steps.train").write_bytes(write_data(recall(1, 64, 20, 3)))
    Path("steps.test").write_bytes(write_data(recall(2, 64, 20, 3)))
    words = "nn train steps.train --test steps.test --sequence 20 --skip 3 --truncate 8 --units 12 --algorithm adam"
    ended = synedge(*words_of(f"{words} --epochs 60 --out steps.tflite --json"))
    assert ended.code == 0, ended.err
    found = ended.json
    assert (found["layers"], found["engine"]) == ([1, 12, 1], "native")
    assert found["test_error"] < 0.02 and found["file_error"] == found["test_error"]
    assert found["file_rows"] == 64 * 17 and found["difference_max"] < 1e-5
    assert synedge(*words_of("models inspect steps.tflite --json")).json["keeps_state"] is True


@pytest.mark.parametrize(("options", "code", "said"), [
    ("--sequence 7 --out a.tflite", 65, "300 rows in sequences of 7"),
    ("--sequence 10 --units 30000 --out a.tflite", 65, "bytes of memory (allowed: up to"),
    ("--sequence 10 --skip 10 --out a.tflite", 65, "10 of 10 steps not judged"),
    ("--sequence 10 --out a.net", 64, "written as .tflite"),
    ("--sequence 10 --out a.tflite --int8", 64, "in float32"),
    ("--sequence 10 --out a.tflite --algorithm cascade", 64, "does not grow"),
    ("--sequence 10 --out a.tflite --layers 4 --activation ELLIOT", 65, "TensorFlow Lite has no ELLIOT"),
    ("--units 10 --out a.tflite", 64, "--units is for sequences"),
    ("--truncate 0 --sequence 10 --out a.tflite", 64, "allowed: a whole number from 1"),
])  # fmt: skip
def test_sequences_that_cannot_be_are_refused(synedge: Synedge, options: str, code: int, said: str):
    ended = synedge("nn", "train", "valve.train", *options.split())
    assert (ended.code, ended.out) == (code, "") and said in ended.err


def test_a_variant_is_a_demand(synedge: Synedge, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYNEDGE_KERNEL", "scalar")
    words = words_of("nn train valve.train --out valve.net --epochs 2 --json")
    assert synedge(*words).json["kernel"] == "scalar"
    monkeypatch.setenv("SYNEDGE_KERNEL", "sse9")
    assert synedge(*words).code == 69


def test_it_ends_when_the_loss_is_low_enough(synedge: Synedge):
    words = "nn train valve.train --out valve.net --epochs 5000 --until 0.2 --json"
    found = synedge(*words_of(words)).json
    assert found["ended"] == "until" and found["epochs"] < 5000 and found["loss"] <= 0.2


def test_a_single_output_has_two_sides_and_numbers_have_none(synedge: Synedge):
    Path("one.train").write_bytes(circle(300, 1, 1))
    assert synedge(*words_of("nn train one.train --out one.net --epochs 200 --json")).json["error"] < 0.05
    numbers = array("f", [place / 50 for place in range(100)])
    Path("line.train").write_bytes(write_data(Data(100, 1, 1, numbers, array("f", [x * x for x in numbers]))))
    found = synedge(*words_of("nn train line.train --out line.tflite --epochs 300 --json")).json
    assert found["error"] is None and found["loss"] < 3e-3 and found["loss_kind"] == "squared"


def test_what_diverges_ends_with_65_and_leaves_the_last_network(synedge: Synedge):
    words = "nn train valve.train --algorithm sgd --rate 1e30 --activation RELU --output NONE --batch 0"
    ended = synedge(*words_of(words), "--out", "valve.tflite", "--json")
    assert ended.code == 65
    assert "made numbers that are not finite" in ended.error["message"]
    assert "valve.tflite has the network of epoch" in ended.error["message"]
    assert ended.json["ended"] == "diverged"
    assert all(abs(value) < 1e30 for value in open_model("valve.tflite").run(bytes(8)))


def test_a_test_set_that_makes_no_numbers_is_said_to_have_no_loss(synedge: Synedge):
    Path("wild.test").write_text("1 2 2\n3e38 3e38\n0 1\n")
    words = "nn train valve.train --test wild.test --activation RELU --output NONE --epochs 20 --out a.tflite --json"
    ended = synedge(*words_of(words))
    assert ended.code == 0, ended.err
    assert ended.json["test_loss"] is None and ended.json["file_error"] == 1


def test_ctrl_c_leaves_the_best_network_so_far():
    """On a terminal, once it shows that it is under way."""
    ours, theirs = pty.openpty()
    words = "nn train valve.train --out valve.net --epochs 100000000 --json --test valve.test"
    child = subprocess.Popen(
        [sys.executable, "-m", "edge", *words.replace("--json ", "").split()],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}, stdout=subprocess.PIPE, stderr=theirs, text=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while shown.count(b"loss") < 3:
        shown += os.read(ours, 4096)
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=60)
    os.close(ours)
    assert child.returncode == 130
    assert b"/100000000 loss 0." in shown
    assert "interrupted" in said and read_net(Path("valve.net").read_bytes()).outputs == 2


def test_the_course_is_drawn_where_one_asks(synedge: Synedge):
    ended = synedge(*words_of("nn train valve.train --out valve.net --epochs 50 --curve"))
    lines = ended.out.splitlines()
    assert len([line for line in lines if "|" in line]) == 10 and "loss over epochs 1 to 50" in ended.out
    assert lines[0].split("|")[1].strip(" ")[:1] == "█" and len(lines[9]) > len(lines[0])


@pytest.mark.skipif(find_spec("matplotlib") is not None, reason="matplotlib is installed here, so nothing is refused")
def test_a_picture_without_matplotlib_is_refused_before_the_work(synedge: Synedge):
    ended = synedge(*words_of("nn train valve.train --out valve.net --plot a.png"))
    assert ended.code == 69 and "pip install 'synedge[plot]'" in ended.err and not Path("valve.net").exists()


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="needs matplotlib, the extra synedge[plot]")
def test_a_picture(synedge: Synedge):
    assert (
        synedge(*words_of("nn train valve.train --test valve.test --out valve.net --epochs 9 --plot a.png")).code == 0
    )
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("options", "code", "said"), [
    ("--out valve.bin", 64, "allowed: a name that ends in .net or .tflite"),
    ("--out none/valve.net", 64, "there is no directory none"),
    ("--out valve.net --int8", 64, "--int8 is for .tflite"),
    ("--out valve.net --layers 3,x", 64, "allowed: widths from 1 joined by commas, or none"),
    ("--out valve.net --layers 3 --net a.net", 64, "only one of them"),
    ("--out valve.net --activation RELU", 65, "FANN has no RELU"),
    ("--out valve.tflite --activation ELLIOT", 65, "TensorFlow Lite has no ELLIOT"),
    ("--out valve.net --activation GELU", 65, "activation GELU (allowed: LOGISTIC, TANH"),
    ("--out valve.net --output TANH --loss cross-entropy", 65, "cross-entropy of SIGMOID_SYMMETRIC outputs"),
    ("--out valve.net --test wide.test", 65, "3 inputs and 2 outputs a row (allowed: 2 and 2"),
    ("--out valve.net --algorithm levenberg", 64, "invalid choice"),
    ("--out valve.net --layers 100000,100000", 65, "bytes of memory (allowed: up to"),
    ("--out valve.net --layers 99999999", 65, "each from 1 to 1048576"),
    ("--out valve.net --seed 99999999999999999999", 64, "from 0 to 2^64 - 1"),
    ("--out valve.net --seed -1", 64, "from 0 to 2^64 - 1"),
    ("--out valve.net --epochs 0", 64, "allowed: a whole number from 1"),
])  # fmt: skip
def test_what_cannot_be_is_refused_before_the_work(synedge: Synedge, options: str, code: int, said: str):
    Path("wide.test").write_text("1 3 2\n0 0 0\n0 1\n")
    ended = synedge("nn", "train", "valve.train", *options.split())
    assert (ended.code, ended.out) == (code, "") and said in ended.err
    assert not Path("valve.net").exists()


def test_a_network_says_itself_how_it_is_trained(synedge: Synedge):
    assert (
        synedge(*words_of("nn train valve.train --out a.net --algorithm quickprop --epochs 2 --loss atanh")).code == 0
    )
    net = read_net(Path("a.net").read_bytes())
    assert (net.settings["training_algorithm"], net.settings["train_error_function"]) == (3, 1)
    found = synedge(*words_of("nn train valve.train --net a.net --out b.net --epochs 2 --json")).json
    assert (found["algorithm"], found["loss_kind"]) == ("quickprop", "atanh")
    Path("a.net").write_bytes(write_net(net._replace(settings={**net.settings, "training_algorithm": 4})))
    ended = synedge(*words_of("nn train valve.train --net a.net --out b.net"))
    assert ended.code == 65 and "training_algorithm 4 (allowed: 0 incremental" in ended.err


def test_what_operating_says_of_training_works_as_it_is_typed(synedge: Synedge):
    text = (ROOT / "docs/OPERATING.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("synedge nn ")]
    assert len(lines) >= 3
    for line in lines:
        if "--plot" not in line or find_spec("matplotlib") is not None:
            ended = synedge(*shlex.split(line)[1:])
            assert ended.code == 0, ended.err
