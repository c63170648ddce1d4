"""Models that run together: each answers as it does alone, to the bit, and what is wrong with one is its own affair."""

from pathlib import Path
from random import Random

import pytest

from edge.lab.benches.nn_nets import perceptron
from edge.nn.backends import Answer, run_all
from edge.nn.errors import EngineError, InferenceError, NonFiniteError
from edge.nn.export import export_float32
from edge.nn.mlp import Layer
from edge.shell.engines import open_model
from edge.shell.engines.crowd import MEMBER_BYTES_MAX, Crowds, PopulationCrowd
from edge.shell.engines.native import NativeModel
from tests.nn.cases import draw
from tests.unit.shell import engine_models as models
from tests.unit.shell.engine_models import floats


def made(folder: Path, count: int, widths: tuple[int, ...] = (4, 6, 3)) -> list[Path]:
    paths = [folder / f"{number}.tflite" for number in range(count)]
    for path in paths:
        path.write_bytes(export_float32(perceptron(Random(path.name), widths)))
    return paths


def tensor(rng: Random, width: int = 4) -> bytes:
    return floats(*(rng.gauss(0, 1) for _ in range(width)))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many networks each call of a crowd ran."""
    seen: list[int] = []
    run = PopulationCrowd.run

    def counted(self: PopulationCrowd, due: list) -> list[Answer]:
        seen.append(len(due))
        return run(self, due)

    monkeypatch.setattr(PopulationCrowd, "run", counted)
    return seen


def test_one_call_for_each_shape_and_each_answers_as_alone(tmp_path: Path, calls: list[int]):
    (tmp_path / "wide").mkdir()
    paths = made(tmp_path, 70) + made(tmp_path / "wide", 5, (4, 7, 2))
    Random(0).shuffle(paths)
    crowds, rng = Crowds(), Random(1)
    together = [crowds.choose(path).model for path in paths]
    given = [tensor(rng) for _ in paths]
    answers = run_all(list(zip(together, given, strict=True)))
    assert sorted(calls) == [5, 70]
    assert answers == [open_model(path).run(one) for path, one in zip(paths, given, strict=True)]
    assert [model.run(one) for model, one in zip(together, given, strict=True)] == answers
    assert [model.digest for model in together] == [open_model(path).digest for path in paths]
    assert len(set(answers)) == len(paths)


def test_what_turns_to_no_number_stops_nobody_else(tmp_path: Path):
    paths = made(tmp_path, 9, (1, 1))
    paths[4].write_bytes(export_float32([Layer([1e38], [0.0])]))
    crowds = Crowds()
    members = [crowds.choose(path).model for path in paths]
    answers = run_all([(member, floats(1000)) for member in members])
    alone = [open_model(path) for path in paths]
    with pytest.raises(NonFiniteError) as raised:
        alone[4].run(floats(1000))
    broken = answers.pop(4)
    assert isinstance(broken, NonFiniteError) and broken.outputs == raised.value.outputs == (float("inf"),)
    assert str(broken) == str(raised.value)
    assert answers == [model.run(floats(1000)) for model in alone[:4] + alone[5:]]


def test_a_closed_one_and_a_tensor_of_another_size_are_refused_alone(tmp_path: Path):
    crowds = Crowds()
    one, two, three = (crowds.choose(path).model for path in made(tmp_path, 3))
    two.close()
    two.close()
    answers = run_all([(one, floats(1)), (two, floats(1, 2, 3, 4)), (three, floats(1, 2, 3, 4))])
    assert isinstance(answers[0], InferenceError) and "4 bytes, the model takes 16" in str(answers[0])
    assert isinstance(answers[1], EngineError) and "closed" in str(answers[1])
    assert answers[2] == three.run(floats(1, 2, 3, 4))
    with pytest.raises(EngineError, match="closed"):
        two.run(floats(1, 2, 3, 4))
    with pytest.raises(InferenceError):
        one.invoke(b"")
    late = crowds.choose(made(tmp_path, 1)[0]).model
    assert run_all([(late, floats(1, 2, 3, 4))]) == [one.run(floats(1, 2, 3, 4))]


def test_agents_of_one_file_have_weights_of_their_own(tmp_path: Path):
    (path,) = made(tmp_path, 1)
    crowds = Crowds()
    one, other = crowds.choose(path).model, crowds.choose(path).model
    one.close()
    assert other.run(floats(1, 2, 3, 4)) == open_model(path).run(floats(1, 2, 3, 4))


@pytest.mark.parametrize("what", ["int8", "state", "large"])
def test_others_are_loaded_and_run_as_ever(tmp_path: Path, what: str):
    path = tmp_path / "other.tflite"
    width = int((MEMBER_BYTES_MAX // 4) ** 0.5) + 8
    state = draw("ASSIGN_VARIABLE", "float32", 2).data
    path.write_bytes({"int8": models.quantised(), "state": state, "large": models.dense(width)}[what])
    model = Crowds().choose(path).model
    assert isinstance(model, NativeModel) and model.crowd is None
    rng = Random(3)
    given, alone = [tensor(rng, model.input_bytes // 4) for _ in range(3)], open_model(path)
    assert [run_all([(model, one)]) for one in given] == [[alone.run(one)] for one in given]
