"""Reads a model file once, bounded, and checks its outer shape before any foreign parser sees it.

A `.tflite` is a FlatBuffer: a 4-byte little-endian offset to the root table, then the identifier. The root table opens
with a signed offset back (or on) to its vtable, which opens with its own size (FlatBuffers internals, "Tables").
"""

import hashlib
import os
import stat
import struct

from edge.limits import MODEL_FILE_BYTES_MAX
from edge.nn.backends import ModelFile
from edge.nn.errors import ModelError

_IDENTIFIER = b"TFL3"
_SMALLEST = 32


def read_model(path: str | os.PathLike[str]) -> ModelFile:
    """The file's bytes and their SHA-256. Raises ModelError naming the file and what is wrong with it."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ModelError(f"model {name}: not a regular file")
            data = file.read(MODEL_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ModelError(f"model {name}: {error.strerror or error}") from None
    reason = outer_fault(data)
    if reason is not None:
        raise ModelError(f"model {name}: {reason}")
    return ModelFile(name, data, hashlib.sha256(data).digest())


def outer_fault(data: bytes) -> str | None:
    """Why these bytes cannot be a TensorFlow Lite model, or None. Cheap; the engine's own verifier goes deeper."""
    size = len(data)
    if size > MODEL_FILE_BYTES_MAX:
        return f"larger than {MODEL_FILE_BYTES_MAX} bytes"
    if size < _SMALLEST:
        return f"only {size} bytes, cut short or not a TensorFlow Lite model"
    if data[4:8] != _IDENTIFIER:
        return f"not a TensorFlow Lite model (bytes 4 to 8 are {data[4:8]!r}, not {_IDENTIFIER!r})"
    (root,) = struct.unpack_from("<I", data)
    if root % 4 or not 8 <= root <= size - 4:
        return f"damaged or cut short: its root table is at byte {root} of {size}"
    (back,) = struct.unpack_from("<i", data, root)
    vtable = root - back
    if vtable % 2 or not 4 <= vtable <= size - 4:
        return f"damaged or cut short: its root vtable is at byte {vtable} of {size}"
    (vtable_bytes,) = struct.unpack_from("<H", data, vtable)
    if vtable_bytes < 4 or vtable + vtable_bytes > size:
        return "damaged or cut short: its root vtable is larger than the file"
    return None
