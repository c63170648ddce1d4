"""Lowering: tensors that live at the same time lie apart, what cannot be run is named with its place, and the
arithmetic done at load is that of the kernels."""

import math
import random
import struct
from fractions import Fraction

import pytest

from edge import limits
from edge.nn import plan as plans
from edge.nn.draft import Draft, per_tensor
from edge.nn.errors import InferenceError, ModelError
from edge.nn.graph import Graph, Option
from edge.nn.lowering.arena import ALIGNMENT, settle
from edge.nn.lowering.build import Buffer
from edge.nn.network import Network
from edge.nn.plan import lower
from edge.nn.quantise import f32, multiplier, rescale_table, scaled


def buffers(rng: random.Random) -> list[Buffer]:
    made = []
    for _ in range(rng.randint(1, 30)):
        first = rng.randrange(20)
        made.append(Buffer(rng.randint(1, 500), rng.random() < 0.2, first, rng.randint(first, 20)))
    return made


@pytest.mark.parametrize("seed", range(30))
def test_buffers_needed_at_the_same_time_never_overlap(seed: int):
    made = buffers(random.Random(seed))
    kept, total = settle(made)
    for number, one in enumerate(made):
        assert one.offset % ALIGNMENT == 0 and one.offset + one.size <= total
        assert (one.offset < kept) == one.keeps
        for other in made[:number]:
            meet = one.keeps or other.keeps or (one.first <= other.last and other.first <= one.last)
            assert not meet or one.offset + one.size <= other.offset or other.offset + other.size <= one.offset


def test_buffers_that_follow_one_another_share_their_bytes():
    chain = [Buffer(1000, first=i, last=i + 1) for i in range(10)]
    assert settle(chain)[1] == 2 * 1024


@pytest.mark.parametrize("seed", range(40))
def test_a_multiplier_and_a_shift_stand_for_the_real_factor(seed: int):
    rng = random.Random(seed)
    real, x = 2.0 ** rng.uniform(-20, 3), rng.randint(-(2**20), 2**20)
    factor, shift = multiplier(real)
    assert 2**30 <= factor < 2**31
    assert abs(scaled(x, factor, shift) - x * real) < 0.5 + 2.0**-5 + abs(x * real) * 2.0**-20


@pytest.mark.parametrize(("x", "real", "answer"), [(1, 0.5, 1), (-1, 0.5, 0), (3, 0.5, 2), (-3, 0.5, -1), (1, 0.25, 1)])
def test_it_is_rounded_twice_as_gemmlowp_does(x: int, real: float, answer: int):
    """Halves up in the high product, then away from zero in the shift: a quarter becomes one."""
    assert scaled(x, *multiplier(real)) == answer


def test_factors_too_small_or_none_are_zero():
    assert multiplier(0.0) == multiplier(2.0**-33) == (0, 0)
    assert multiplier(1 - 2.0**-40) == (2**30, 1)


def test_f32_is_the_nearest_float32():
    assert f32(0.1) == struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert Fraction(f32(16777217.0)) == 16777216
    assert f32(1e300) == math.inf and f32(-1e300) == -math.inf


def test_a_table_moves_every_number_to_its_new_scale():
    table = rescale_table(per_tensor(0.5, 10), per_tensor(0.25, -3), "int8", "int8", 2.0, (-128, 127))
    signed = struct.unpack("256b", table)
    assert signed[10] == -3 and signed[11] == -1 and signed[9] == -5
    assert signed[127] == 127 and signed[0x80] == -128


def chain(*names: str, dtype: str = "float32", width: int = 4) -> Draft:
    draft = Draft()
    draft.tensor("x", (1, width), dtype, None if dtype == "float32" else per_tensor(0.1))
    for number, name in enumerate(names):
        y = draft.tensor(f"y{number}", (1, width), dtype, None if dtype == "float32" else per_tensor(0.1))
        draft.operator(name, (y - 1,), (y,), {"beta": 1.0} if name == "SOFTMAX" else {})
    return draft


def test_a_chain_runs_in_order():
    network = Network(lower(chain("EXP", "SQRT", "RSQRT").graph([0], [3])))
    assert network.steps == ("F32_EXP", "F32_SQRT", "F32_RSQRT")
    assert network.run(struct.pack("<4f", 0, 1, 2, 4)) == pytest.approx([math.exp(-x / 4) for x in (0, 1, 2, 4)])


def test_every_operator_that_is_lacked_is_named_once():
    with pytest.raises(ModelError, match=r"^model m: operators that the native engine lacks: SIN, COS$"):
        lower(chain("SIN", "EXP", "COS", "SIN").graph([0], [4]), "m")


def test_an_operator_that_cannot_be_run_is_named_with_its_place_and_reason():
    with pytest.raises(ModelError, match=r"^model m: operator 1, EXP whose input is int8 \(allowed: float32\)$"):
        lower(chain("RELU", "EXP", dtype="int8").graph([0], [2]), "m")


def test_an_output_that_is_the_input_or_a_constant_is_still_an_output():
    draft = Draft()
    x = draft.tensor("x", (1, 2))
    shape = draft.constant("shape", (1,), [2], "int32")
    y = draft.tensor("y", (2,))
    draft.operator("RESHAPE", (x, shape), (y,), {"new_shape": (2,)})
    constant = draft.constant("c", (3,), [5.0, 6.0, 7.0])
    for output, answer in ((x, (1, 2)), (y, (1, 2)), (constant, (5, 6, 7))):
        assert Network(lower(draft.graph([x], [output]))).run(struct.pack("<2f", 1, 2)) == answer


def test_a_network_that_asks_for_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plans, "MODEL_MEMORY_BYTES_MAX", 256)
    with pytest.raises(ModelError, match=r"bytes \(allowed: up to 256\)"):
        lower(chain("EXP", "SQRT", width=64).graph([0], [2]), "m")
    assert limits.MODEL_MEMORY_BYTES_MAX > 256


def test_an_input_of_another_size_is_refused():
    with pytest.raises(InferenceError, match=r"input of 3 bytes \(allowed: 16\)"):
        Network(lower(chain("EXP").graph([0], [1]))).invoke(b"abc")


def lying(
    name: str, inputs: tuple[tuple[int, ...], ...], outputs: tuple[tuple[int, ...], ...], **options: Option
) -> Graph:
    """One operator on int8 tensors of these shapes, whatever they have to do with one another."""
    draft = Draft()
    x = draft.tensor("x", (1,), "int8", per_tensor(0.1))
    given = [draft.tensor("x", inputs[0], "int8", per_tensor(0.1))] if inputs else []
    given += [draft.constant("c", shape, [1] * math.prod(shape), "int8", per_tensor(0.1)) for shape in inputs[1:]]
    made = [draft.tensor(f"y{i}", shape, "int8", per_tensor(0.1)) for i, shape in enumerate(outputs)]
    draft.operator(name, given, made, options)
    return draft.graph([given[0] if given else x], [made[0] if made else x])


LIES = [
    (lying("ADD", ((1, 1, 2, 2), (2,)), ((2, 2),), fused_activation_function=0), "operator 0, ADD of"),
    (lying("RELU", ((4,),), ()), "operator 0, RELU without its output 0"),
    (lying("CONCATENATION", ((),), ((3,),), axis=0, fused_activation_function=0), "whose input has shape"),
    (lying("PACK", (), ((1,),), axis=0, values_count=0), "operator 0, PACK without its input 0"),
    (lying("READ_VARIABLE", (), ((1,),)), "operator 0, READ_VARIABLE of a variable without VAR_HANDLE"),
    (lying("VAR_HANDLE", (), (), container="", shared_name="s"), "operator 0, VAR_HANDLE without its output 0"),
]


@pytest.mark.parametrize(("graph", "words"), LIES, ids=[words for _, words in LIES])
def test_an_operator_whose_tensors_do_not_fit_together_is_refused_in_words(graph: Graph, words: str):
    with pytest.raises(ModelError, match=f"^model m: .*{words}"):
        lower(graph, "m")


def test_scales_that_leave_the_floats_are_refused_in_words():
    draft = Draft()
    x = draft.tensor("x", (1,), "int8", per_tensor(3e38))
    y = draft.tensor("y", (1,), "int8", per_tensor(1e-45))
    draft.operator("RELU", (x,), (y,))
    with pytest.raises(ModelError, match=r"^model m: operator 0, RELU whose scales are too far apart$"):
        lower(draft.graph([x], [y]), "m")
