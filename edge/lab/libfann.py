"""Debian's libfann, by ctypes, as a peer in benchmarks: networks and training sets from files, one epoch at a time."""

from __future__ import annotations

import ctypes
from ctypes.util import find_library
from pathlib import Path
from typing import Any

from edge.errors import UnavailableError

SETS = Path("/usr/share/doc/libfann-dev/examples/datasets")
"""Where Debian's libfann-doc puts its training sets."""
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "fann_create_from_file": (ctypes.c_void_p, [ctypes.c_char_p]),
    "fann_destroy": (None, [ctypes.c_void_p]),
    "fann_read_train_from_file": (ctypes.c_void_p, [ctypes.c_char_p]),
    "fann_destroy_train": (None, [ctypes.c_void_p]),
    "fann_train_epoch": (ctypes.c_float, [ctypes.c_void_p, ctypes.c_void_p]),
}


class Libfann:
    """The library. Raises UnavailableError naming the package that lacks."""

    def __init__(self) -> None:
        name = find_library("floatfann")
        if name is None:
            raise UnavailableError("no libfloatfann here: apt-get install libfann2")
        self._lib = ctypes.CDLL(name)
        self.name = name
        for symbol, (result, arguments) in _SIGNATURES.items():
            function = getattr(self._lib, symbol)
            function.restype, function.argtypes = result, arguments

    def pupil(self, net: Path, data: Path) -> Pupil:
        return Pupil(self._lib, net, data)


class Pupil:
    """A network and its training set in libfann's memory."""

    def __init__(self, lib: Any, net: Path, data: Path) -> None:
        self._lib = lib
        self._ann = lib.fann_create_from_file(bytes(net))
        self._data = lib.fann_read_train_from_file(bytes(data))
        if not self._ann or not self._data:
            raise UnavailableError(f"libfann does not take {net} or {data}")

    def epoch(self) -> float:
        """Its own measure of the error, before the step."""
        return float(self._lib.fann_train_epoch(self._ann, self._data))

    def close(self) -> None:
        self._lib.fann_destroy(self._ann)
        self._lib.fann_destroy_train(self._data)


def training_set(name: str) -> Path:
    """A file of libfann-doc. Raises UnavailableError."""
    path = SETS / name
    if not path.exists():
        raise UnavailableError(f"no {path}: apt-get install libfann-doc")
    return path
