"""What a model's input or output tensor looks like, and the way between it and packed little-endian float32.

Readings and results are float32 everywhere outside an engine; a quantised model stores `round(x / scale) + zero_point`
(TFLite's QUANTIZE: ties away from zero, clamped to the type).
"""

import math
import struct
from dataclasses import dataclass

from edge.limits import MODEL_TENSOR_VALUES_MAX
from edge.nn.errors import InferenceError, NonFiniteError

_FLOAT_BYTES = 4
_QUANTISED = {"int8": ("b", -128, 127), "uint8": ("B", 0, 255)}

DTYPES = ("float32", *_QUANTISED)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape and storage of one tensor; `scale` and `zero_point` are meaningless for float32."""

    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0

    @property
    def values(self) -> int:
        """How many numbers the tensor holds."""
        return math.prod(self.shape)

    @property
    def float_bytes(self) -> int:
        """Size of the tensor as packed float32, the form `pack` takes."""
        return _FLOAT_BYTES * self.values

    @property
    def stored_bytes(self) -> int:
        """Size of the tensor inside the engine, the form `pack` gives."""
        return self.float_bytes if self.dtype == "float32" else self.values

    @property
    def form(self) -> str:
        """The stored form in the words of `struct`."""
        return f"<{self.values}{'f' if self.dtype == 'float32' else _QUANTISED[self.dtype][0]}"

    def fault(self) -> str | None:
        """Why this tensor cannot be used, or None."""
        if self.dtype not in DTYPES:
            return f"element type {self.dtype} (allowed: {', '.join(DTYPES)})"
        if any(dim < 1 for dim in self.shape):
            return f"shape {list(self.shape)}, every dimension must be fixed and at least 1"
        if self.values > MODEL_TENSOR_VALUES_MAX:
            return f"{self.values} values (allowed: up to {MODEL_TENSOR_VALUES_MAX})"
        if self.dtype != "float32" and not (math.isfinite(self.scale) and self.scale > 0):
            return f"{self.dtype} without a usable quantisation scale ({self.scale})"
        return None

    def pack(self, tensor: bytes) -> bytes:
        """Float32 to the stored form. A wrong length or a value that is not finite is an InferenceError."""
        if len(tensor) != self.float_bytes:
            raise InferenceError(
                f"input of {len(tensor)} bytes, the model takes {self.float_bytes}: {list(self.shape)} float32"
            )
        if self.dtype == "float32":
            return tensor
        _, low, high = _QUANTISED[self.dtype]
        numbers = struct.unpack(f"<{self.values}f", tensor)
        if not math.isfinite(math.fsum(abs(x) for x in numbers)):
            raise InferenceError("input holds a value that is not finite")
        stored = (_round(x / self.scale) + self.zero_point for x in numbers)
        return struct.pack(self.form, *(min(max(q, low), high) for q in stored))

    def unpack(self, stored: bytes | memoryview) -> tuple[float, ...]:
        """The stored form to floats, all finite; else NonFiniteError, or InferenceError for a wrong length."""
        if len(stored) != self.stored_bytes:
            raise InferenceError(f"output of {len(stored)} bytes, the model declared {self.stored_bytes}")
        if self.dtype == "float32":
            numbers: tuple[float, ...] = struct.unpack(self.form, stored)
            if not math.isfinite(sum(numbers)):
                raise NonFiniteError("the model's output is not finite", numbers)
            return numbers
        return tuple((q - self.zero_point) * self.scale for q in struct.unpack(self.form, stored))


def _round(x: float) -> int:
    """To the nearest integer, ties away from zero."""
    return int(math.copysign(math.floor(abs(x) + 0.5), x))
