"""Random `.tflite` models, one operator each, for comparing engines on equal bytes.

    for operator, dtypes in OPERATORS.items():
        for dtype in dtypes:                            # "float32" or "int8"
            for seed in range(500):
                case = draw(operator, dtype, seed)      # same seed, same bytes, on every machine
                engine.load(case.data)
                for tensor in case.inputs():            # in order, without a reset between them: some keep state
                    engine.invoke(tensor)               # the model's own number format, bytes in and out

A model has one input and one output tensor of fixed shape. What was drawn (padding, strides, dilation, fused
activation, scales by tensor or by channel, zero points) is what TensorFlow Lite allows for the operator, beyond what
converters usually write; `case.note` says it. Operators of several outputs answer with one of them.

`draw_chain(dtype, seed)` makes whole networks with branches, whose tensors must not lie on one another too early.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from math import prod
from random import Random
from typing import NamedTuple

from edge.nn.draft import LETTERS
from edge.nn.tflite_writer import write_tflite
from tests.nn import arithmetic, chains, dense, recurrent, shapes, windows
from tests.nn.making import Making

BOTH = ("float32", "int8")
EVEN = (0,) * 14
"""Most inputs are anything; one in eight is at an end of its range."""


class Case(NamedTuple):
    """One model, and how to feed it."""

    operator: str
    dtype: str
    seed: int
    note: str
    data: bytes
    input_shape: tuple[int, ...]
    input_dtype: str
    low: float
    high: float
    """Where float32 inputs lie."""
    runs: int

    def inputs(self) -> Iterator[bytes]:
        """The tensors of all runs, packed as the model stores them."""
        rng = Random(f"inputs {self.operator} {self.dtype} {self.seed}")
        count = prod(self.input_shape)
        for _ in range(self.runs):
            if self.input_dtype == "float32":
                numbers: list[float] = [rng.uniform(self.low, self.high) for _ in range(count)]
            else:
                low, high = (0, 255) if self.input_dtype == "uint8" else (-128, 127)
                numbers = [rng.choice((low, high, *EVEN)) or rng.randint(low, high) for _ in range(count)]
            yield struct.pack(f"<{count}{LETTERS[self.input_dtype]}", *numbers)


Maker = Callable[[Making], None]
_MAKERS: Mapping[str, tuple[Maker, tuple[str, ...]]] = {
    "FULLY_CONNECTED": (dense.fully_connected, BOTH),
    "BATCH_MATMUL": (dense.batch_matmul, BOTH),
    "CONV_2D": (windows.conv, BOTH),
    "DEPTHWISE_CONV_2D": (windows.depthwise, BOTH),
    "AVERAGE_POOL_2D": (windows.average_pool, BOTH),
    "MAX_POOL_2D": (windows.max_pool, BOTH),
    "ADD": (arithmetic.add, BOTH),
    "SUB": (arithmetic.sub, BOTH),
    "MUL": (arithmetic.mul, BOTH),
    "SQUARED_DIFFERENCE": (arithmetic.squared_difference, BOTH),
    "DIV": (arithmetic.div, ("float32",)),
    "MAXIMUM": (arithmetic.maximum, ("float32",)),
    "MINIMUM": (arithmetic.minimum, ("float32",)),
    "MEAN": (arithmetic.mean, BOTH),
    "RSQRT": (arithmetic.rsqrt, ("float32",)),
    "SQRT": (arithmetic.sqrt, ("float32",)),
    "EXP": (arithmetic.exp, ("float32",)),
    "SOFTMAX": (arithmetic.softmax, BOTH),
    "LOGISTIC": (arithmetic.logistic, BOTH),
    "TANH": (arithmetic.tanh, BOTH),
    "RELU": (arithmetic.relu, BOTH),
    "RELU6": (arithmetic.relu6, BOTH),
    "RELU_N1_TO_1": (arithmetic.relu_n1_to_1, BOTH),
    "RELU_0_TO_1": (arithmetic.relu_0_to_1, BOTH),
    "LEAKY_RELU": (arithmetic.leaky_relu, BOTH),
    "QUANTIZE": (arithmetic.quantize, BOTH),
    "DEQUANTIZE": (arithmetic.dequantize, ("int8",)),
    "CONCATENATION": (shapes.concatenation, BOTH),
    "RESHAPE": (shapes.reshape, BOTH),
    "EXPAND_DIMS": (shapes.expand_dims, BOTH),
    "SQUEEZE": (shapes.squeeze, BOTH),
    "PAD": (shapes.pad, BOTH),
    "PADV2": (shapes.padv2, BOTH),
    "SLICE": (shapes.slice_, BOTH),
    "STRIDED_SLICE": (shapes.strided_slice, BOTH),
    "SPLIT": (shapes.split, BOTH),
    "SPLIT_V": (shapes.split_v, BOTH),
    "TRANSPOSE": (shapes.transpose, BOTH),
    "PACK": (shapes.pack, BOTH),
    "UNPACK": (shapes.unpack, BOTH),
    "GATHER": (shapes.gather, BOTH),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (recurrent.lstm, BOTH),
    "ASSIGN_VARIABLE": (recurrent.ring, BOTH),
}
OPERATORS: Mapping[str, tuple[str, ...]] = {name: dtypes for name, (_, dtypes) in _MAKERS.items()}
"""What `draw` makes. ASSIGN_VARIABLE brings VAR_HANDLE, READ_VARIABLE and CALL_ONCE along."""


def draw(operator: str, dtype: str, seed: int) -> Case:
    """One random model with this operator in it."""
    return _made(operator, _MAKERS[operator][0], dtype, seed)


def draw_chain(dtype: str, seed: int) -> Case:
    """One random network of several operators."""
    return _made("CHAIN", chains.image, dtype, seed)


def _made(operator: str, maker: Maker, dtype: str, seed: int) -> Case:
    making = Making(dtype, Random(f"{operator} {dtype} {seed}"))
    maker(making)
    graph = making.graph(f"{operator} {dtype} {seed}")
    given = graph.subgraphs[0].tensors[graph.subgraphs[0].inputs[0]]
    return Case(
        operator, dtype, seed, making.note, write_tflite(graph), given.shape, given.dtype, making.low, making.high,
        making.runs,
    )  # fmt: skip
