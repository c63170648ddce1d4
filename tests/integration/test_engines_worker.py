"""tflite-runtime in its worker: real interpreter, real process, and what happens when it dies, hangs or lies."""

import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.nn.backends import Model
from edge.nn.errors import EngineError, InferenceError, ModelError
from edge.shell.engines import EngineOptions, Engines
from edge.shell.engines.modelfile import read_model
from edge.shell.engines.tflite_c import TfliteC, find_library
from edge.shell.engines.tflite_worker import TfliteWorker, WorkerOptions
from tests.integration import tflite_venv
from tests.nn.cases import draw
from tests.unit.shell import engine_models as models
from tests.unit.shell.engine_models import ONE_OP, floats, write

STREAMING = sorted((find_library().parents[1] / "models").glob("*.tflite"))
ACTIVITY = Path(tflite_venv.ROOT, "edge", "lab", "data", "watch", "activity.tflite")


@pytest.fixture(scope="session")
def python() -> str:
    try:
        return str(tflite_venv.make(tflite_venv.FOLDER, "-r", str(tflite_venv.REQUIREMENTS)))
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"tflite-runtime cannot be installed here: {error}")


@pytest.fixture
def worker(python: str) -> TfliteWorker:
    return TfliteWorker(WorkerOptions(python, backoff_first_s=0.05))


@pytest.fixture
def one(worker: TfliteWorker) -> Iterator[Model]:
    model = worker.load(read_model(ONE_OP))
    yield model
    model.close()


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def gone(pid: int) -> bool:
    """No such process, or a zombie that its new parent has not reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def runs_again(model: Model) -> bool:
    """Whether it answers, right; False while it is held back or the worker starts."""
    try:
        return model.run(floats(1, 2, 3, 4)) == pytest.approx((3, 8, 13), abs=1e-5)
    except EngineError:
        return False


def test_it_proves_itself_and_says_what_it_is(python: str):
    report = Engines(EngineOptions(tflite_python=python)).probe()[-1]
    assert (report.name, report.ok, report.why, report.version, report.path) == (
        "tflite_worker",
        True,
        "",
        "2.14.0",
        python,
    )


def test_it_can_be_preferred(python: str):
    choice = Engines(EngineOptions(tflite_python=python)).choose(ONE_OP, prefer="tflite_worker")
    assert choice.model.engine == "tflite_worker" and choice.passed_over == ()
    choice.model.close()


def test_it_takes_over_what_ours_lacks_when_the_c_library_is_missing(python: str, tmp_path: Path):
    lacking = tmp_path / "lstm.tflite"
    lacking.write_bytes(draw("UNIDIRECTIONAL_SEQUENCE_LSTM", "int8", 2).data)
    choice = Engines(EngineOptions(tflite_c="/nowhere/lib.so", tflite_python=python)).choose(lacking)
    assert choice.model.engine == "tflite_worker"
    ours, library = choice.passed_over
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in ours.why and "/nowhere/lib.so" in library.why
    choice.model.close()


@pytest.mark.parametrize("path", [ONE_OP, ACTIVITY], ids=["one-op", "activity"])
def test_same_answers_as_the_c_library_float32(worker: TfliteWorker, path: Path):
    file, chance = read_model(path), random.Random(7)
    here, there = TfliteC(find_library()).load(file), worker.load(file)
    assert (here.input, here.output, here.digest) == (there.input, there.output, there.digest)
    for _ in range(50):
        tensor = floats(*(chance.gauss(0, 2) for _ in range(here.input.values)))
        assert there.run(tensor) == pytest.approx(here.run(tensor), abs=1e-5, rel=1e-5)
    here.close()
    there.close()


@pytest.mark.parametrize("path", STREAMING, ids=lambda path: path.stem)
def test_same_answers_as_the_c_library_int8_with_state(worker: TfliteWorker, path: Path):
    """Also after a reset, which must forget the resource variables of both."""
    file, chance = read_model(path), random.Random(7)
    here, there = TfliteC(find_library()).load(file), worker.load(file)
    assert (here.input, here.output) == (there.input, there.output)
    for _ in range(2):
        for _ in range(25):
            tensor = floats(*(chance.uniform(0, 26) for _ in range(here.input.values)))
            assert there.run(tensor) == pytest.approx(here.run(tensor), abs=1 / 256 + 1e-6)
        here.reset()
        there.reset()
    here.close()
    there.close()


def test_all_models_share_one_process_that_ends_with_the_last(worker: TfliteWorker, tmp_path: Path):
    first = worker.load(read_model(ONE_OP))
    second = worker.load(write(tmp_path / "i.tflite", models.dense()))
    pid = worker.pid
    assert pid is not None and worker.generation == 1
    assert second.run(floats(4, 3, 2, 1)) == (4, 3, 2, 1)
    first.close()
    assert second.run(floats(4, 3, 2, 1)) == (4, 3, 2, 1)
    second.close()
    second.close()
    assert worker.pid is None and gone(pid) and worker.deaths == 0


def test_a_killed_worker_is_an_error_at_once_and_works_again(worker: TfliteWorker, one: Model):
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match="the worker died by SIGKILL"):
        one.run(floats(1, 2, 3, 4))
    assert eventually(lambda: runs_again(one))
    assert worker.generation == 2 and worker.deaths == 1


def test_a_stopped_worker_is_late_killed_and_replaced(python: str):
    worker = TfliteWorker(WorkerOptions(python, run_timeout_s=0.3, backoff_first_s=0.05))
    model = worker.load(read_model(ONE_OP))
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(EngineError, match="gave no answer in time"):
        model.run(floats(1, 2, 3, 4))
    assert gone(pid)
    assert eventually(lambda: runs_again(model))
    model.close()


def test_a_model_whose_run_killed_the_worker_is_held_back_others_are_not(python: str, tmp_path: Path):
    worker = TfliteWorker(WorkerOptions(python, backoff_first_s=3600, backoff_last_s=3600))
    culprit, other = worker.load(read_model(ONE_OP)), worker.load(read_model(ONE_OP))
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match="SIGKILL"):
        culprit.run(floats(1, 2, 3, 4))
    with pytest.raises(EngineError, match="held back for 36"):
        culprit.run(floats(1, 2, 3, 4))
    assert eventually(lambda: runs_again(other))
    culprit.close()
    other.close()


def test_a_wrong_input_fails_the_run_and_not_the_worker(worker: TfliteWorker, one: Model):
    with pytest.raises(InferenceError, match="the model takes 16"):
        one.run(floats(1, 2))
    assert runs_again(one) and worker.deaths == 0


def test_a_model_it_refuses_is_named_with_the_reason(worker: TfliteWorker, one: Model, tmp_path: Path):
    path = tmp_path / "bad.tflite"
    for data in (models.unfitting(), models.two_outputs(), models.integers(), ONE_OP.read_bytes()[:400]):
        with pytest.raises(ModelError) as caught:
            worker.load(write(path, data))
        assert str(path) in str(caught.value)
    assert runs_again(one) and worker.deaths == 0


def test_a_model_that_crashes_it_is_refused_and_others_go_on(worker: TfliteWorker, one: Model, tmp_path: Path):
    path = tmp_path / "killer.tflite"
    with pytest.raises(ModelError) as caught:
        worker.load(write(path, models.flipped(ONE_OP.read_bytes(), 18, 0)))
    assert str(path) in str(caught.value)
    assert eventually(lambda: runs_again(one))


def test_a_closed_model_says_so(worker: TfliteWorker, one: Model):
    one.close()
    with pytest.raises(EngineError, match="closed"):
        one.run(floats(1, 2, 3, 4))


def test_the_worker_dies_with_its_parent(python: str):
    """SIGKILL gives the parent no chance to tell anybody."""
    script = (
        "import sys\n"
        "from edge.shell.engines.tflite_worker import TfliteWorker, WorkerOptions\n"
        "from edge.shell.engines.modelfile import read_model\n"
        f"worker = TfliteWorker(WorkerOptions({python!r}))\n"
        f"model = worker.load(read_model({str(ONE_OP)!r}))\n"
        "print(worker.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
        parent.wait()
        assert eventually(lambda: gone(pid))


# --- interpreters that are not what they should be ------------------------------------------------------------------


def program(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo no such thing >&2; exit 3", "left with status 3 (no such thing)"),
        ("printf 'hello, I am not a worker'; exec cat", "announced an answer of"),
        ("printf '\\001\\000\\000\\000?'; exec cat", "sent a frame that is no answer"),
        ("printf '\\003\\000\\000\\000+[]'; exec cat", "does not work"),
        ("kill -SEGV $$", "died by SIGSEGV"),
        ("exec sleep 60", "still starting"),
    ],
)
def test_a_worker_that_is_none_is_reported_with_its_words(tmp_path: Path, body: str, reason: str):
    worker = TfliteWorker(WorkerOptions(program(tmp_path / "python", body), start_timeout_s=1.0))
    with pytest.raises(EngineError) as caught:
        worker.load(read_model(ONE_OP))
    assert reason in str(caught.value) and str(tmp_path / "python") in str(caught.value)
    assert worker.pid is None


def test_a_worker_that_floods_its_stderr_does_not_block(python: str, tmp_path: Path):
    loud = program(tmp_path / "python", f"head -c 300000 /dev/zero | tr '\\0' x >&2\nexec {python} \"$@\"")
    worker = TfliteWorker(WorkerOptions(loud))
    model = worker.load(read_model(ONE_OP))
    assert runs_again(model)
    model.close()


def test_starts_that_fail_are_not_repeated_without_pause(tmp_path: Path):
    log = tmp_path / "starts"
    worker = TfliteWorker(WorkerOptions(program(tmp_path / "python", f"echo x >> {log}; exit 1"), backoff_first_s=3600))
    for _ in range(5):
        with pytest.raises(EngineError):
            worker.load(read_model(ONE_OP))
    assert log.read_text().split() == ["x"]


def test_an_interpreter_without_the_runtime_says_what_is_missing(tmp_path: Path):
    worker = TfliteWorker(WorkerOptions(sys.executable))
    with pytest.raises(EngineError, match="No module named 'tflite_runtime'"):
        worker.load(read_model(ONE_OP))


@pytest.mark.slow
def test_numpy_2_is_found_out_by_running_a_model(tmp_path: Path):
    """tflite-runtime 2.14 imports with numpy 2 and fails at the first interpreter."""
    try:
        python = tflite_venv.make(tmp_path / "venv", "tflite-runtime==2.14.0", "numpy>=2,<3")
    except RuntimeError as error:
        pytest.skip(str(error))
    report = Engines(EngineOptions(tflite_python=str(python))).probe()[1]
    assert not report.ok and "numpy<2" in report.why
