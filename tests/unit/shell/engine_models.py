"""Small models for the engines' tests, and where to find the engines."""

import struct
from pathlib import Path

from edge.lab.training import tflite_writer as w
from edge.nn.backends import ModelFile
from edge.shell.engines.modelfile import read_model

ONE_OP = Path(read_model.__code__.co_filename).with_name("one_op.tflite")


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def write(path: Path, data: bytes) -> ModelFile:
    path.write_bytes(data)
    return read_model(path)


def dense(width: int = 4) -> bytes:
    """y = x, float32."""
    eye = [float(i == j) for i in range(width) for j in range(width)]
    tensors = [
        w.Tensor("x", (1, width)),
        w.Tensor("W", (width, width), data=eye),
        w.Tensor("b", (width,), data=[0.0] * width),
        w.Tensor("y", (1, width)),
    ]
    return w.model(tensors, [w.Operator(w.FULLY_CONNECTED, (0, 1, 2), (3,), w.dense_options())], [0], [3], "identity")


def quantised(dtype: int = w.INT8) -> bytes:
    """y = 2 x, both stored in steps of 0.5, zero at 10 (int8 only: the kernel takes no uint8 weights beside it)."""
    tensors = [
        w.Tensor("x", (1, 2), dtype, scale=0.5, zero_point=10),
        w.Tensor("W", (2, 2), dtype, data=[100, 0, 0, 100], scale=0.02),
        w.Tensor("b", (2,), w.INT32, data=[0, 0], scale=0.01),
        w.Tensor("y", (1, 2), dtype, scale=0.5, zero_point=10),
    ]
    operator = w.Operator(w.FULLY_CONNECTED, (0, 1, 2), (3,), w.dense_options(), version=4)
    return w.model(tensors, [operator], [0], [3], "int8")


def two_outputs() -> bytes:
    tensors = [w.Tensor("x", (1, 2)), w.Tensor("a", (1, 2)), w.Tensor("b", (1, 2))]
    soft = [w.Operator(w.SOFTMAX, (0,), (out,), w.softmax_options()) for out in (1, 2)]
    return w.model(tensors, soft, [0], [1, 2], "two outputs")


def integers() -> bytes:
    """An input type that is not among the three."""
    tensors = [
        w.Tensor("x", (1, 4), w.INT32),
        w.Tensor("shape", (2,), w.INT32, data=[2, 2]),
        w.Tensor("y", (2, 2), w.INT32),
    ]
    return w.model(tensors, [w.Operator(w.RESHAPE, (0, 1), (2,))], [0], [2], "int32")


def unfitting() -> bytes:
    """The bias has one value too many: TFLite notices when it prepares the operator."""
    tensors = [
        w.Tensor("x", (1, 4)),
        w.Tensor("W", (3, 4), data=[0.0] * 12),
        w.Tensor("b", (4,), data=[0.0] * 4),
        w.Tensor("y", (1, 3)),
    ]
    return w.model(tensors, [w.Operator(w.FULLY_CONNECTED, (0, 1, 2), (3,), w.dense_options())], [0], [3], "bad")


def flipped(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]
