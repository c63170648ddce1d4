"""The native engine: what it runs, what it refuses and how, and that every variant of the kernels says the same."""

import math
import random
from pathlib import Path

import pytest

from edge.nn import kernels
from edge.nn.errors import BrokenModelError, EngineError, ModelError, NonFiniteError
from edge.shell.engines.modelfile import read_model
from edge.shell.engines.native import Native
from edge.shell.engines.tflite_c import TfliteC, find_library
from tests.unit.shell import engine_models as models
from tests.unit.shell.engine_models import ONE_OP, floats, write

WORDS = sorted((find_library().parents[1] / "models").glob("*.tflite"))
VARIANTS = [name for name in kernels.variants() if kernels.can(name) is None]


@pytest.fixture(autouse=True)
def _as_before():
    yield
    kernels.select()


def test_runs_and_names_what_ran():
    model = Native().load(read_model(ONE_OP))
    assert model.run(floats(1, 2, 3, 4)) == pytest.approx((3, 8, 13), abs=1e-5)
    assert (model.input_shape, model.output_shape, model.dtype) == ((1, 4), (1, 3), "float32")
    assert (model.engine, model.path, model.steps) == ("native", str(ONE_OP), ("F32_GEMM",))


def test_int8_models_take_and_give_floats(tmp_path: Path):
    model = Native().load(write(tmp_path / "q.tflite", models.quantised()))
    assert model.run(floats(3.0, -4.5)) == (6.0, -9.0)


def spoken(rng: random.Random, count: int) -> list[bytes]:
    """Forty channels that rise and fall together, as speech does: int8 as the wake-word models store it."""
    level, out = 0.0, []
    for _ in range(count):
        frame = []
        for _ in range(3):
            level = 0.8 * level + rng.gauss(0, 60)
            frame += [min(max(int(level + rng.gauss(0, 25)), -128), 127) & 0xFF for _ in range(40)]
        out.append(bytes(frame))
    return out


@pytest.mark.parametrize("path", WORDS, ids=lambda path: path.stem)
def test_wake_words_are_heard_as_by_tensorflow_lite(path: Path):
    """TensorFlow Lite's optimised kernels round otherwise, and what they round is remembered: a few hundredths apart.
    The reference kernels are compared to the bit in tests/integration/test_parity.py."""
    ours, theirs = Native().load(read_model(path)), TfliteC(find_library()).load(read_model(path))
    frames = spoken(random.Random(path.stem), 300)
    answers = [(ours.invoke(frame)[0], theirs.invoke(frame)[0]) for frame in frames]
    assert max(abs(one - other) for one, other in answers) <= 12
    theirs.close()


@pytest.mark.parametrize("path", WORDS, ids=lambda path: path.stem)
def test_every_variant_hears_the_same_and_a_reset_forgets(path: Path):
    frames = spoken(random.Random(path.stem), 40)
    heard = []
    for variant in VARIANTS:
        model = Native(variant).load(read_model(path))
        for _ in range(2):
            heard.append([model.invoke(frame) for frame in frames])
            model.reset()
    assert len(VARIANTS) > 1
    assert all(one == heard[0] for one in heard)


def test_streams_of_one_file_do_not_share_what_they_remember():
    engine, frames = Native(), spoken(random.Random(3), 30)
    one, other = engine.load(read_model(WORDS[0])), engine.load(read_model(WORDS[0]))
    for frame in frames:
        other.invoke(frame)
    alone = [one.invoke(frame) for frame in frames]
    one.reset()
    assert [one.invoke(frame) for frame in frames] == alone


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: models.one_operator("SIN"), "operators that the native engine lacks: SIN"),
        (models.two_outputs, "2 outputs (allowed: 1)"),
        (models.integers, "input has element type int32"),
        (models.unfitting, "operator 0, FULLY_CONNECTED"),
    ],
)
def test_what_it_lacks_is_named(tmp_path: Path, make, reason: str):
    path = tmp_path / "model.tflite"
    with pytest.raises(ModelError) as caught:
        Native().load(write(path, make()))
    assert reason in str(caught.value) and str(path) in str(caught.value)
    assert not isinstance(caught.value, BrokenModelError)


def test_byte_flips_are_refused_or_run(tmp_path: Path):
    whole, path, chance = WORDS[0].read_bytes(), tmp_path / "flip.tflite", random.Random(1)
    refused = 0
    for _ in range(60):
        data = models.flipped(whole, chance.randrange(len(whole)), chance.randrange(256))
        try:
            model = Native().load(write(path, data))
            model.invoke(bytes(model.input.stored_bytes))
        except ModelError as error:
            refused += str(path) in str(error)
    assert 0 < refused < 60


def test_a_model_that_turns_to_nan_fails_its_run_by_name(tmp_path: Path):
    model = Native().load(write(tmp_path / "m.tflite", models.dense(value=3e38)))
    with pytest.raises(NonFiniteError, match=r"m\.tflite: native: .*not finite") as raised:
        model.run(floats(3e38, 0, 0, 0))
    assert raised.value.outputs[0] == math.inf and len(raised.value.outputs) == 4
    assert model.run(floats(0, 0, 0, 0)) == pytest.approx((3e38,) * 4)


def test_a_closed_model_says_so():
    model = Native().load(read_model(ONE_OP))
    model.close()
    model.close()
    with pytest.raises(EngineError, match="closed"):
        model.run(floats(1, 2, 3, 4))


def test_a_variant_that_cannot_run_is_a_demand_not_met():
    with pytest.raises(EngineError, match="native: kernel sse9: there is no such variant"):
        Native("sse9")
    for variant in kernels.variants():
        why = kernels.can(variant)
        if why is not None:
            with pytest.raises(EngineError, match=f"native: kernel {variant}: {why}"):
                Native(variant)
