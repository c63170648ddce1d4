"""LiteRT's own schema and its reference kernels, in an environment of their own, against our reader and writers."""

import json
import subprocess
from pathlib import Path
from random import Random

import pytest

from edge.lab import watch
from edge.nn.export import export_float32, export_int8
from edge.nn.mlp import answer
from edge.nn.schema import ACTIVATIONS, DTYPES, OPERATORS, OPTIONS, PADDINGS
from edge.nn.tflite import read
from edge.shell.engines.tflite_c import find_library
from tests.integration import tflite_venv
from tests.nn.cases import OPERATORS as DRAWN
from tests.nn.cases import draw
from tests.nn.networks import layers, rows
from tests.unit.shell.engine_models import ONE_OP

pytestmark = pytest.mark.slow

PACKAGES = ("ai-edge-litert==2.3.0", "numpy==2.4.6", "flatbuffers", "typing-extensions")

SCHEMA = """
import json, sys
from ai_edge_litert import schema_py_generated as s
by_number = lambda cls: [name for number, name in sorted((v, k) for k, v in vars(cls).items() if isinstance(v, int))]
unions = {v: k for k, v in vars(s.BuiltinOptions).items() if isinstance(v, int)}
def plain(path):
    model = s.ModelT.InitFromPackedBuf(bytearray(open(path, "rb").read()), 0)
    text = lambda raw: raw.decode() if isinstance(raw, bytes) else raw or ""
    numbers = lambda many: [] if many is None else [int(one) for one in many]
    def tensor(one):
        how = one.quantization
        scales = [] if how is None or how.scale is None else [float(x) for x in how.scale]
        data = model.buffers[one.buffer].data
        return [text(one.name), numbers(one.shape), one.type, None if data is None else bytes(data).hex(), scales]
    def operator(one):
        code = model.operatorCodes[one.opcodeIndex]
        options = {} if one.builtinOptions is None else {
            name: value if isinstance(value, (int, float, bool)) else text(value) if isinstance(value, (bytes, str))
            else numbers(value) for name, value in vars(one.builtinOptions).items()}
        number = max(code.deprecatedBuiltinCode, code.builtinCode)
        return [number, code.version, numbers(one.inputs), numbers(one.outputs), options]
    return [[text(part.name), [tensor(one) for one in part.tensors], numbers(part.inputs), numbers(part.outputs),
             [operator(one) for one in part.operators]] for part in model.subgraphs]
json.dump({"operators": by_number(s.BuiltinOperator), "types": by_number(s.TensorType),
           "paddings": by_number(s.Padding), "activations": by_number(s.ActivationFunctionType), "unions": unions,
           "models": [plain(path) for path in sys.argv[1:]]}, sys.stdout)
"""

RUN = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
def run(path, rows):
    it = Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    it.allocate_tensors()
    given, out = it.get_input_details()[0], it.get_output_details()[0]
    for row in rows:
        x = np.array([row], np.float32)
        if given["dtype"] == np.int8:
            scale, zero = given["quantization"]
            x = np.clip(np.round(x / scale) + zero, -128, 127).astype(np.int8)
        it.set_tensor(given["index"], x)
        it.invoke()
        y = it.get_tensor(out["index"])
        if out["dtype"] == np.int8:
            y = (y.astype(np.float64) - out["quantization"][1]) * out["quantization"][0]
        yield [float(value) for value in y[0]]
json.dump([list(run(path, rows)) for path, rows in json.load(sys.stdin)], sys.stdout)
"""


@pytest.fixture(scope="module")
def litert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with LiteRT; without its 100 MB of dependencies that only compilers need."""
    try:
        return str(tflite_venv.make(tmp_path_factory.mktemp("litert") / "venv", "--no-deps", *PACKAGES))
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"LiteRT cannot be installed here: {error}")


def said(python: str, script: str, *arguments: str, given: object = None) -> object:
    done = subprocess.run(
        [python, "-c", script, *arguments], input=json.dumps(given), capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def snake(name: str) -> str:
    """`strideW` → `stride_w`, as the schema writes it; and `dilationWFactor` → `dilation_w_factor`."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def files(folder: Path) -> list[Path]:
    """Real models, and random ones of every operator."""
    found = [ONE_OP, Path(watch.FOLDER, "activity.tflite")]
    found += sorted((find_library().parents[1] / "models").glob("*.tflite"))
    for name, dtypes in DRAWN.items():
        for dtype in dtypes:
            found.append(folder / f"{name}-{dtype}.tflite")
            found[-1].write_bytes(draw(name, dtype, 1).data)
    return found


def test_names_numbers_and_values_are_those_of_litert(litert: str, tmp_path: Path):
    models = files(tmp_path)
    theirs = said(litert, SCHEMA, *map(str, models))
    assert isinstance(theirs, dict)
    assert theirs["operators"] == list(OPERATORS)
    assert [name.lower() for name in theirs["types"]] == [dtype.name for dtype in DTYPES]
    assert (theirs["paddings"], theirs["activations"]) == (list(PADDINGS), list(ACTIVATIONS))
    for known in OPTIONS.values():
        assert str(known.union) in theirs["unions"]
    for path, parts in zip(models, theirs["models"], strict=True):
        graph = read(path.read_bytes(), str(path))
        assert len(graph.subgraphs) == len(parts)
        for part, (name, tensors, inputs, outputs, operators) in zip(graph.subgraphs, parts, strict=True):
            assert (part.name, [*part.inputs], [*part.outputs]) == (name, inputs, outputs)
            for tensor, (title, shape, kind, data, scales) in zip(part.tensors, tensors, strict=True):
                assert (tensor.name, [*tensor.shape], tensor.dtype) == (title, shape, DTYPES[kind].name)
                assert (tensor.data or b"").hex() == (data or "")
                assert [*(tensor.quantisation.scales if tensor.quantisation else ())] == scales
            for step, (number, version, given, made, options) in zip(part.operators, operators, strict=True):
                assert (step.name, step.version) == (OPERATORS[number], version)
                assert ([*step.inputs], [*step.outputs]) == (given, made)
                theirs_by_name = {snake(key): value for key, value in options.items()}
                for key in step.options.keys() & theirs_by_name.keys():
                    assert (list(v) if isinstance(v := step.options[key], tuple) else v) == theirs_by_name[key]
                assert not options or theirs_by_name.keys() >= step.options.keys() - {"intermediates"}


def test_what_is_exported_litert_runs_with_the_same_answers(litert: str, tmp_path: Path):
    jobs, wanted, bounds = [], [], []
    for number, activations in enumerate((("RELU", "NONE"), ("TANH", "SOFTMAX"), ("RELU6", "LOGISTIC"))):
        rng = Random(number)
        network, given = layers(rng, (16, 32, 8), activations), rows(rng, 16, 60)
        for name, data in (("f32", export_float32(network)), ("int8", export_int8(network, given))):
            path = tmp_path / f"{number}-{name}.tflite"
            path.write_bytes(data)
            jobs.append((str(path), given))
            wanted.append([answer(network, row) for row in given])
            width = max(max(row) for row in wanted[-1]) - min(min(row) for row in wanted[-1])
            bounds.append(1e-5 if name == "f32" else width * 0.06)
    answers = said(litert, RUN, given=jobs)
    assert isinstance(answers, list)
    for got, expected, bound in zip(answers, wanted, bounds, strict=True):
        assert (
            max(abs(a - b) for one, two in zip(got, expected, strict=True) for a, b in zip(one, two, strict=True))
            < bound
        )
