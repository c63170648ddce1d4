"""What is wrong with a model is found when it is read, with place and bound: each check alone."""

import math
import struct
from pathlib import Path

import pytest

from edge import limits
from edge.lab import watch
from edge.nn import constants
from edge.nn.errors import ModelError
from edge.nn.flatbuffer_writer import Blob, Scalar, Vector
from edge.nn.graph import Quantisation
from edge.nn.schema import ACTIVATIONS, OPERATORS
from edge.nn.tflite import read
from tests.unit.nn import broken as b
from tests.unit.nn.broken import refusal
from tests.unit.shell.engine_models import ONE_OP


def test_a_model_is_read_as_it_was_written():
    data = b.file(b.model())
    graph = read(data)
    assert (graph.version, graph.description, len(graph.subgraphs)) == (3, "small", 1)
    main = graph.subgraphs[0]
    assert (main.name, main.inputs, main.outputs) == ("main", (b.X,), (b.Y,))
    x, weights, bias, y = main.tensors
    assert (x.name, x.shape, x.dtype, x.data, x.is_variable) == ("x", (1, 4), "int8", None, False)
    assert x.quantisation == Quantisation((0.5,), (3,), 0)
    assert weights.quantisation == Quantisation((0.25, 0.125), (0, 0), 0)
    assert weights.data == bytes(range(8))
    assert bias.data is not None and struct.unpack("<2i", bias.data) == (7, -7)
    assert y.values == 2
    (step,) = main.operators
    assert (step.name, step.version, step.inputs, step.outputs) == ("FULLY_CONNECTED", 4, (b.X, b.W, b.B), (b.Y,))
    assert step.options == {
        "fused_activation_function": ACTIVATIONS.index("RELU"),
        "weights_format": 0,
        "keep_num_dims": False,
        "asymmetric_quantize_inputs": False,
        "quantized_bias_type": 0,
    }


def test_constants_are_views_of_the_callers_bytes():
    data = bytearray(b.file(b.model()))
    weights = read(data).subgraphs[0].tensors[b.W].data
    assert weights is not None and weights.readonly
    data[data.index(bytes(range(8)))] = 99
    assert weights[0] == 99


def test_the_models_of_the_demo_and_of_the_proof_are_read():
    one_op = read(ONE_OP.read_bytes()).subgraphs[0]
    assert [operator.name for operator in one_op.operators] == ["FULLY_CONNECTED"]
    watch_model = read(Path(watch.FOLDER, "activity.tflite").read_bytes()).subgraphs[0]
    names = [operator.name for operator in watch_model.operators]
    assert names == ["RESHAPE", *["CONV_2D"] * 4, "AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]
    assert watch_model.operators[1].options["stride_h"] == 2
    assert watch_model.operators[1].options["dilation_h_factor"] == 1  # not in the file: the schema's default


@pytest.mark.parametrize("version", [0, 2, 4])
def test_another_version_of_the_schema_is_refused(version: int):
    message = refusal(b.model() | {b.VERSION: Scalar("I", version)})
    assert message.startswith("model m.tflite: version at byte ") and f"is {version} (allowed: 3)" in message


def test_a_model_without_a_subgraph_is_refused():
    assert "subgraphs" in refusal(b.model() | {b.SUBGRAPHS: []})


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ([1, -1], "shape at byte"),
        ([-4, -1], "[-4, -1] (allowed: 0 and above)"),
        ([2**31 - 1, 2**31 - 1, 2**31 - 1], f"(allowed: up to {limits.MODEL_TENSOR_VALUES_MAX})"),
        ([limits.MODEL_TENSOR_VALUES_MAX, 2], f"(allowed: up to {limits.MODEL_TENSOR_VALUES_MAX})"),
        ([1] * (limits.MODEL_RANK_MAX + 1), f"{limits.MODEL_RANK_MAX + 1} elements (allowed: up to"),
    ],
)
def test_shapes_that_cannot_be_are_refused(shape: list[int], what: str):
    tree = b.model()
    b.main(tree)[b.TENSORS][b.X][b.SHAPE] = Vector("i", shape)
    message = refusal(tree)
    assert "subgraphs[0].tensors[0].shape" in message and what in message


def test_the_largest_shape_is_read():
    tree = b.model()
    b.main(tree)[b.TENSORS][b.X][b.SHAPE] = Vector("i", [limits.MODEL_TENSOR_VALUES_MAX] + [1] * 7)
    assert read(b.file(tree)).subgraphs[0].tensors[b.X].values == limits.MODEL_TENSOR_VALUES_MAX


@pytest.mark.parametrize("kind", [-1, 23, 127])
def test_an_element_type_that_does_not_exist_is_refused(kind: int):
    tree = b.model()
    b.main(tree)[b.TENSORS][b.X][b.TYPE] = Scalar("b", kind)
    assert "tensors[0].type at byte" in refusal(tree)


@pytest.mark.parametrize("bytes_there", [1, 7, 9, 32])
def test_a_constant_is_as_large_as_its_shape_and_type_say(bytes_there: int):
    tree = b.model()
    tree[b.BUFFERS][1] = {0: Blob(bytes(bytes_there))}
    assert f"{bytes_there} bytes for shape [2, 4] of int8 (allowed: 8)" in refusal(tree)


def test_numbers_of_half_a_byte_share_bytes():
    tree = b.model()
    b.main(tree)[b.TENSORS][b.W] |= {b.TYPE: Scalar("b", 17), b.SHAPE: Vector("i", [3, 5]), b.QUANTISATION: {}}
    assert read(b.file(tree)).subgraphs[0].tensors[b.W].dtype == "int4"


@pytest.mark.parametrize("number", [3, 2**32 - 1])
def test_a_buffer_that_does_not_exist_is_refused(number: int):
    tree = b.model()
    b.main(tree)[b.TENSORS][b.W][b.BUFFER] = Scalar("I", number)
    assert "tensors[1].buffer" in refusal(tree) and f"is {number} (allowed: 0 to 2)" in refusal(tree)


def test_a_sparse_tensor_is_refused():
    tree = b.model()
    b.main(tree)[b.TENSORS][b.W][b.SPARSITY] = {}
    assert "sparse (allowed: dense)" in refusal(tree)


def test_content_outside_of_the_flatbuffer_is_refused():
    tree = b.model()
    tree[b.BUFFERS][1] = {1: Scalar("Q", 4096), 2: Scalar("Q", 8)}
    assert "buffers[1].offset" in refusal(tree)
    tree = b.model()
    b.main(tree)[b.TENSORS][b.W][10] = Scalar("I", 1)
    assert "content outside of the file" in refusal(tree)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_a_scale_that_cannot_divide_is_refused(scale: float):
    tree = b.model()
    b.main(tree)[b.TENSORS][b.X][b.QUANTISATION] = b.quantisation([scale], [0])
    assert "tensors[0].quantization.scale at byte" in refusal(tree)
    assert f"{scale} (allowed: finite and above 0)" in refusal(tree)


@pytest.mark.parametrize(
    ("place", "zero_point", "allowed"),
    [
        (b.X, -129, "int8: -128 to 127"),
        (b.X, 128, "int8: -128 to 127"),
        (b.X, 2**63 - 1, "int8"),
        (b.B, 2**31, "int32"),
    ],
)
def test_a_zero_point_lies_in_its_type(place: int, zero_point: int, allowed: str):
    tree = b.model()
    b.main(tree)[b.TENSORS][place][b.QUANTISATION] = b.quantisation([1.0], [zero_point])
    assert "zero_point at byte" in refusal(tree) and f"{zero_point} (allowed for {allowed}" in refusal(tree)


@pytest.mark.parametrize("zero_points", [[], [0, 0, 0]])
def test_zero_points_are_as_many_as_scales(zero_points: list[int]):
    tree = b.model()
    b.main(tree)[b.TENSORS][b.W] |= {b.SHAPE: Vector("i", [2, 4])}
    b.main(tree)[b.TENSORS][b.W][b.QUANTISATION] = b.quantisation([1.0, 1.0], zero_points)
    assert f"{len(zero_points)} for 2 scales (allowed: as many, or one)" in refusal(tree)


@pytest.mark.parametrize(("scales", "axis"), [([1.0] * 2, 1), ([1.0] * 4, 0), ([1.0] * 2, 2), ([1.0] * 2, -1)])
def test_scales_are_one_for_each_slice_of_their_axis(scales: list[float], axis: int):
    tree = b.model()
    b.main(tree)[b.TENSORS][b.W][b.QUANTISATION] = b.quantisation(scales, [0] * len(scales), axis)
    assert f"{len(scales)} along axis {axis} of shape [2, 4] (allowed: one a slice)" in refusal(tree)


def test_blockwise_quantisation_is_refused():
    tree = b.model()
    b.main(tree)[b.TENSORS][b.W][b.QUANTISATION] |= {b.DETAILS_TYPE: Scalar("B", 2)}
    assert "quantised in blocks" in refusal(tree)


def test_notes_of_the_training_are_no_quantisation():
    tree = b.model()
    b.main(tree)[b.TENSORS][b.Y][b.QUANTISATION] = {0: Vector("f", [0.0]), 1: Vector("f", [math.nan])}
    assert read(b.file(tree)).subgraphs[0].tensors[b.Y].quantisation is None


def floats(kind: int, content: bytes) -> b.Tree:
    """The model with a float bias of these bytes."""
    tree = b.model()
    b.main(tree)[b.TENSORS][b.B] = b.tensor("b", [len(content) // {0: 4, 1: 2, 10: 8}[kind]], kind, 2)
    tree[b.BUFFERS][2] = {0: Blob(content)}
    return tree


@pytest.mark.parametrize(("kind", "letter"), [(0, "f"), (1, "e"), (10, "d")])
@pytest.mark.parametrize("place", [0, 5000, 9999])
def test_a_nan_anywhere_in_a_constant_is_refused(kind: int, letter: str, place: int):
    numbers = [1.5] * 10_000
    assert read(b.file(floats(kind, struct.pack(f"<10000{letter}", *numbers))))
    numbers[place] = math.nan
    assert "is NaN (allowed: numbers)" in refusal(floats(kind, struct.pack(f"<10000{letter}", *numbers)))


def test_infinite_constants_are_numbers():
    """Masks are made of them."""
    content = struct.pack("<4f", math.inf, -math.inf, 3e38, 3e38)
    assert read(b.file(floats(b.FLOAT32, content))).subgraphs[0].tensors[b.B].data == content


def test_a_buffer_that_many_tensors_share_is_looked_through_once(monkeypatch: pytest.MonkeyPatch):
    looked: list[int] = []
    honest = constants._has_nan
    monkeypatch.setattr(constants, "_has_nan", lambda data, letter: looked.append(len(data)) or honest(data, letter))
    tree = floats(b.FLOAT32, bytes(4 * 50_000))
    b.main(tree)[b.TENSORS] += [b.tensor(f"again {i}", [50_000], b.FLOAT32, 2) for i in range(500)]
    assert len(read(b.file(tree)).subgraphs[0].tensors) == 504
    assert looked == [4 * 50_000]


def test_buffers_that_overlap_are_refused():
    """Otherwise a small file could ask for any amount of looking."""
    data = b.file(b.model())
    buffers = b.led_to(data, b.field_at(data, b.root_at(data), b.BUFFERS))
    second = b.led_to(data, buffers + 4 + 4 * 1)
    third = b.led_to(data, buffers + 4 + 4 * 2)
    place = b.field_at(data, second, 0)
    content = b.led_to(data, b.field_at(data, third, 0))
    assert content > place
    spoilt = b.patched(data, place, "I", content + 4 - place)  # inside the other's content, whose 7 counts as length
    with pytest.raises(ModelError, match=r"buffers\[1\]\.data at byte \d+: begins inside other content"):
        read(b.patched(spoilt, content + 4, "I", 4))


@pytest.mark.parametrize("number", [1, 2**32 - 1])
def test_an_operator_code_that_does_not_exist_is_refused(number: int):
    tree = b.model()
    b.main(tree)[b.OPERATORS][0][0] = Scalar("I", number)
    assert "opcode_index" in refusal(tree) and f"is {number} (allowed: 0 to 0)" in refusal(tree)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (b.code(209), "STABLEHLO_CASE"),
        (b.code(77), "SHAPE"),
        ({0: Scalar("b", 22)}, "RESHAPE"),  # a file of before there were more than 127
        ({0: Scalar("b", 127), 3: Scalar("i", 150)}, "GELU"),
        (b.code(32) | {1: "MyOp"}, "CUSTOM:MyOp"),
        (b.code(len(OPERATORS)), f"UNKNOWN:{len(OPERATORS)}"),
    ],
)
def test_every_operator_has_a_name_to_be_refused_by(code: b.Tree, name: str):
    tree = b.model() | {b.CODES: [code]}
    b.main(tree)[b.OPERATORS][0].pop(3)
    assert read(b.file(tree)).subgraphs[0].operators[0].name == name


def test_options_of_another_operator_are_refused():
    tree = b.model()
    b.main(tree)[b.OPERATORS][0][3] = Scalar("B", 1)
    assert "builtin_options_type" in refusal(tree) and "is 1 (allowed for FULLY_CONNECTED: 8)" in refusal(tree)


@pytest.mark.parametrize("value", [-1, len(ACTIVATIONS)])
def test_an_activation_that_does_not_exist_is_refused(value: int):
    tree = b.model()
    b.main(tree)[b.OPERATORS][0][4] = {0: Scalar("b", value)}
    message = refusal(tree)
    assert "builtin_options.fused_activation_function" in message and "allowed: 0 NONE, 1 RELU, 2" in message


def test_options_that_are_no_number_are_refused():
    tree = b.model() | {b.CODES: [b.code(25)]}
    b.main(tree)[b.OPERATORS][0] = b.operator(0, [b.X], [b.Y], 9, {0: Scalar("f", math.nan)})
    assert "builtin_options.beta" in refusal(tree) and "is nan (allowed: finite)" in refusal(tree)


def test_what_a_file_can_make_grow_is_bounded():
    many = b.model()
    b.main(many)[b.TENSORS] = [b.tensor("t", [1])] * (limits.MODEL_TENSORS_MAX + 1)
    assert f"(allowed: up to {limits.MODEL_TENSORS_MAX})" in refusal(many)
    many = b.model()
    b.main(many)[b.OPERATORS] *= limits.MODEL_OPERATORS_MAX + 1
    assert f"(allowed: up to {limits.MODEL_OPERATORS_MAX})" in refusal(many)
    many = b.model()
    many[b.SUBGRAPHS] *= limits.MODEL_SUBGRAPHS_MAX + 1
    assert f"(allowed: up to {limits.MODEL_SUBGRAPHS_MAX})" in refusal(many)
    many = b.model()
    many[b.CODES] *= limits.MODEL_CODES_MAX + 1
    assert f"(allowed: up to {limits.MODEL_CODES_MAX})" in refusal(many)
    many = b.model()
    b.main(many)[b.OPERATORS][0][1] = Vector("i", [0] * (limits.MODEL_OPERATOR_TENSORS_MAX + 1))
    assert f"(allowed: up to {limits.MODEL_OPERATOR_TENSORS_MAX})" in refusal(many)
    many = b.model()
    b.main(many)[b.TENSORS][b.X][b.TENSOR_NAME] = "x" * (limits.MODEL_TEXT_BYTES_MAX + 1)
    assert f"(allowed: up to {limits.MODEL_TEXT_BYTES_MAX})" in refusal(many)


def test_tensors_of_all_subgraphs_count_together():
    tree = b.model()
    tree[b.SUBGRAPHS].append({b.TENSORS: [b.tensor("t", [1])] * (limits.MODEL_TENSORS_MAX - 3)})
    assert "subgraphs[1].tensors" in refusal(tree)


def test_a_file_that_is_too_large_is_not_looked_into():
    with pytest.raises(ModelError, match=rf"file at byte 0: .* \(allowed: up to {limits.MODEL_FILE_BYTES_MAX}\)"):
        read(bytes(limits.MODEL_FILE_BYTES_MAX + 1))
