"""Names and numbers of TensorFlow Lite's schema, version 3: operators, element types, and the options that we read.

All operators have their names, so that one we lack is refused by name. Options are those of the operators that some
engine of ours may take; field numbers and defaults are those of tensorflow/lite/schema/schema.fbs.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

IDENTIFIER: Final = b"TFL3"
VERSION: Final = 3

_OPERATORS: Final = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR
FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM
MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS
SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND
SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN
EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2
GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG
SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT
UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU
SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE
MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND
SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D
CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE
VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL
GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE
STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM
STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS STABLEHLO_AND
STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR
STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH
STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE
STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE
STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE
STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""
OPERATORS: Final = tuple(_OPERATORS.split())
"""By number, `BuiltinOperator`."""
CUSTOM: Final = OPERATORS.index("CUSTOM")

LSTM: Final = "UNIDIRECTIONAL_SEQUENCE_LSTM"
INTERMEDIATES: Final = "intermediates"
"""Tensors that say how an int8 LSTM quantises between its gates. The schema has them beside the options."""

PADDINGS: Final = ("SAME", "VALID")
ACTIVATIONS: Final = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")


class Dtype(NamedTuple):
    """An element type, with the zero points it may have. 0 bits: it has no content of a known size."""

    name: str
    bits: int
    low: int = -(2**31)
    high: int = 2**31 - 1


DTYPES: Final = (
    Dtype("float32", 32),
    Dtype("float16", 16),
    Dtype("int32", 32),
    Dtype("uint8", 8, 0, 255),
    Dtype("int64", 64),
    Dtype("string", 0),
    Dtype("bool", 8),
    Dtype("int16", 16, -(2**15), 2**15 - 1),
    Dtype("complex64", 64),
    Dtype("int8", 8, -128, 127),
    Dtype("float64", 64),
    Dtype("complex128", 128),
    Dtype("uint64", 64),
    Dtype("resource", 0),
    Dtype("variant", 0),
    Dtype("uint32", 32),
    Dtype("uint16", 16, 0, 2**16 - 1),
    Dtype("int4", 4, -8, 7),
    Dtype("bfloat16", 16),
    Dtype("int2", 2, -2, 1),
    Dtype("uint4", 4, 0, 15),
    Dtype("float8_e4m3fn", 8),
    Dtype("float8_e5m2", 8),
)
"""By number, `TensorType`."""


class Field(NamedTuple):
    """One field of an options table. `kind` is a letter of struct, or `padding`, `activation`, `ints` or `text`."""

    number: int
    name: str
    kind: str
    default: int | float | bool


class Options(NamedTuple):
    """An options table: its number in the union `BuiltinOptions`, and its fields."""

    union: int
    fields: tuple[Field, ...] = ()


def _field(number: int, name: str, kind: str, default: int | bool = False) -> Field:
    """The default in the field's own type."""
    return Field(number, name, kind, {"?": bool, "f": float}.get(kind, int)(default))


def _fields(**kinds: str) -> tuple[Field, ...]:
    """Fields numbered from 0, all with default 0."""
    return tuple(_field(number, name, kind) for number, (name, kind) in enumerate(kinds.items()))


def _activation(number: int = 0) -> Field:
    return _field(number, "fused_activation_function", "activation")


_STRIDES: Final = _fields(padding="padding", stride_w="i", stride_h="i")
_POOL: Final = Options(5, (*_STRIDES, _field(3, "filter_width", "i"), _field(4, "filter_height", "i"), _activation(5)))
_REDUCE: Final = Options(27, _fields(keep_dims="?"))


def _dilation(first: int) -> tuple[Field, ...]:
    return _field(first, "dilation_w_factor", "i", 1), _field(first + 1, "dilation_h_factor", "i", 1)


OPTIONS: Final[Mapping[str, Options]] = MappingProxyType(
    {
        "ADD": Options(11, (_activation(), _field(1, "pot_scale_int16", "?", True))),
        "SUB": Options(28, (_activation(), _field(1, "pot_scale_int16", "?", True))),
        "MUL": Options(21, (_activation(),)),
        "DIV": Options(29, (_activation(),)),
        "AVERAGE_POOL_2D": _POOL,
        "MAX_POOL_2D": _POOL,
        "CONV_2D": Options(1, (*_STRIDES, _activation(3), *_dilation(4), _field(6, "quantized_bias_type", "b"))),
        "DEPTHWISE_CONV_2D": Options(2, (*_STRIDES, _field(3, "depth_multiplier", "i"), _activation(4), *_dilation(5))),
        "FULLY_CONNECTED": Options(
            8,
            (
                _activation(),
                _field(1, "weights_format", "b"),
                _field(2, "keep_num_dims", "?"),
                _field(3, "asymmetric_quantize_inputs", "?"),
                _field(4, "quantized_bias_type", "b"),
            ),
        ),
        "BATCH_MATMUL": Options(101, _fields(adj_x="?", adj_y="?", asymmetric_quantize_inputs="?")),
        "SOFTMAX": Options(9, _fields(beta="f")),
        "LEAKY_RELU": Options(75, _fields(alpha="f")),
        "GELU": Options(116, _fields(approximate="?")),
        "CONCATENATION": Options(10, (_field(0, "axis", "i"), _activation(1))),
        "RESHAPE": Options(17, _fields(new_shape="ints")),
        "SQUEEZE": Options(30, _fields(squeeze_dims="ints")),
        "PACK": Options(59, _fields(values_count="i", axis="i")),
        "UNPACK": Options(64, _fields(num="i", axis="i")),
        "GATHER": Options(23, _fields(axis="i", batch_dims="i")),
        "SPLIT": Options(35, _fields(num_splits="i")),
        "SPLIT_V": Options(79, _fields(num_splits="i")),
        "STRIDED_SLICE": Options(
            32,
            _fields(
                begin_mask="i", end_mask="i", ellipsis_mask="i", new_axis_mask="i", shrink_axis_mask="i", offset="?"
            ),
        ),
        "MEAN": _REDUCE,
        "SUM": _REDUCE,
        "REDUCE_MAX": _REDUCE,
        "REDUCE_MIN": _REDUCE,
        LSTM: Options(
            71,
            (
                _activation(),
                _field(1, "cell_clip", "f"),
                _field(2, "proj_clip", "f"),
                _field(3, "time_major", "?"),
                _field(4, "asymmetric_quantize_inputs", "?"),
                _field(5, "diagonal_recurrent_tensors", "?"),
            ),
        ),
        "VAR_HANDLE": Options(111, _fields(container="text", shared_name="text")),
        "CALL_ONCE": Options(103, _fields(init_subgraph_index="i")),
        "PAD": Options(22),
        "TRANSPOSE": Options(26),
        "DEQUANTIZE": Options(38),
        "EXPAND_DIMS": Options(52),
        "SQUARED_DIFFERENCE": Options(76),
        "QUANTIZE": Options(89),
        "READ_VARIABLE": Options(112),
        "ASSIGN_VARIABLE": Options(113),
    }
)
"""By operator. Those that are not here have no options, or some that we do not read."""
