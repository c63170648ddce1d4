"""Debian's libfann, by ctypes: networks that it made, saved, loaded and ran."""

import ctypes
import ctypes.util
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_float, c_int, c_uint, c_void_p
from pathlib import Path
from random import Random
from typing import Any

SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "fann_create_standard_array": (c_void_p, [c_uint, POINTER(c_uint)]),
    "fann_create_shortcut_array": (c_void_p, [c_uint, POINTER(c_uint)]),
    "fann_create_sparse_array": (c_void_p, [c_float, c_uint, POINTER(c_uint)]),
    "fann_create_from_file": (c_void_p, [c_char_p]),
    "fann_save": (c_int, [c_void_p, c_char_p]),
    "fann_run": (POINTER(c_float), [c_void_p, POINTER(c_float)]),
    "fann_destroy": (None, [c_void_p]),
    "fann_get_num_input": (c_uint, [c_void_p]),
    "fann_get_num_output": (c_uint, [c_void_p]),
    "fann_get_total_connections": (c_uint, [c_void_p]),
    "fann_randomize_weights": (None, [c_void_p, c_float, c_float]),
    "fann_set_activation_function": (None, [c_void_p, c_int, c_int, c_int]),
    "fann_set_activation_steepness": (None, [c_void_p, c_float, c_int, c_int]),
    "fann_read_train_from_file": (c_void_p, [c_char_p]),
    "fann_length_train_data": (c_uint, [c_void_p]),
    "fann_save_train": (c_int, [c_void_p, c_char_p]),
    "fann_destroy_train": (None, [c_void_p]),
    "fann_set_scaling_params": (c_int, [c_void_p, c_void_p, c_float, c_float, c_float, c_float]),
    "fann_cascadetrain_on_data": (None, [c_void_p, c_void_p, c_uint, c_uint, c_float]),
}


def library() -> Any:
    """libfloatfann with its signatures; bootstrap installs it for tests."""
    name = ctypes.util.find_library("floatfann")
    assert name is not None, "no libfloatfann here; deploy/bootstrap.sh --test installs libfann2"
    lib = ctypes.CDLL(name)
    for symbol, (result, arguments) in SIGNATURES.items():
        function = getattr(lib, symbol)
        function.restype, function.argtypes = result, arguments
    return lib


FANN = library()


class Ann:
    """One network in libfann's memory."""

    def __init__(self, handle: int | None):
        assert handle, "libfann refused it"
        self.handle = handle

    @classmethod
    def load(cls, path: Path) -> "Ann":
        return cls(FANN.fann_create_from_file(bytes(path)))

    @classmethod
    def make(cls, kind: str, sizes: Sequence[int], rng: Random) -> "Ann":
        """`standard`, `shortcut` or `sparse`, every activation and steepness and weight at random."""
        numbers = (c_uint * len(sizes))(*sizes)
        rate = [c_float(rng.uniform(0.3, 0.9))] if kind == "sparse" else []
        ann = cls(getattr(FANN, f"fann_create_{kind}_array")(*rate, len(sizes), numbers))
        for layer, size in list(enumerate(sizes))[1:]:
            for neuron in range(size):
                FANN.fann_set_activation_function(ann.handle, rng.randrange(18), layer, neuron)
                FANN.fann_set_activation_steepness(ann.handle, rng.choice((0.25, 0.5, 1.0, 1.7)), layer, neuron)
        ann.randomise()
        return ann

    def randomise(self) -> None:
        """By libfann's own chance."""
        FANN.fann_randomize_weights(self.handle, -2.0, 2.0)

    def save(self, path: Path) -> bytes:
        FANN.fann_save(self.handle, bytes(path))
        return path.read_bytes()

    def run(self, row: Sequence[float]) -> list[float]:
        result = FANN.fann_run(self.handle, (c_float * len(row))(*row))
        return list(result[: FANN.fann_get_num_output(self.handle)])

    def __del__(self) -> None:
        FANN.fann_destroy(self.handle)
