"""The worker's own program: runs under an interpreter of the user's choosing, Python 3.8 or newer with tflite-runtime
or LiteRT.

Imports nothing of synedge. Frames both ways: length (u32, little-endian), one byte, payload. Requests: L load, R run,
Z reset, C close, each followed by a handle (u32). Answers: '+' with a payload, '-' with a reason. The first frame is a
greeting. It leaves at end of file, and dies by alarm when one request takes too long: C code would not notice a dead
parent. Numbers cross as the model stores them; the other end converts.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
from functools import partial
from importlib import metadata
from typing import Any, BinaryIO

REQUEST_BYTES_MAX = 64 * 1024 * 1024 + 16


def main(package: str, limit_s: float, memory_bytes: int) -> int:
    """Serve until end of file, by the interpreter of that package. `limit_s` bounds the start and each request,
    `memory_bytes` what each model may add."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not land between frames
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        interpreter, versions = runtime(package)
    except BaseException as error:
        answer(out, b"-", reason(error))
        return 1
    answer(out, b"+", json.dumps(versions).encode())
    models: dict[int, Loaded] = {}
    while True:
        signal.setitimer(signal.ITIMER_REAL, 0)
        request = receive(sys.stdin.buffer)
        if request is None:
            return 0
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        try:
            answer(out, b"+", handle(models, interpreter, memory_bytes, request))
        except Exception as error:
            answer(out, b"-", reason(error))


def runtime(package: str) -> tuple[Any, dict[str, str]]:
    """What makes interpreters, and its versions. LiteRT is asked for its reference kernels, without any delegate."""
    if package == "ai_edge_litert":
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        make = partial(Interpreter, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    else:
        from tflite_runtime.interpreter import Interpreter

        make = Interpreter
    version = metadata.version(package.replace("_", "-"))
    return make, {"runtime": version, "numpy": sys.modules["numpy"].__version__}


def handle(models: dict[int, Loaded], interpreter: Any, memory_bytes: int, request: bytes) -> bytes:
    """The answer to one request; any exception is a refusal."""
    op, number, payload = request[:1], struct.unpack_from("<I", request, 1)[0], request[5:]
    if op == b"L":
        bound_memory(memory_bytes)
        models[number] = Loaded(interpreter, payload)
        return json.dumps(models[number].specs()).encode()
    if op == b"C":
        models.pop(number, None)
        return b""
    if op == b"Z":
        models[number].build()
        return b""
    return models[number].run(payload)


class Loaded:
    """One model: its bytes and the interpreter over them."""

    def __init__(self, interpreter: Any, data: bytes):
        self.interpreter, self.data = interpreter, data
        self.build()

    def build(self) -> None:
        """A new interpreter: `reset_all_variables` leaves resource variables as they are."""
        self.net = self.interpreter(model_content=self.data, num_threads=1)
        self.net.allocate_tensors()
        self.inputs, self.outputs = self.net.get_input_details(), self.net.get_output_details()

    def specs(self) -> dict[str, Any]:
        """Shapes, types and quantisation of all inputs and outputs."""
        return {"input": [spec(d) for d in self.inputs], "output": [spec(d) for d in self.outputs]}

    def run(self, stored: bytes) -> bytes:
        """One run, in the model's own number formats."""
        import numpy

        detail = self.inputs[0]
        self.net.set_tensor(detail["index"], numpy.frombuffer(stored, detail["dtype"]).reshape(detail["shape"]))
        self.net.invoke()
        out: bytes = self.net.get_tensor(self.outputs[0]["index"]).tobytes()
        return out


def spec(detail: dict[str, Any]) -> dict[str, Any]:
    """One tensor's details without numpy types."""
    import numpy

    scale, zero_point = detail["quantization"]
    shape = [int(n) for n in detail["shape"]]
    name = numpy.dtype(detail["dtype"]).name
    return {"shape": shape, "dtype": name, "scale": float(scale), "zero_point": int(zero_point)}


def bound_memory(extra: int) -> None:
    """Let this process grow by `extra` bytes from here."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = pages * resource.getpagesize() + extra
    resource.setrlimit(resource.RLIMIT_AS, (soft if hard < 0 else min(soft, hard), hard))


def receive(stream: BinaryIO) -> bytes | None:
    """One request, None at end of file or when the other end talks nonsense."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    (size,) = struct.unpack("<I", head)
    if not 5 <= size <= REQUEST_BYTES_MAX:
        return None
    body = stream.read(size)
    return body if len(body) == size else None


def answer(out: BinaryIO, kind: bytes, payload: bytes) -> None:
    """One frame to the other end."""
    out.write(struct.pack("<I", 1 + len(payload)) + kind + payload)
    out.flush()


def reason(error: BaseException) -> bytes:
    """One line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:2000].encode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
