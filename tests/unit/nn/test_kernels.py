"""The door to the kernels: a variant is chosen by name or refused by name, and plans that reach outside are not run."""

import math
import random
import struct

import pytest

from edge.nn import kernels
from edge.nn.errors import EngineError, ModelError
from edge.nn.kernels import CONSTANT, Memory, Plan, Step


@pytest.fixture(autouse=True)
def _as_before():
    yield
    kernels.select()


def dense(x: int = 0, y: int = 64, weights: int = CONSTANT) -> Step:
    """y = x W + b for four inputs and three outputs; W and b lie at 0 and 128 among the constants."""
    sizes = {"rows": 1, "cols": 3, "depth": 4, "f32_low": -100.0, "f32_high": 100.0}
    return Step("F32_GEMM", (x, weights, CONSTANT | 128), y, sizes)


def constants() -> bytes:
    weights = kernels.pack_f32(3, 4, struct.pack("<12f", *range(12)))
    return weights + struct.pack("<8f", 1, 2, 3, *(0,) * 5)


def run(plan: Plan, *values: float) -> tuple[float, ...]:
    bound = plan.bind(Memory(plan.arena_bytes))
    bound.input[:] = struct.pack("<4f", *values)
    bound.run()
    return struct.unpack("<3f", bound.output)


def test_a_plan_computes():
    plan = Plan([dense()], constants(), 128, slice(0, 16), slice(64, 76))
    assert run(plan, 1, 0, 0, 1) == (0 + 3 + 1, 4 + 7 + 2, 8 + 11 + 3)


@pytest.mark.parametrize(
    "step",
    [dense(y=124), dense(weights=CONSTANT | 64), dense(x=2), dense(y=CONSTANT), dense(y=0), dense(x=kernels.NONE)],
)
def test_a_plan_that_reaches_outside_or_over_itself_is_refused_with_its_step(step: Step):
    with pytest.raises(ModelError, match="step 1 of 1, F32_GEMM"):
        Plan([step], constants(), 128, slice(0, 16), slice(64, 76))


def test_a_plan_whose_output_is_not_in_the_arena_is_refused():
    with pytest.raises(ModelError, match="the plan itself"):
        Plan([dense()], constants(), 128, slice(0, 16), slice(120, 132))


def test_every_variant_is_chosen_or_says_why_not():
    assert kernels.variants()[0] == "scalar"
    assert len(kernels.variants()) > 3
    for variant in kernels.variants():
        why = kernels.can(variant)
        if why is None:
            kernels.select(variant)
            assert variant in {kernels.selected(name) for name in ("s8_gemm", "f32_gemm", "f32_tanh")}
        else:
            with pytest.raises(EngineError, match=f"kernel {variant}: {why}"):
                kernels.select(variant)


def test_a_refused_variant_leaves_the_old_one():
    kernels.select("scalar")
    with pytest.raises(EngineError, match=r"kernel sse9: there is no such variant \(known: scalar, "):
        kernels.select("sse9")
    assert kernels.selected() == "scalar"


def test_an_unknown_kernel_has_no_variant():
    with pytest.raises(EngineError, match="no such kernel"):
        kernels.selected("s4_gemm")


@pytest.mark.parametrize("variant", [name for name in kernels.variants() if kernels.can(name) is None])
def test_subnormals_count_as_zero_while_a_plan_runs_and_only_then(variant: str):
    kernels.select(variant)
    tiny = 1e-30
    weights = kernels.pack_f32(3, 4, struct.pack("<12f", *(tiny,) * 12)) + bytes(32)
    plan = Plan([dense()], weights, 128, slice(0, 16), slice(64, 76))
    assert run(plan, 1e-10, 0, 0, 0) == (0, 0, 0)
    assert 2.0**-1060 * 0.5 == 2.0**-1061 > 0


def gru(steps: list[list[float]], weights: dict[str, list[list[float]]], units: int) -> list[float]:
    """The obvious one: update, reset, candidate; the state after the last step."""
    h = [0.0] * units

    def sums(name: str, x: list[float]) -> list[float]:
        return [bias + sum(a * b for a, b in zip(row, x, strict=True)) for *row, bias in weights[name]]

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    for x in steps:
        of_x, of_h = sums("x", x), sums("h", h)
        z = [sigmoid(a + b) for a, b in zip(of_x[:units], of_h[:units], strict=True)]
        r = [sigmoid(a + b) for a, b in zip(of_x[units : 2 * units], of_h[units : 2 * units], strict=True)]
        n = [math.tanh(a + q * b) for a, q, b in zip(of_x[2 * units :], r, of_h[2 * units :], strict=True)]
        h = [(1 - u) * c + u * old for u, c, old in zip(z, n, h, strict=True)]
    return h


@pytest.mark.parametrize("variant", [name for name in kernels.variants() if kernels.can(name) is None])
@pytest.mark.parametrize(("depth", "units"), [(1, 1), (3, 5), (16, 32)])
def test_a_gru_step_is_the_obvious_one_and_its_state_stays(variant: str, depth: int, units: int):
    kernels.select(variant)
    rng, steps = random.Random(f"{depth} {units}"), 3
    weights = {
        name: [[rng.gauss(0, 0.4) for _ in range(width + 1)] for _ in range(3 * units)]
        for name, width in (("x", depth), ("h", units))
    }
    data, places = bytearray(), []
    for name, width in (("x", depth), ("h", units)):
        flat = [value for row in weights[name] for value in row[:-1]]
        bias = [row[-1] for row in weights[name]] + [0.0] * 8
        for part in (kernels.pack_f32(3 * units, width, struct.pack(f"<{len(flat)}f", *flat)),
                     struct.pack(f"<{len(bias)}f", *bias)):  # fmt: skip
            data += bytes(-len(data) % 64)
            places.append(CONSTANT | len(data))
            data += part
    x_at, work_at, y_at = 512, 1024, 2048
    fields = {
        "rows": steps, "cols": units, "depth": depth, "window": {"batches": 1},
        "a_step": (depth, 0), "b_step": (units, 0),
    }  # fmt: skip
    step = Step("F32_GRU", (x_at, *places, 0, work_at), y_at, fields)
    ends = slice(x_at, x_at + 4 * steps * depth), slice(y_at, y_at + 4 * steps * units)
    bound = Plan([step], bytes(data), 4096, *ends).bind(Memory(4096))
    inputs = [[rng.uniform(-1, 1) for _ in range(depth)] for _ in range(2 * steps)]
    for half in (inputs[:steps], inputs[steps:]):
        bound.input[:] = struct.pack(f"<{steps * depth}f", *(value for x in half for value in x))
        bound.run()
    last = struct.unpack(f"<{steps * units}f", bound.output)[-units:]
    assert last == pytest.approx(gru(inputs, weights, units), abs=1e-5)
