"""Reads and writes training sets of the FANN library, `.data`: how many, then inputs and wanted outputs in turn."""

import re
from array import array
from typing import Final, NamedTuple

from edge.limits import MODEL_FILE_BYTES_MAX
from edge.nn.errors import ModelError
from edge.nn.fann import NUMBER, WHOLE_NUMBER
from edge.nn.mlp import FLOAT32_MAX

_REAL: Final = re.compile(NUMBER, re.ASCII)
_WHOLE: Final = re.compile(WHOLE_NUMBER, re.ASCII)


class Data(NamedTuple):
    """A training set: rows of inputs and the outputs that are wanted for them, one row after the other, float32."""

    rows: int
    inputs: int
    outputs: int
    given: "array[float]"
    wanted: "array[float]"

    def row(self, number: int) -> tuple[list[float], list[float]]:
        """The inputs and the wanted outputs of one row."""
        start, end = number * self.inputs, number * self.outputs
        return self.given[start : start + self.inputs].tolist(), self.wanted[end : end + self.outputs].tolist()


def read_data(data: bytes, path: str = "") -> Data:
    """Raises ModelError. As in libfann numbers are parted by any white space; lines mean nothing."""
    if len(data) > MODEL_FILE_BYTES_MAX:
        raise ModelError(f"training set {path}: {len(data)} bytes (allowed: up to {MODEL_FILE_BYTES_MAX})")
    words = data.decode("ascii", "backslashreplace").split()
    for word in words[:3]:
        if not _WHOLE.fullmatch(word) or int(word) < 1:
            raise ModelError(f"training set {path}: begins with {word[:24]!r} (allowed: rows inputs outputs, from 1)")
    if len(words) < 3:
        raise ModelError(f"training set {path}: {len(words)} numbers (allowed: rows inputs outputs and the rows)")
    rows, inputs, outputs = map(int, words[:3])
    wanted = rows * (inputs + outputs)
    if len(words) - 3 != wanted:
        raise ModelError(f"training set {path}: {len(words) - 3} numbers behind the head (allowed: {wanted})")
    result = Data(rows, inputs, outputs, array("f"), array("f"))
    for at in range(3, len(words), inputs + outputs):
        numbers = [_datum(path, place, words[place]) for place in range(at, at + inputs + outputs)]
        result.given.extend(numbers[:inputs])
        result.wanted.extend(numbers[inputs:])
    return result


def _datum(path: str, place: int, word: str) -> float:
    if not _REAL.fullmatch(word) or abs(value := float(word)) > FLOAT32_MAX:
        raise ModelError(f"training set {path}: number {place + 1} is {word[:24]!r} (allowed: finite float32)")
    return value


def write_data(data: Data) -> bytes:
    """The file, with as many digits as float32 has: what is read again is the same to the bit."""
    lines = [f"{data.rows} {data.inputs} {data.outputs}"]
    for number in range(data.rows):
        lines += [" ".join(f"{value:.9g}" for value in part) for part in data.row(number)]
    return ("\n".join(lines) + "\n").encode()
