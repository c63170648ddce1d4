"""The reader of `.tflite` against the slow one, on mutations of real models and of random ones; and the native engine
on what was read: refused with ModelError, or run.

`make fuzz` does it with our C built for the address and undefined-behaviour sanitizers: then a run that reaches outside
its memory, the file included, ends the process.

2,000 cases by default; SYNEDGE_FUZZ_MODEL_CASES=1000000 is the full run, SYNEDGE_FUZZ_SEED another walk. A failure
writes the case as hex; `check(bytes.fromhex(...))` repeats it.
"""

import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from edge.lab import watch
from edge.nn import tflite
from edge.nn.errors import ModelError
from edge.nn.graph import Graph
from edge.nn.network import Network
from edge.nn.plan import lower
from edge.nn.tflite import read
from edge.shell.engines.tflite_c import find_library
from tests.fuzz.last import keep
from tests.fuzz.models import mutate
from tests.nn.cases import OPERATORS, draw
from tests.reference.cbor import Refused
from tests.reference.tflite import decode
from tests.unit.shell.engine_models import ONE_OP

CASES = int(os.environ.get("SYNEDGE_FUZZ_MODEL_CASES", "2000"))
SEED = int(os.environ.get("SYNEDGE_FUZZ_SEED", "1"))
TOO_MUCH = ("refers to itself too often", "too many numbers")
"""What only the quick reader minds."""


def words() -> list[Path]:
    """The four microWakeWord models, in the wheel that brings the library."""
    return sorted((find_library().parents[1] / "models").glob("*.tflite"))


def check(raw: bytes) -> ModelError | Graph:
    """Both readers on one input: the same verdict, the same values; nothing but ModelError ever comes out."""
    try:
        expected, fault = decode(raw), ""
    except Refused as why:
        expected, fault = (), str(why) or "refused"
    answer = verdict(raw)
    if isinstance(answer, ModelError):
        assert str(answer).startswith("model fuzz: ")
        assert fault or any(word in str(answer) for word in TOO_MUCH), (
            f"refused as {answer}, but the slow reader takes it"
        )
    else:
        assert not fault, f"accepted, but: {fault}"
        assert answer == expected
    return answer


def run_twice(graph: Graph, rng: Random) -> bool:
    """False when the engine refuses the model, in its own words."""
    try:
        network = Network(lower(graph, "fuzz"))
    except ModelError:
        return False
    for _ in range(2):
        network.invoke(rng.randbytes(network.input.stored_bytes))
    return True


def verdict(raw: bytes) -> ModelError | Graph:
    try:
        return read(raw, "fuzz")
    except ModelError as error:
        return error


@pytest.mark.parametrize("path", [ONE_OP, Path(watch.FOLDER, "activity.tflite"), *words()], ids=lambda path: path.stem)
def test_both_readers_agree_on_real_models(path: Path):
    answer = check(path.read_bytes())
    assert isinstance(answer, Graph)
    assert len(answer.subgraphs[0].operators) >= 1


def test_there_are_four_wake_words():
    assert len(words()) == 4


@pytest.mark.parametrize("operator", OPERATORS)
def test_both_readers_agree_on_every_operator(operator: str):
    for dtype in OPERATORS[operator]:
        for seed in range(5):
            assert isinstance(check(draw(operator, dtype, seed).data), Graph)


def run(cases: int, rng: Random) -> Counter[str]:
    """Mutations, mostly of small models; counts by verdict."""
    pool = [draw(name, dtype, seed).data for name, both in OPERATORS.items() for dtype in both for seed in range(3)]
    large = [path.read_bytes() for path in words()]
    counts: Counter[str] = Counter()
    for case in range(cases):
        raw = mutate(rng, rng.choice(large if case % 50 == 0 else pool))
        keep(raw)
        try:
            answer = check(raw)
            counts["ran"] += isinstance(answer, Graph) and run_twice(answer, rng)
        except Exception as error:
            raise AssertionError(f"case {case} of seed {SEED}: {error!r}\n{raw.hex()}") from error
        counts["refused" if isinstance(answer, ModelError) else "accepted"] += 1
    return counts


def test_both_readers_agree_on_spoilt_models():
    counts = run(CASES, Random(f"{SEED} tflite"))
    print(dict(counts))
    assert CASES < 1000 or min(counts["refused"], counts["accepted"], counts["ran"]) > CASES / 10


def test_both_readers_agree_whatever_stands_in_one_place():
    """Two bytes at a time: every slot of every vtable, among others, leads out of its table once. The operator has
    options, and a name whose options nobody reads."""
    data = draw("EXPAND_DIMS", "float32", 0).data.replace(b"\x46\0\0\0", b"\x56\0\0\0")
    answer = check(data)
    assert isinstance(answer, Graph) and answer.subgraphs[0].operators[0].name == "LOGICAL_AND"
    for at in range(0, len(data) - 1, 2):
        for value in (0, 4, 276, 0xFFFF):
            check(data[:at] + value.to_bytes(2, "little") + data[at + 2 :])


def test_a_planted_flaw_is_found(monkeypatch: pytest.MonkeyPatch):
    """The harness has teeth: a reader that takes any zero point is found out."""
    monkeypatch.setattr(tflite, "DTYPES", tuple(one._replace(low=-(2**63), high=2**63) for one in tflite.DTYPES))
    with pytest.raises(AssertionError, match="accepted, but: zero point"):
        run(3000, Random(1))
