"""The oracle's own program: runs under the interpreter that has ai-edge-litert and says what its reference kernels say.

Imports nothing of ours. Asked on standard input: a model (u32 length, bytes), the number of inputs (u32), and each
input (u32 length, bytes), run one after the other by one interpreter. Answered: '+' and each output, or '-' and a
reason, as length and bytes. It leaves at end of file.
"""

import os
import struct
import sys

import numpy
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def main() -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the library's notes go to standard error
    while (model := take()) is not None:
        (count,) = struct.unpack("<I", sys.stdin.buffer.read(4))
        inputs = [take() for _ in range(count)]
        try:
            answers = run(model, inputs)
        except (ValueError, RuntimeError) as error:
            answers = None
            reason = " ".join(str(error).split()).encode()
        out.write(b"-" if answers is None else b"+")
        for answer in [reason] if answers is None else answers:
            out.write(struct.pack("<I", len(answer)) + answer)
        out.flush()


def run(model: bytes, inputs: "list[bytes]") -> "list[bytes]":
    net = Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    net.allocate_tensors()
    detail, answers = net.get_input_details()[0], []
    for stored in inputs:
        net.set_tensor(detail["index"], numpy.frombuffer(stored, detail["dtype"]).reshape(detail["shape"]))
        net.invoke()
        answers.append(net.get_tensor(net.get_output_details()[0]["index"]).tobytes())
    return answers


def take() -> "bytes | None":
    head = sys.stdin.buffer.read(4)
    return sys.stdin.buffer.read(struct.unpack("<I", head)[0]) if len(head) == 4 else None


if __name__ == "__main__":
    main()
