"""ai-edge-litert as oracle: TensorFlow Lite's reference kernels, without any delegate, in a process of their own."""

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

_CHILD = Path(__file__).with_name("litert_child.py")


class RefusedError(Exception):
    """The oracle does not take the model; the message is its own."""


class Oracle:
    """One process, one question at a time."""

    def __init__(self, python: Path):
        self._process = subprocess.Popen(
            [python, "-I", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def run(self, model: bytes, inputs: Sequence[bytes]) -> list[bytes]:
        """What each input, run in turn, gives: stored numbers. Raises RefusedError."""
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None and answered is not None
        asked.write(b"".join([_sized(model), struct.pack("<I", len(inputs)), *map(_sized, inputs)]))
        asked.flush()
        kind = answered.read(1)
        if kind != b"+":
            raise RefusedError(self._take().decode() if kind else "the oracle died")
        return [self._take() for _ in inputs]

    def _take(self) -> bytes:
        assert self._process.stdout is not None
        (size,) = struct.unpack("<I", self._process.stdout.read(4))
        return self._process.stdout.read(size)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(20)


def _sized(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data
