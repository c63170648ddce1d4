"""A foreign runtime that `bench nn` measures: LiteRT, onnxruntime or numpy, under the interpreter that has it.

Imports nothing of ours. One JSON document a line: `load` a net under a number, `time` so many calls of it, `many` nets
in turn; answered likewise, with an error where something does not work. Calls are as a user makes them, inputs and
outputs included, with one thread and buffers that are reused wherever the runtime lets one.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy

Act = Callable[[], Any]


def litert(net: dict[str, Any]) -> dict[str, Act]:
    """By XNNPACK and without it, from input to output and as a bare run."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    acts: dict[str, Act] = {}
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    for name, resolver in (("xnnpack", OpResolverType.AUTO), ("plain", plain)):
        one = Interpreter(net["path"], num_threads=1, experimental_op_resolver_type=resolver)
        acts[name] = answered(one)
        acts[f"{name} run"] = one.invoke
    return acts


def answered(one: Any) -> Act:
    """An interpreter as a function from a fixed input to its output."""
    one.allocate_tensors()
    given, made = one.get_input_details()[0], one.get_output_details()[0]["index"]
    x, index = data(given["shape"], given["dtype"]), given["index"]
    set_tensor, invoke, get_tensor = one.set_tensor, one.invoke, one.get_tensor

    def act() -> Any:
        set_tensor(index, x)
        invoke()
        return get_tensor(made)

    return act


def onnxruntime(net: dict[str, Any]) -> dict[str, Act]:
    import onnxruntime as runtime
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, last = [], [], "x"
    layers = weights(net)
    for number, (w, b) in enumerate(layers):
        constants += [numpy_helper.from_array(w, f"w{number}"), numpy_helper.from_array(b, f"b{number}")]
        nodes.append(helper.make_node("Gemm", [last, f"w{number}", f"b{number}"], [f"y{number}"]))
        last = f"y{number}"
        if number + 1 < len(layers):
            nodes.append(helper.make_node("Relu", [last], [f"r{number}"]))
            last = f"r{number}"
    width = net["widths"]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        for name, size in (("x", width[0]), (last, width[-1]))
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "net", ends[:1], ends[1:], constants), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given, names = {"x": data((1, width[0]), numpy.float32)}, [last]
    binding = session.io_binding()
    binding.bind_cpu_input("x", given["x"])
    out = numpy.empty((1, width[-1]), numpy.float32)
    binding.bind_output(last, "cpu", 0, numpy.float32, out.shape, out.ctypes.data)
    return {
        "run": lambda: session.run(names, given),
        "bound": lambda: session.run_with_iobinding(binding),
    }


def numpy_(net: dict[str, Any]) -> dict[str, Act]:
    layers = weights(net)
    x = data((1, net["widths"][0]), numpy.float32)
    outs = [numpy.empty((1, len(b)), numpy.float32) for _, b in layers]

    def act() -> Any:
        last = x
        for (w, b), out in zip(layers, outs, strict=True):
            numpy.matmul(last, w, out)
            numpy.add(out, b, out)
            if out is not outs[-1]:
                numpy.maximum(out, 0, out)
            last = out
        return last

    return {"matmul": act}


def weights(net: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Of each layer, as [inputs][outputs], and its biases."""
    numbers, found, at = numpy.fromfile(net["weights"], numpy.float32), [], 0
    for before, after in zip(net["widths"], net["widths"][1:], strict=False):
        w = numpy.ascontiguousarray(numbers[at : at + before * after].reshape(after, before).T)
        at += before * after
        found.append((w, numbers[at : at + after]))
        at += after
    return found


def data(shape: Any, dtype: Any) -> Any:
    rng = numpy.random.default_rng(0)
    if numpy.dtype(dtype).kind == "f":
        return rng.uniform(-1, 1, shape).astype(dtype)
    return rng.integers(0, 100, shape).astype(dtype)


def many(paths: list[str]) -> tuple[dict[str, Act], int]:
    """One interpreter for each file, all run in turn; and the memory that each takes."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    before = resident_bytes()
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    acts = [answered(Interpreter(path, num_threads=1, experimental_op_resolver_type=plain)) for path in paths]

    def act() -> None:
        for one in acts:
            one()

    act()
    return {"plain": act}, (resident_bytes() - before) // len(paths)


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


MAKERS = {"litert": litert, "onnxruntime": onnxruntime, "numpy": numpy_}
PACKAGES = {"litert": "ai-edge-litert"}


def main(name: str) -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is none of the answers
    loaded: dict[int, dict[str, Act]] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = respond(name, asked, loaded)
        except Exception as error:
            answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        print(json.dumps(answer), file=out, flush=True)


def respond(name: str, asked: dict[str, Any], loaded: dict[int, dict[str, Act]]) -> dict[str, Any]:
    if asked["do"] == "time":
        act, calls = loaded[asked["net"]][asked["way"]], range(asked["calls"])
        begun_ns = time.perf_counter_ns()
        for _ in calls:
            act()
        return {"ns": time.perf_counter_ns() - begun_ns}
    if asked["do"] == "many":
        loaded[asked["net"]], size = many(asked["paths"])
        return {"ways": list(loaded[asked["net"]]), "bytes": size}
    acts = MAKERS[name](asked)
    loaded[asked["net"]] = acts
    for act in acts.values():
        act()
    return {"ways": list(acts), "version": metadata.version(PACKAGES.get(name, name))}


if __name__ == "__main__":
    main(sys.argv[1])
