"""The TensorFlow Lite C engine in this process, the checks before it, and the choice among engines."""

import hashlib
import os
import random
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import limits
from edge.lab.training.make_one_op import one_op
from edge.nn.errors import BrokenModelError, EngineError, InferenceError, ModelError
from edge.shell.engines import EngineOptions, Engines, modelfile, open_model, probe
from edge.shell.engines.modelfile import outer_fault, read_model
from edge.shell.engines.proof import prove
from edge.shell.engines.tflite_c import TfliteC, find_library
from tests.unit.shell import engine_models as models
from tests.unit.shell.engine_models import ONE_OP, floats, write

STREAMING = find_library().parents[1] / "models" / "hey_mycroft.tflite"


@pytest.fixture(scope="module")
def engine() -> TfliteC:
    return TfliteC(find_library())


def test_the_shipped_proof_model_is_what_its_script_makes():
    assert ONE_OP.read_bytes() == one_op()


def test_runs_and_names_what_ran(engine: TfliteC):
    model = engine.load(read_model(ONE_OP))
    assert model.run(floats(1, 2, 3, 4)) == pytest.approx((3, 8, 13), abs=1e-5)
    assert (model.input_shape, model.input_bytes, model.output_shape, model.dtype) == ((1, 4), 16, (1, 3), "float32")
    assert model.digest == hashlib.sha256(ONE_OP.read_bytes()).digest()
    assert (model.engine, model.path) == ("tflite_c", str(ONE_OP))
    model.close()


def test_int8_models_take_and_give_floats(engine: TfliteC, tmp_path: Path):
    model = engine.load(write(tmp_path / "q.tflite", models.quantised()))
    assert model.dtype == "int8" and model.input_bytes == 8
    assert model.run(floats(3.0, -4.5)) == (6.0, -9.0)
    model.close()


def test_reset_forgets_what_a_streaming_model_remembers(engine: TfliteC):
    model = engine.load(read_model(STREAMING))
    loud, quiet = floats(*([20.0] * 120)), bytes(model.input_bytes)
    fresh = [model.run(loud) for _ in range(6)]
    for _ in range(20):
        model.run(quiet)
    stale = [model.run(loud) for _ in range(6)]
    model.reset()
    assert [model.run(loud) for _ in range(6)] == fresh != stale
    model.close()


def test_a_wrong_input_fails_the_run_and_not_the_model(engine: TfliteC):
    model = engine.load(read_model(ONE_OP))
    with pytest.raises(InferenceError, match="the model takes 16"):
        model.run(floats(1, 2))
    assert model.run(floats(0, 0, 0, 0)) == (1, 2, 3)
    model.close()


def test_outputs_that_are_not_finite_fail_the_run(engine: TfliteC, tmp_path: Path):
    model = engine.load(write(tmp_path / "m.tflite", models.dense()))
    with pytest.raises(InferenceError, match="not finite"):
        model.run(struct.pack("<4f", 1, float("nan"), 0, 0))
    model.close()


def test_a_closed_model_says_so(engine: TfliteC):
    model = engine.load(read_model(ONE_OP))
    model.close()
    model.close()
    with pytest.raises(EngineError, match="closed"):
        model.run(floats(1, 2, 3, 4))


def test_loading_and_closing_keeps_nothing(engine: TfliteC):
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    file, before = read_model(ONE_OP), descriptors()
    for _ in range(20):
        engine.load(file).close()
    assert descriptors() == before


# --- files that are not what they should be -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "only 0 bytes"),
        (b"TFL3", "only 4 bytes"),
        (b"\0" * 100, "not a TensorFlow Lite model"),
        (b"\xff\xff\xff\xffTFL3" + bytes(100), "root table is at byte 4294967295"),
        (b"\x10\0\0\0TFL3" + bytes(8) + b"\0\0\0\x80" + bytes(88), "root vtable"),
        (b"\x10\0\0\0TFL3" + bytes(8) + b"\x04\0\0\0" + bytes(88), "root vtable"),
    ],
)
def test_the_outside_is_checked_before_any_parser_sees_it(data: bytes, reason: str):
    assert reason in (outer_fault(data) or "")


def test_the_outside_of_a_good_model_is_fine():
    assert outer_fault(ONE_OP.read_bytes()) is None


def test_a_file_above_the_limit_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(modelfile, "MODEL_FILE_BYTES_MAX", 639)
    with pytest.raises(ModelError, match="larger than 639 bytes"):
        read_model(ONE_OP)
    monkeypatch.setattr(modelfile, "MODEL_FILE_BYTES_MAX", 640)
    assert len(read_model(ONE_OP).data) == 640
    assert limits.MODEL_FILE_BYTES_MAX > 640


def test_every_truncation_is_refused_by_name(engine: TfliteC, tmp_path: Path):
    whole, path = ONE_OP.read_bytes(), tmp_path / "cut.tflite"
    # The last bytes are padding behind the last buffer; everything before matters.
    for size in range(0, len(whole) - 32, 7):
        with pytest.raises(ModelError) as caught:
            engine.load(write(path, whole[:size]))
        assert str(path) in str(caught.value), size


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (models.two_outputs, "2 outputs (allowed: 1)"),
        (models.integers, "input has element type int32"),
        (models.unfitting, "tensors do not fit together"),
    ],
)
def test_models_we_cannot_use_are_refused_with_the_reason(
    engine: TfliteC, tmp_path: Path, make: Callable[[], bytes], reason: str
):
    path = tmp_path / "model.tflite"
    with pytest.raises(ModelError) as caught:
        engine.load(write(path, make()))
    assert reason in str(caught.value) and str(path) in str(caught.value)


def test_missing_unreadable_and_odd_files_are_named(tmp_path: Path):
    for path in (tmp_path / "absent.tflite", tmp_path, Path("/dev/null")):
        with pytest.raises(ModelError) as caught:
            open_model(path)
        assert str(path) in str(caught.value)


def test_a_model_that_crashes_tflite_is_refused_and_we_live(engine: TfliteC, tmp_path: Path):
    """This one byte makes TFLite 2.17.1 jump to nowhere; a later library may refuse it in other words."""
    path = tmp_path / "killer.tflite"
    with pytest.raises(ModelError) as caught:
        engine.load(write(path, models.flipped(ONE_OP.read_bytes(), 18, 0)))
    assert str(path) in str(caught.value)
    assert "SIGSEGV" in str(caught.value) or engine.version != "2.17.1"


def test_byte_flips_never_harm_this_process(engine: TfliteC, tmp_path: Path):
    """Each flipped model is either refused or answers; whatever happens, the next good model still runs."""
    whole, path, chance = ONE_OP.read_bytes(), tmp_path / "flip.tflite", random.Random(1)
    reasons = []
    for _ in range(150):
        data = models.flipped(whole, chance.randrange(len(whole)), chance.randrange(256))
        try:
            engine.load(write(path, data)).close()
        except ModelError as error:
            reasons.append(str(error))
    assert len(reasons) > 20
    assert all(str(path) in reason for reason in reasons)
    model = engine.load(read_model(ONE_OP))
    assert model.run(floats(1, 2, 3, 4)) == pytest.approx((3, 8, 13))
    model.close()


# --- the throwaway process ------------------------------------------------------------------------------------------


def test_proof_passes_what_returns():
    assert prove(lambda: None, timeout_s=5) is None


def test_proof_tells_the_exception():
    def fail() -> None:
        raise ValueError("seven is not a shape")

    assert prove(fail, timeout_s=5) == "seven is not a shape"


def test_proof_clips_long_words():
    def fail() -> None:
        raise ValueError("x" * 10 * limits.ENGINE_MESSAGE_BYTES_MAX)

    assert prove(fail, timeout_s=5) == "x" * limits.ENGINE_MESSAGE_BYTES_MAX


def test_proof_survives_a_crash():
    assert prove(lambda: os.kill(os.getpid(), signal.SIGSEGV), timeout_s=5) == "crashed the engine (SIGSEGV)"


def test_proof_ends_what_does_not_end():
    assert prove(signal.pause, timeout_s=0.2) == "no answer within 0.2 s"


def test_proof_bounds_memory(monkeypatch: pytest.MonkeyPatch):
    def hungry() -> None:
        bytearray(limits.MODEL_MEMORY_BYTES_MAX + 64 * 1024 * 1024)

    assert prove(hungry, timeout_s=20) == "MemoryError"


def test_proof_notices_a_silent_leave():
    assert prove(lambda: os._exit(3), timeout_s=5) == "made the engine leave with status 3"


# --- the choice -----------------------------------------------------------------------------------------------------


def test_the_native_engine_is_chosen_first_and_nothing_foreign_looked_for():
    engines = Engines(EngineOptions("/nowhere/lib.so", "/nowhere/python"))
    choice = engines.choose(ONE_OP)
    assert choice.engine.name == choice.model.engine == "native"
    assert choice.passed_over == () and choice.engine.version and choice.engine.path.startswith("kernels ")
    choice.model.close()


def test_a_variant_that_was_demanded_and_cannot_run_lets_no_other_engine_in():
    engines = Engines(EngineOptions(kernel="sse9"))
    with pytest.raises(EngineError, match=r"^native: kernel sse9: there is no such variant"):
        engines.choose(ONE_OP)
    assert [report.ok for report in engines.probe()][:2] == [False, True]


def test_a_model_that_the_native_engine_lacks_goes_to_the_next(tmp_path: Path):
    path = tmp_path / "sine.tflite"
    path.write_bytes(models.one_operator("SIN"))
    choice = Engines(EngineOptions(tflite_python="/nowhere/python")).choose(path)
    assert choice.model.engine == "tflite_c"
    assert [(report.name, report.ok) for report in choice.passed_over] == [("native", False)]
    assert f"model {path}: operators that the native engine lacks: SIN" in choice.passed_over[0].why
    assert choice.model.run(floats(0.0, 1.0)) == pytest.approx((0.0, 0.841471))
    choice.model.close()


def test_a_damaged_model_is_refused_for_all_engines(tmp_path: Path):
    """TFLite's own verifier would let NaN weights pass."""
    path = tmp_path / "nan.tflite"
    path.write_bytes(models.dense(value=float("nan")))
    with pytest.raises(BrokenModelError, match="NaN"):
        Engines(EngineOptions()).choose(path)


def test_a_preferred_engine_that_does_not_work_is_passed_over_with_its_reason():
    choice = Engines(EngineOptions(tflite_python="/nowhere/python")).choose(ONE_OP, prefer="tflite_worker")
    assert choice.model.engine == "native"
    assert [(r.name, r.ok) for r in choice.passed_over] == [("tflite_worker", False)]
    assert "no such interpreter: /nowhere/python" in choice.passed_over[0].why
    choice.model.close()


def test_no_engine_at_all_says_what_was_tried(tmp_path: Path):
    path = tmp_path / "sine.tflite"
    path.write_bytes(models.one_operator("SIN"))
    engines = Engines(EngineOptions("/nowhere/lib.so", "/nowhere/python"))
    with pytest.raises(ModelError, match="the native engine lacks: SIN"):
        engines.choose(path)
    _, c_engine, worker = engines.probe()
    assert "/nowhere/lib.so" in c_engine.why and "/nowhere/python" in worker.why


def test_a_library_that_is_none_is_reported(tmp_path: Path):
    fake = tmp_path / "libtensorflowlite_c.so"
    fake.write_bytes(b"not an ELF file")
    (_, c_engine, _) = Engines(EngineOptions(str(fake), "/nowhere/python")).probe()
    assert not c_engine.ok and "tflite_c" in c_engine.why and str(fake) in c_engine.why


def test_a_library_without_the_api_is_reported():
    (_, c_engine, _) = Engines(EngineOptions("/lib/x86_64-linux-gnu/libm.so.6", "/nowhere/python")).probe()
    assert not c_engine.ok and "tflite_c" in c_engine.why


def test_an_unknown_preference_lists_what_is_allowed():
    with pytest.raises(EngineError, match=r"tensorrt \(allowed: native, tflite_c, tflite_worker\)"):
        open_model(ONE_OP, prefer="tensorrt")


def test_a_bad_file_is_the_files_fault_not_the_engines(tmp_path: Path):
    write_path = tmp_path / "two.tflite"
    write_path.write_bytes(models.two_outputs())
    with pytest.raises(ModelError, match="2 outputs"):
        Engines(EngineOptions(tflite_python="/nowhere/python")).choose(write_path)


def test_the_environment_names_the_library(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYNEDGE_TFLITE_C", str(find_library()))
    monkeypatch.setenv("SYNEDGE_TFLITE_PYTHON", "/nowhere/python")
    _, c_engine, worker = probe()
    assert c_engine.ok and c_engine.path == str(find_library())
    assert not worker.ok and "/nowhere/python" in worker.why


def test_nothing_heavy_and_nothing_loud(tmp_path: Path):
    """No numpy, no C parser, not the wheel's own Python; and TFLite's words are in our message, not on our stderr."""
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(models.unfitting())
    script = (
        "import sys\n"
        "from edge.shell.engines import open_model\n"
        f"model = open_model({str(ONE_OP)!r})\n"
        "model.run(bytes(16))\n"
        f"try: open_model({str(bad)!r})\n"
        "except Exception as error: assert 'bias' in str(error).lower() or 'num_units' in str(error), error\n"
        "heavy = {'numpy', 'pycparser', 'cffi', 'pymicro_wakeword', 'asyncio', 'ctypes'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
