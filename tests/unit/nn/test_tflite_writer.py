"""What is written reads back as the same graph, and the same graph gives the same bytes."""

import struct

import pytest

from edge.nn.draft import Draft, per_tensor
from edge.nn.graph import Graph, Quantisation
from edge.nn.schema import INTERMEDIATES, LSTM, OPERATORS, OPTIONS
from edge.nn.tflite import read
from edge.nn.tflite_writer import write_tflite

CUSTOM_OR_CALLED = {"CUSTOM", "CALL_ONCE"}


def filled(name: str) -> dict[str, object]:
    """Every option of an operator, none at its default."""
    values = {"padding": 1, "activation": 3, "?": True, "f": 0.5, "ints": (2, -1), "text": "state"}
    known = OPTIONS.get(name)
    return {field.name: values.get(field.kind, 3) for field in known.fields} if known else {}


def one_step(name: str, options: dict[str, object], version: int = 1) -> Graph:
    draft = Draft()
    x, y = draft.tensor("x", (1, 4), "int8", per_tensor(0.5, 3)), draft.tensor("y", (1, 4))
    draft.operator(name, (x, -1), (y,), options, version)  # type: ignore[arg-type]
    return draft.graph([x], [y], "one step")


@pytest.mark.parametrize("name", [name for name in OPERATORS if name not in CUSTOM_OR_CALLED])
def test_every_operator_comes_back_with_its_options(name: str):
    options = filled(name)
    (step,) = read(write_tflite(one_step(name, options, 7))).subgraphs[0].operators
    assert (step.name, step.version) == (name, 7)
    assert {key: value for key, value in step.options.items() if key != INTERMEDIATES} == options


def test_options_that_are_left_out_have_the_schemas_defaults():
    (step,) = read(write_tflite(one_step("CONV_2D", {"stride_w": 2}))).subgraphs[0].operators
    assert (step.options["stride_w"], step.options["stride_h"], step.options["dilation_w_factor"]) == (2, 0, 1)
    (step,) = read(write_tflite(one_step("ADD", {}))).subgraphs[0].operators
    assert step.options["pot_scale_int16"] is True
    (step,) = read(write_tflite(one_step("MEAN", {}))).subgraphs[0].operators
    assert step.options["keep_dims"] is False


def test_a_custom_operator_keeps_its_name():
    (step,) = read(write_tflite(one_step("CUSTOM:Mine", {}))).subgraphs[0].operators
    assert step.name == "CUSTOM:Mine"


def test_a_whole_graph_comes_back():
    once = Draft("once")
    handle = once.tensor("handle", (), "resource")
    zero = once.constant("zero", (1, 2), [1, 2], "int8", per_tensor(0.25, -7))
    once.operator("VAR_HANDLE", (), (handle,), {"container": "", "shared_name": "state"})
    once.operator("ASSIGN_VARIABLE", (handle, zero), ())
    draft = Draft()
    x = draft.tensor("x", (1, 2), "int8", per_tensor(0.25, -7))
    kept = draft.tensor("kept", (1, 2), "int16", is_variable=True)
    scales = Quantisation((0.5, 0.25, 0.125), (0, 0, 0), 3)
    weights = draft.constant("W", (1, 1, 2, 3), range(-3, 3), "int8", scales)
    y = draft.tensor("y", (1, 2), "int8", per_tensor(1.0))
    draft.operator("CALL_ONCE", (), (), {"init_subgraph_index": 1})
    draft.operator(LSTM, (x, weights, -1, kept), (y,), filled(LSTM) | {INTERMEDIATES: (x, kept)})  # type: ignore[arg-type]
    graph = draft.graph([x], [y], "whole", once.subgraph([], []))
    data = write_tflite(graph)
    assert read(data) == graph
    assert write_tflite(read(data)) == data


@pytest.mark.parametrize(
    ("dtype", "letter", "values"),
    [
        ("float32", "f", [0.5, -1.0]),
        ("float16", "e", [0.5, 2.0]),
        ("int8", "b", [-128, 127]),
        ("int64", "q", [2**62, -1]),
    ],
)
def test_constants_are_packed_as_their_type_says(dtype: str, letter: str, values: list[float]):
    draft = Draft()
    place = draft.constant("c", (2,), values, dtype)
    assert draft.tensors[place].data == struct.pack(f"<2{letter}", *values)


def test_a_constant_has_as_many_values_as_its_shape_says():
    with pytest.raises(struct.error):
        Draft().constant("c", (2, 2), [1.0] * 3)
