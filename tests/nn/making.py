"""What the makers of random models share: a draft in the making, chance, and quantisation as the specification has it.

https://www.tensorflow.org/lite/performance/quantization_spec: activations int8 with any zero point, weights int8 with
zero point 0, by tensor or by channel, biases int32 in steps of input times weight.
"""

from collections.abc import Mapping, Sequence
from math import prod, sqrt
from random import Random

from edge.nn.draft import Draft, per_tensor
from edge.nn.graph import Graph, Option, Quantisation, Subgraph
from edge.nn.schema import ACTIVATIONS

FUSED = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")
DIMS_MAX = 5
TYPICAL = 74.0
"""Root mean square of an int8 that may be anything."""


class Making:
    """One model: makers call `give` once, any number of helpers, and `answer` once."""

    def __init__(self, dtype: str, rng: Random):
        self.dtype, self.rng, self.draft = dtype, rng, Draft()
        self.note = ""
        self.low, self.high, self.runs = -2.0, 2.0, 2
        self.is_calm = False
        """For networks of many layers: whatever comes in still matters at the end."""
        self._input = self._output = 0
        self._more: tuple[Subgraph, ...] = ()

    @property
    def is_quantised(self) -> bool:
        return self.dtype == "int8"

    def graph(self, description: str) -> Graph:
        return self.draft.graph([self._input], [self._output], description, *self._more)

    def calls(self, *more: Subgraph) -> None:
        """Subgraphs beside the main one."""
        self._more = more

    def give(self, shape: Sequence[int], dtype: str | None = None) -> int:
        """The model's input."""
        self._input = self.tensor("x", shape, dtype=dtype)
        return self._input

    def tensor(self, name: str, shape: Sequence[int], how: Quantisation | None = None, dtype: str | None = None) -> int:
        """An activation; quantised at random unless told how."""
        dtype = dtype or self.dtype
        if dtype == "float32":
            how = None
        elif how is None:
            how = self.activation_scale(dtype)
        return self.draft.tensor(name, shape, dtype, how)

    def like(self, other: int, name: str, shape: Sequence[int]) -> int:
        """An activation quantised as another one."""
        return self.tensor(name, shape, self.draft.tensors[other].quantisation)

    def step(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: Mapping[str, Option] | None = None,
        version: int = 1,
    ) -> None:  # fmt: skip
        self.draft.operator(name, inputs, outputs, options, version)
        shapes = [list(self.draft.tensors[index].shape) for index in (*inputs, *outputs) if index >= 0]
        self.note += f"{name} {shapes} {dict(options or {})} "

    def answer(self, index: int) -> None:
        """The model's output."""
        self._output = index

    def activation_scale(self, dtype: str = "int8") -> Quantisation:
        zero_point = self.zero_point() + (128 if dtype == "uint8" else 0)
        return per_tensor(2.0 ** self.rng.uniform(-7, -2), zero_point)

    def zero_point(self) -> int:
        """Anywhere in int8; at its upper end only rarely, for then a RELU leaves nothing."""
        if self.rng.random() < 0.15:
            return self.rng.choice((-128, -128, 0, 127))
        return self.rng.choice((self.rng.randint(-128, 127), self.rng.randint(-100, 20)))

    def scale_of(self, index: int) -> float:
        how = self.draft.tensors[index].quantisation
        assert how is not None
        return how.scales[0]

    def shape_of(self, index: int) -> tuple[int, ...]:
        return self.draft.tensors[index].shape

    def some_shape(self, rank_low: int = 1, rank_high: int = 4, most: int = 12) -> list[int]:
        """The batch is one more often than not."""
        rank = self.rng.randint(rank_low, rank_high)
        return [self.rng.choice((1, 1, 1, 2, 3)), *(self.rng.randint(1, most) for _ in range(rank - 1))][:rank]

    def integers(self, name: str, values: Sequence[int], shape: Sequence[int] | None = None) -> int:
        """A constant that says something about shapes."""
        return self.draft.constant(name, [len(values)] if shape is None else shape, values, "int32")

    def constant(self, name: str, shape: Sequence[int], how: Quantisation | None = None) -> int:
        """A constant that takes part in arithmetic as activations do."""
        if not self.is_quantised:
            return self.draft.constant(name, shape, [self.rng.gauss(0, 1) for _ in range(prod(shape))])
        values = [self.rng.randint(-128, 127) for _ in range(prod(shape))]
        return self.draft.constant(name, shape, values, "int8", how or self.activation_scale())

    def weights(self, name: str, shape: Sequence[int], axis: int, *, by_channel: bool) -> int:
        """Symmetric weights, a scale for each slice of the axis or one for all."""
        if not self.is_quantised:
            spread = 1 / sqrt(max(prod(shape) // shape[axis], 1))
            return self.draft.constant(name, shape, [self.rng.gauss(0, spread) for _ in range(prod(shape))])
        spread = (-6.5, -5.5) if self.is_calm else (-9.0, -4.0)
        scales = tuple(2.0 ** self.rng.uniform(*spread) for _ in range(shape[axis] if by_channel else 1))
        how = Quantisation(scales, (0,) * len(scales), axis if by_channel else 0)
        values = [self.rng.randint(-127, 127) for _ in range(prod(shape))]
        return self.draft.constant(name, shape, values, "int8", how)

    def bias(self, name: str, count: int, x: int, weights: int) -> int:
        if not self.is_quantised:
            return self.draft.constant(name, [count], [self.rng.gauss(0, 1) for _ in range(count)])
        how = self.draft.tensors[weights].quantisation
        assert how is not None
        scales = tuple(self.scale_of(x) * scale for scale in how.scales)
        most = 1_000 if self.is_calm else 20_000
        values = [self.rng.randint(-most, most) for _ in range(count)]
        return self.draft.constant(name, [count], values, "int32", Quantisation(scales, (0,) * len(scales), 0))

    def sums(self, name: str, shape: Sequence[int], x: int, weights: int, terms: int) -> int:
        """Where sums of products go: a scale under which they fill the range, give or take."""
        if not self.is_quantised:
            return self.tensor(name, shape)
        how = self.draft.tensors[weights].quantisation
        assert how is not None
        typical = self.scale_of(x) * max(how.scales) * TYPICAL * TYPICAL * sqrt(terms)
        scale = typical / 60 * 2.0 ** (self.rng.uniform(-2.5, -1.5) if self.is_calm else self.rng.uniform(-1.5, 0.5))
        return self.tensor(
            name, shape, per_tensor(scale, self.rng.randint(-90, 0) if self.is_calm else self.zero_point())
        )

    def fused(self) -> dict[str, Option]:
        """An activation fused into the operator."""
        return {"fused_activation_function": ACTIVATIONS.index(self.rng.choice(FUSED))}

    def two(self, shape: Sequence[int]) -> tuple[int, int]:
        """Two different computed tensors of one shape: the halves of the input, differently quantised if at all."""
        x = self.give([2, *shape])
        halves = [self.like(x, f"half {i}", [1, *shape]) for i in range(2)]
        self.step("SPLIT", [self.integers("zero", [0], []), x], halves, {"num_splits": 2})
        flat = [self.like(x, f"operand {i}", shape) for i in range(2)]
        wanted = self.integers("shape", list(shape))
        for half, operand in zip(halves, flat, strict=True):
            self.step("RESHAPE", [half, wanted], [operand])
        if not self.is_quantised:
            return flat[0], flat[1]
        other = self.tensor("requantised", shape)
        self.step("QUANTIZE", [flat[1]], [other], version=2)
        return flat[0], other
