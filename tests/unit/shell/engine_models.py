"""Small models for the engines' tests, and where to find the engines."""

import struct
from pathlib import Path

from edge.nn.backends import ModelFile
from edge.nn.draft import Draft, per_tensor
from edge.nn.tflite_writer import write_tflite
from edge.shell.engines.modelfile import read_model

ONE_OP = Path(read_model.__code__.co_filename).with_name("one_op.tflite")


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def write(path: Path, data: bytes) -> ModelFile:
    path.write_bytes(data)
    return read_model(path)


def dense(width: int = 4, value: float = 0.0) -> bytes:
    """y = x + value, float32."""
    draft = Draft()
    x = draft.tensor("x", (1, width))
    weights = draft.constant("W", (width, width), [float(i == j) for i in range(width) for j in range(width)])
    bias = draft.constant("b", (width,), [value] * width)
    y = draft.tensor("y", (1, width))
    draft.operator("FULLY_CONNECTED", (x, weights, bias), (y,))
    return write_tflite(draft.graph([x], [y], "identity"))


def quantised(dtype: str = "int8") -> bytes:
    """y = 2 x, both stored in steps of 0.5, zero at 10 (int8 only: the kernel takes no uint8 weights beside it)."""
    draft = Draft()
    x = draft.tensor("x", (1, 2), dtype, per_tensor(0.5, 10))
    weights = draft.constant("W", (2, 2), [100, 0, 0, 100], dtype, per_tensor(0.02))
    bias = draft.constant("b", (2,), [0, 0], "int32", per_tensor(0.01))
    y = draft.tensor("y", (1, 2), dtype, per_tensor(0.5, 10))
    draft.operator("FULLY_CONNECTED", (x, weights, bias), (y,), version=4)
    return write_tflite(draft.graph([x], [y], "int8"))


def one_operator(name: str) -> bytes:
    """One float32 operator on two numbers, without options."""
    draft = Draft()
    x, y = draft.tensor("x", (1, 2)), draft.tensor("y", (1, 2))
    draft.operator(name, (x,), (y,))
    return write_tflite(draft.graph([x], [y], name))


def two_outputs() -> bytes:
    draft = Draft()
    x, a, b = (draft.tensor(name, (1, 2)) for name in "xab")
    for out in (a, b):
        draft.operator("SOFTMAX", (x,), (out,), {"beta": 1.0})
    return write_tflite(draft.graph([x], [a, b], "two outputs"))


def integers() -> bytes:
    """An input type that is not among the three."""
    draft = Draft()
    x = draft.tensor("x", (1, 4), "int32")
    shape = draft.constant("shape", (2,), [2, 2], "int32")
    y = draft.tensor("y", (2, 2), "int32")
    draft.operator("RESHAPE", (x, shape), (y,))
    return write_tflite(draft.graph([x], [y], "int32"))


def unfitting() -> bytes:
    """The bias has one value too many: TFLite notices when it prepares the operator."""
    draft = Draft()
    x = draft.tensor("x", (1, 4))
    weights = draft.constant("W", (3, 4), [0.0] * 12)
    bias = draft.constant("b", (4,), [0.0] * 4)
    y = draft.tensor("y", (1, 3))
    draft.operator("FULLY_CONNECTED", (x, weights, bias), (y,))
    return write_tflite(draft.graph([x], [y], "bad"))


def flipped(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]
