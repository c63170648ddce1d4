"""TensorFlow Lite's schema as far as we read it: tensorflow/lite/schema/schema.fbs, version 3, as tables of text."""

_OPERATORS = """
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
MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5
SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO
RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE
RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD
STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE
STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS
STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM STABLEHLO_NEGATE
STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH
STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE
STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE
STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE
STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""
OPERATORS = _OPERATORS.split()

_TYPES = """
float32:32 float16:16 int32:32 uint8:8 int64:64 string:0 bool:8 int16:16 complex64:64 int8:8 float64:64 complex128:128
uint64:64 resource:0 variant:0 uint32:32 uint16:16 int4:4 bfloat16:16 int2:2 uint4:4 float8_e4m3fn:8 float8_e5m2:8
"""
TYPES = [(name, int(bits)) for name, bits in (word.split(":") for word in _TYPES.split())]
"""Name and bits of an element, 0 where its content has no size of its own."""

# operator, its number in BuiltinOptions, then fields as number:name:kind:default
_OPTIONS = """
ADD 11 0:fused_activation_function:activation 1:pot_scale_int16:?:1
SUB 28 0:fused_activation_function:activation 1:pot_scale_int16:?:1
MUL 21 0:fused_activation_function:activation
DIV 29 0:fused_activation_function:activation
AVERAGE_POOL_2D 5 0:padding:padding 1:stride_w:i 2:stride_h:i 3:filter_width:i 4:filter_height:i
    5:fused_activation_function:activation
MAX_POOL_2D 5 0:padding:padding 1:stride_w:i 2:stride_h:i 3:filter_width:i 4:filter_height:i
    5:fused_activation_function:activation
CONV_2D 1 0:padding:padding 1:stride_w:i 2:stride_h:i 3:fused_activation_function:activation 4:dilation_w_factor:i:1
    5:dilation_h_factor:i:1 6:quantized_bias_type:b
DEPTHWISE_CONV_2D 2 0:padding:padding 1:stride_w:i 2:stride_h:i 3:depth_multiplier:i
    4:fused_activation_function:activation 5:dilation_w_factor:i:1 6:dilation_h_factor:i:1
FULLY_CONNECTED 8 0:fused_activation_function:activation 1:weights_format:b 2:keep_num_dims:?
    3:asymmetric_quantize_inputs:? 4:quantized_bias_type:b
BATCH_MATMUL 101 0:adj_x:? 1:adj_y:? 2:asymmetric_quantize_inputs:?
SOFTMAX 9 0:beta:f
LEAKY_RELU 75 0:alpha:f
GELU 116 0:approximate:?
CONCATENATION 10 0:axis:i 1:fused_activation_function:activation
RESHAPE 17 0:new_shape:*i
SQUEEZE 30 0:squeeze_dims:*i
PACK 59 0:values_count:i 1:axis:i
UNPACK 64 0:num:i 1:axis:i
GATHER 23 0:axis:i 1:batch_dims:i
SPLIT 35 0:num_splits:i
SPLIT_V 79 0:num_splits:i
STRIDED_SLICE 32 0:begin_mask:i 1:end_mask:i 2:ellipsis_mask:i 3:new_axis_mask:i 4:shrink_axis_mask:i 5:offset:?
MEAN 27 0:keep_dims:?
SUM 27 0:keep_dims:?
REDUCE_MAX 27 0:keep_dims:?
REDUCE_MIN 27 0:keep_dims:?
UNIDIRECTIONAL_SEQUENCE_LSTM 71 0:fused_activation_function:activation 1:cell_clip:f 2:proj_clip:f 3:time_major:?
    4:asymmetric_quantize_inputs:? 5:diagonal_recurrent_tensors:?
VAR_HANDLE 111 0:container:text 1:shared_name:text
CALL_ONCE 103 0:init_subgraph_index:i
PAD 22
TRANSPOSE 26
DEQUANTIZE 38
EXPAND_DIMS 52
SQUARED_DIFFERENCE 76
QUANTIZE 89
READ_VARIABLE 112
ASSIGN_VARIABLE 113
"""


def _options() -> dict[str, tuple[int, list[tuple[int, str, str, float]]]]:
    found: dict[str, tuple[int, list[tuple[int, str, str, float]]]] = {}
    for line in _OPTIONS.replace("\n    ", " ").strip().splitlines():
        name, union, *fields = line.split()
        found[name] = int(union), []
        for number, word, kind, default, *_ in ((field + ":0").split(":") for field in fields):
            found[name][1].append((int(number), word, kind, float(default)))
    return found


OPTIONS = _options()
