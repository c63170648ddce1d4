"""The random models are what they say: the same each time, and of many kinds."""

import pytest

from edge.nn.graph import Operator, Subgraph
from edge.nn.schema import ACTIVATIONS, PADDINGS
from edge.nn.tflite import read
from tests.nn.cases import OPERATORS, Case, draw, draw_chain

MANY = range(150)


def main_of(case: Case) -> Subgraph:
    return read(case.data, f"{case.operator} {case.dtype} {case.seed}").subgraphs[0]


def step_of(case: Case) -> Operator:
    return next(step for step in main_of(case).operators if step.name == case.operator)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_same_seed_draws_the_same_model_and_another_seed_another(operator: str):
    for dtype in OPERATORS[operator]:
        one, again, other = draw(operator, dtype, 1), draw(operator, dtype, 1), draw(operator, dtype, 2)
        assert one == again and list(one.inputs()) == list(again.inputs())
        assert one.data != other.data
        assert step_of(one).name == operator


@pytest.mark.parametrize("operator", ["CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_every_padding_stride_dilation_and_activation_comes_up(operator: str):
    options = [step_of(draw(operator, "int8", seed)).options for seed in MANY]
    assert {step["padding"] for step in options} == set(range(len(PADDINGS)))
    assert {step["stride_w"] for step in options} == {step["stride_h"] for step in options} == {1, 2, 3}
    assert {ACTIVATIONS[int(step["fused_activation_function"])] for step in options} == {
        "NONE", "RELU", "RELU_N1_TO_1", "RELU6",
    }  # fmt: skip
    if "dilation_w_factor" in options[0]:
        assert {step["dilation_h_factor"] for step in options} == {1, 2, 3}
    if "depth_multiplier" in options[0]:
        assert {step["depth_multiplier"] for step in options} == {1, 2, 3}


@pytest.mark.parametrize("operator", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_weights_come_with_a_scale_for_all_and_one_for_each_channel(operator: str):
    scales, zero_points = [], []
    for seed in MANY:
        case = draw(operator, "int8", seed)
        tensors, step = main_of(case).tensors, step_of(case)
        ends = [tensors[index].quantisation for index in (step.inputs[0], step.outputs[0])]
        zero_points += [how.zero_points[0] for how in ends if how]
        weights = tensors[step.inputs[1]].quantisation
        assert weights is not None
        scales.append(len(weights.scales))
    assert 1 in scales and max(scales) > 8
    assert min(zero_points) == -128 and max(zero_points) == 127 and len(set(zero_points)) > 50


def test_a_model_that_remembers_is_run_several_times():
    for operator in ("ASSIGN_VARIABLE", "UNIDIRECTIONAL_SEQUENCE_LSTM"):
        assert len(list(draw(operator, "int8", 0).inputs())) >= 3


def test_whole_networks_have_branches_that_meet_again():
    meeting = 0
    for seed in range(30):
        case = draw_chain("int8", seed)
        assert case == draw_chain("int8", seed)
        steps = main_of(case).operators
        assert len(steps) >= 5 and steps[-1].name in ("FULLY_CONNECTED", "SOFTMAX")
        meeting += any(step.name in ("ADD", "CONCATENATION") for step in steps)
    assert meeting > 15
