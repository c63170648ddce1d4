"""Tensors have a value before they are read and get it once, and calls end."""

import pytest

from edge.nn.flatbuffer_writer import Scalar, Vector
from edge.nn.tflite import read
from tests.unit.nn import broken as b
from tests.unit.nn.broken import refusal


@pytest.mark.parametrize("field", [b.INPUTS, b.OUTPUTS])
@pytest.mark.parametrize("index", [-1, 4, 2**31 - 1])
def test_a_subgraph_names_tensors_that_exist(field: int, index: int):
    tree = b.model()
    b.main(tree)[field] = Vector("i", [index])
    assert f"tensor {index} (allowed: 0 to 3)" in refusal(tree)


@pytest.mark.parametrize(("inputs", "outputs"), [([b.X, 4], [b.Y]), ([b.X, -2], [b.Y]), ([b.X], [-1]), ([b.X], [9])])
def test_an_operator_names_tensors_that_exist(inputs: list[int], outputs: list[int]):
    tree = b.model()
    b.main(tree)[b.OPERATORS] = [b.operator(0, inputs, outputs)]
    assert "operators[0]." in refusal(tree) and "to 3)" in refusal(tree)


def test_an_optional_input_may_be_left_out():
    tree = b.model()
    b.main(tree)[b.OPERATORS] = [b.operator(0, [b.X, b.W, -1], [b.Y])]
    assert read(b.file(tree)).subgraphs[0].operators[0].inputs == (b.X, b.W, -1)


def two_steps(first: tuple[int, int], second: tuple[int, int]) -> b.Tree:
    """Two operators, each from one tensor to one; tensor 4 is between them."""
    tree = b.model()
    b.main(tree)[b.TENSORS].append(b.tensor("between", [1, 2]))
    b.main(tree)[b.OPERATORS] = [b.operator(0, [one[0]], [one[1]]) for one in (first, second)]
    return tree


def test_steps_come_in_the_order_in_which_they_feed_each_other():
    assert read(b.file(two_steps((b.X, 4), (4, b.Y))))
    message = refusal(two_steps((4, b.Y), (b.X, 4)))
    assert "operators[0] FULLY_CONNECTED.inputs[0]" in message
    assert "tensor 4 is read before anything has written it" in message


def test_names_in_a_refusal_cannot_move_the_cursor():
    tree = b.model() | {b.CODES: [b.code(32) | {1: "\x1b[2J"}]}
    b.main(tree)[b.OPERATORS] = [b.operator(0, [b.Y], [b.Y])]
    assert r"operators[0] CUSTOM:\x1b[2J.inputs[0]" in refusal(tree)


@pytest.mark.parametrize(
    ("second", "what"),
    [
        ((b.X, 4), "operators[1] FULLY_CONNECTED.outputs[0]"),
        ((b.X, b.X), "tensor 0 has a value already"),
        ((b.X, b.W), "tensor 1 has a value already"),
    ],
)
def test_a_tensor_gets_its_value_once(second: tuple[int, int], what: str):
    assert what in refusal(two_steps((b.X, 4), second))


def test_an_output_that_nothing_writes_is_refused():
    tree = b.model()
    b.main(tree)[b.OPERATORS] = []
    assert "subgraphs[0].outputs[0]" in refusal(tree) and "tensor 3 is written by nothing" in refusal(tree)


@pytest.mark.parametrize("inputs", [[b.W], [b.X, b.X]])
def test_an_input_is_given_from_outside_and_once(inputs: list[int]):
    tree = b.model()
    b.main(tree)[b.INPUTS] = Vector("i", inputs)
    assert "is constant, a variable or named twice" in refusal(tree)


def test_a_variable_may_be_read_before_it_is_written():
    tree = two_steps((4, b.Y), (b.X, b.B))
    b.main(tree)[b.TENSORS][4][b.IS_VARIABLE] = Scalar("?", True)
    b.main(tree)[b.OPERATORS].pop()
    assert read(b.file(tree)).subgraphs[0].tensors[4].is_variable
    b.main(tree)[b.TENSORS][4] |= {b.BUFFER: Scalar("I", 2), b.TYPE: Scalar("b", b.INT32)}
    assert "the variable has constant content" in refusal(tree)


def test_a_tensor_of_no_values_is_constant():
    """The shape of a scalar, that converters give to RESHAPE."""
    tree = b.model()
    b.main(tree)[b.TENSORS].append(b.tensor("scalar", [0], b.INT32))
    b.main(tree)[b.OPERATORS][0] |= {1: Vector("i", [b.X, 4])}
    assert read(b.file(tree)).subgraphs[0].tensors[4].data == b""


def calls(*callees: int | None) -> b.Tree:
    """Subgraphs, each calling another or none."""
    tree = b.model() | {b.CODES: [b.code(b.FULLY_CONNECTED), b.code(b.CALL_ONCE)]}
    for place, callee in enumerate(callees):
        part = b.main(tree) if place == 0 else {b.OPERATORS: [], b.NAME: f"part {place}"}
        if callee is not None:
            part[b.OPERATORS] = [b.operator(1, [], [], 103, {0: Scalar("i", callee)}), *part[b.OPERATORS]]
        if place:
            tree[b.SUBGRAPHS].append(part)
    return tree


def test_a_subgraph_may_be_called_once():
    graph = read(b.file(calls(1, None)))
    assert graph.subgraphs[0].operators[0].options == {"init_subgraph_index": 1}


@pytest.mark.parametrize(
    ("callees", "what"),
    [
        ((2, None), "names subgraph 2 (allowed: 1 to 1)"),
        ((-1, None), "names subgraph -1"),
        ((0,), "names subgraph 0"),
        ((1, 1), "names subgraph 1, which itself has a CALL_ONCE"),
        ((1, 2, 1), "which itself has a CALL_ONCE (allowed: one that has none)"),
    ],
)
def test_calls_end(callees: tuple[int | None, ...], what: str):
    assert what in refusal(calls(*callees))
