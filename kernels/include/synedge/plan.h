/* A whole network as a flat list of operations over two regions of memory: constants and an arena.
 *
 * Operands are offsets, so one list serves every network of the same shape, wherever their weights lie. `syn_plan_check`
 * proves once that each operand of each operation lies inside its region; after that `syn_plan_run` checks nothing.
 * cffi reads the part between the marks: plain C without preprocessor.
 */
#ifndef SYNEDGE_PLAN_H
#define SYNEDGE_PLAN_H

#include <stddef.h>
#include <stdint.h>

/* cdef begins */
enum {
    SYN_RANK = 6,
    SYN_INPUTS = 7,
    SYN_CONSTANT = 0x40000000, /* this bit of an operand: it lies among the constants, otherwise in the arena */
    SYN_NONE = 0x7fffffff      /* no operand */
};

enum {
    SYN_OP_F32_GEMM = 1, /* in: x, w, bias */
    SYN_OP_S8_GEMM,      /* in: x, w, bias, multiplier and shift, or a float64 scale and nothing */
    SYN_OP_F32_CONV,     /* in: x, w, bias, -, -, patch */
    SYN_OP_S8_CONV,      /* in: x, w, bias, multiplier, shift, patch */
    SYN_OP_F32_DWCONV,   /* in: x, w, bias */
    SYN_OP_S8_DWCONV,    /* in: x, w, bias, multiplier, shift */
    SYN_OP_F32_AVGPOOL,
    SYN_OP_S8_AVGPOOL,
    SYN_OP_F32_MAXPOOL,
    SYN_OP_S8_MAXPOOL,
    SYN_OP_F32_ADD,      /* in: a, b, broadcast by walk */
    SYN_OP_F32_SUB,
    SYN_OP_F32_MUL,
    SYN_OP_F32_DIV,
    SYN_OP_F32_SQDIFF,
    SYN_OP_F32_MAX,
    SYN_OP_F32_MIN,
    SYN_OP_S8_ADD,       /* multiplier and shift: of a, of b, of the result */
    SYN_OP_S8_SUB,
    SYN_OP_S8_MUL,       /* multiplier and shift: of the result */
    SYN_OP_S8_SQDIFF,
    SYN_OP_TABLE8,       /* in: x, table of 256 bytes by the input's byte */
    SYN_OP_QUANTISE,     /* float to int8 or uint8 by low and high */
    SYN_OP_DEQUANTISE,   /* in: x, table of 256 floats */
    SYN_OP_F32_LOGISTIC,
    SYN_OP_F32_TANH,
    SYN_OP_F32_CLAMP,
    SYN_OP_F32_LEAKY,
    SYN_OP_F32_RSQRT,
    SYN_OP_F32_SQRT,
    SYN_OP_F32_EXP,
    SYN_OP_F32_SOFTMAX,
    SYN_OP_S8_SOFTMAX,
    SYN_OP_F32_MEAN,     /* walk: `split` kept dimensions, then those that are summed */
    SYN_OP_S8_MEAN,
    SYN_OP_COPY,         /* elements of `depth` bytes along a walk */
    SYN_OP_FILL,         /* `rows` bytes of the value `low` */
    SYN_OP_F32_MATMUL,   /* in: a, b; walk: batch dimensions; strides in a_step, b_step */
    SYN_OP_S8_MATMUL,
    SYN_OP_F32_LSTM,     /* in: x, w, bias, h, c, scratch */
    SYN_OP_F32_GRU,      /* in: x, w of x, bias of x, w of h, bias of h, h, scratch */
    SYN_OP_S8_LSTM,      /* in: x, w of x, w of h, rows, h, c, scratch; rows: int32 biases of x and of h, each in whole panels,
                          * then multiplier and shift of x's four gates and of h's; low and high are those of cells */
    SYN_OP_END
};

/* A window that slides over an image. */
typedef struct {
    uint32_t batches, in_h, in_w, in_c, out_h, out_w, out_c;
    uint32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    uint32_t pad_top, pad_left;
    uint32_t multiplier; /* depthwise: outputs an input channel */
} syn_window;

/* A walk through up to six dimensions, with a stride for each operand; strides are in elements and may be 0 or negative. */
typedef struct {
    uint32_t rank, split;
    uint32_t dims[6];
    int32_t a[6], b[6], out[6];
    int32_t a_start, b_start, out_start;
} syn_walk;

typedef struct {
    uint32_t kind;
    uint32_t in[7];
    uint32_t out;
    uint32_t rows, cols, depth;
    uint32_t narrow; /* packed int8 weights hold no -128 */
    int32_t zero[3]; /* zero points: of the first input, the second, the output */
    int32_t multiplier[3], shift[3], left_shift;
    int32_t low, high;
    float f32_low, f32_high, scale;
    int32_t a_step[2], b_step[2];
    syn_window window;
    syn_walk walk;
} syn_op;

typedef struct {
    const syn_op *ops;
    uint32_t ops_count;
    uint32_t constants_bytes, arena_bytes;
    uint32_t input, input_bytes;   /* where in the arena a run puts its input */
    uint32_t output, output_bytes; /* and finds its output */
    uint32_t is_chain;             /* what syn_is_chain answered, or 0 */
} syn_plan;

/* Whether the plan is one perceptron: steps F32_GEMM of one row with constant weights, each of what the one before it made,
 * from the plan's input to its output. Those run as one call, from the caller's memory to the caller's memory. */
uint32_t syn_is_chain(const syn_plan *plan);

/* Whether every operand lies in its region and every size is one the kernels take. 0, or 1 + the index of the operation
 * that is wrong, or ops_count + 1 when the plan's own fields are. */
uint32_t syn_plan_check(const syn_plan *plan, const uint8_t *constants);

/* Run once. Input and output of `input_bytes` and `output_bytes`, null to leave them in the arena. The arena is aligned to
 * 64 bytes; what a network remembers lies in it. Subnormal floats count as zero while it runs. */
void syn_plan_run(const syn_plan *plan, const uint8_t *constants, uint8_t *arena, const void *input, void *output);

/* Weights [cols][depth], as TFLite has them, into panels. The int8 form answers whether they are narrow. */
size_t syn_f32_packed_bytes(size_t cols, size_t depth);
void syn_f32_pack(size_t cols, size_t depth, const float *weights, float *packed);
size_t syn_s8_packed_bytes(size_t cols, size_t depth);
uint32_t syn_s8_pack(size_t cols, size_t depth, const int8_t *weights, int8_t *packed);

/* bias[c] - x_zero * (sum of column c's weights): what makes plain products of stored numbers enough. Wraps as int32. */
void syn_s8_fold(size_t cols, size_t depth, const int8_t *weights, const int32_t *bias, int32_t x_zero, int32_t *folded);
/* cdef ends */

#endif
