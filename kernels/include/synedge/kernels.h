/* The contract of the kernels: what every variant of each of them takes, leaves and promises.
 *
 * Kernels allocate nothing, keep nothing and read no clock. Pointers are never null unless said; inputs and outputs do not
 * overlap; sizes are those the caller has checked (src/check.c). Integer kernels give the same bits in every variant and
 * the bits of TensorFlow Lite's reference kernels. Float kernels add in one fixed order, so variants with fused
 * multiply-add agree with one another to the bit and with the scalar one to 1e-5.
 */
#ifndef SYNEDGE_KERNELS_H
#define SYNEDGE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "synedge/plan.h"

enum {
    SYN_PANEL = 8, /* outputs that lie side by side in packed weights: one AVX2 register, two NEON ones */
    SYN_BLOCK = 32, /* four panels: in whole blocks an output is two chains of additions, in what is left over eight */
    SYN_QUAD = 4   /* int8 inputs that lie side by side: what one dot-product instruction takes */
};

/* From an int32 sum to int8: one multiplier and shift an output (TFLite's MultiplyByQuantizedMultiplier, both roundings),
 * or, where `scale` is not null, round(sum * scale) in float64, which is what TFLite's FULLY_CONNECTED does. */
typedef struct {
    const int32_t *bias;       /* in packed order, padded to whole panels; input zero points are folded in */
    const int32_t *multiplier; /* >= 0 */
    const int32_t *shift;      /* -31 to 30 */
    const double *scale;       /* > 0 */
    int32_t zero_point;        /* of the output */
    int32_t low, high;         /* clamp, inside int8 */
} syn_requant;

/* y[r][c] = clamp(bias[c] + sum over d of x[r][d] * w[d][c]). Weights as panels [cols/8][depth][8], bias padded to whole
 * panels. NaN stays NaN. Rows of x and y are `x_stride` and `y_stride` elements apart. Of n chains, two in whole blocks and
 * eight in what is left over, chain d % n takes input d as far as there are n more, and the first takes those after them. It
 * begins with the bias, and the sum is c0 + c1 or ((c0 + c1) + (c2 + c3)) + ((c4 + c5) + (c6 + c7)). */
typedef void syn_f32_gemm_fn(size_t rows, size_t cols, size_t depth, const float *x, size_t x_stride, const float *w,
                             const float *bias, float low, float high, float *y, size_t y_stride);

/* `count` steps F32_GEMM of one row each (syn_is_chain): a perceptron from `x` to `y`, what lies between in the arena. */
typedef void syn_f32_chain_fn(const syn_op *op, uint32_t count, const uint8_t *constants, uint8_t *arena, const float *x,
                              float *y);

/* The same as f32_gemm in int8, requantised. Weights as panels [cols/8][ceil(depth/4)][8][4], zero where there is no input. Weights
 * that are `narrow` hold no -128, which lets some variants multiply bytes as they are. */
typedef void syn_s8_gemm_fn(size_t rows, size_t cols, size_t depth, const int8_t *x, size_t x_stride, const int8_t *w,
                            int narrow, const syn_requant *requant, int8_t *y, size_t y_stride);

/* sums[c] = sum over d of x[d] * w[d][c], wrapping; whole panels of sums. Weights as those of s8_gemm. */
typedef void syn_s8_sums_fn(size_t cols, size_t depth, const int8_t *x, const int8_t *w, int narrow, int32_t *sums);

/* Where the taps of one output pixel lie: `rows` x `cols` pixels that are really there, `row_step` and `col_step` elements
 * apart in the input and in the weights. */
typedef struct {
    size_t rows, cols;
    size_t x_row_step, x_col_step;
    size_t w_row_step, w_col_step;
} syn_taps;

/* One pixel of a depthwise convolution in which every channel has one filter. */
typedef void syn_f32_dwconv_fn(size_t channels, const syn_taps *taps, const float *x, const float *w, const float *bias,
                               float low, float high, float *y);
typedef void syn_s8_dwconv_fn(size_t channels, const syn_taps *taps, const int8_t *x, const int8_t *w, int32_t x_zero,
                              const syn_requant *requant, int8_t *y);

/* y[i] = f(x[i]); y may be x. */
typedef void syn_f32_logistic_fn(size_t count, const float *x, float *y);
typedef void syn_f32_tanh_fn(size_t count, const float *x, float *y);

/* One row: y[i] = exp(beta * (x[i] - max)) / sum; y may be x. */
typedef void syn_f32_softmax_fn(size_t count, float beta, const float *x, float *y);

/* For training, where what lies side by side are the rows of a training set; `n` here and `k` below are whole panels.
 * c[i][j] = s + sum over d of a[i * a_row + d * a_col] * b[d][j], in the order of d; s is bias[i], or what c[i][j] holds where
 * bias is null. */
typedef void syn_f32_gemm_nn_fn(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_col, const float *b,
                                size_t b_stride, const float *bias, float *c, size_t c_stride);

/* c[i][j] += sum over d of a[i][d] * b[j][d]: chain d % 8 takes d, and the sum is
 * ((c0 + c4) + (c2 + c6)) + ((c1 + c5) + (c3 + c7)). */
typedef void syn_f32_gemm_nt_fn(size_t m, size_t n, size_t k, const float *a, size_t a_stride, const float *b, size_t b_stride,
                                float *c, size_t c_stride);

/* Every variant there is: X(kernel, variant). The one list that declares, dispatches, tests and benches them; of two
 * variants that a CPU can run the later one is the default. */
#define SYN_VARIANTS(X)                                                                                              \
    X(f32_gemm, scalar) X(f32_gemm, neon) X(f32_gemm, avx2) X(f32_gemm, avx512vnni)                                  \
    X(f32_chain, scalar) X(f32_chain, neon) X(f32_chain, avx2) X(f32_chain, avx512vnni)                              \
    X(s8_gemm, scalar) X(s8_gemm, neon) X(s8_gemm, neondot) X(s8_gemm, avx2) X(s8_gemm, avx512vnni)                  \
    X(s8_sums, scalar) X(s8_sums, neon) X(s8_sums, neondot) X(s8_sums, avx2) X(s8_sums, avx512vnni)                  \
    X(f32_dwconv, scalar) X(f32_dwconv, neon) X(f32_dwconv, avx2)                                                    \
    X(s8_dwconv, scalar) X(s8_dwconv, neon) X(s8_dwconv, avx2)                                                       \
    X(f32_logistic, scalar) X(f32_logistic, avx2)                                                                    \
    X(f32_tanh, scalar) X(f32_tanh, avx2)                                                                            \
    X(f32_softmax, scalar) X(f32_softmax, avx2)                                                                      \
    X(f32_gemm_nn, scalar) X(f32_gemm_nn, neon) X(f32_gemm_nn, avx2)                                                 \
    X(f32_gemm_nt, scalar) X(f32_gemm_nt, neon) X(f32_gemm_nt, avx2)

/* Every kernel; its type is syn_<kernel>_fn. */
#define SYN_KERNELS(X)                                                                                               \
    X(f32_gemm) X(f32_chain) X(s8_gemm) X(s8_sums) X(f32_dwconv) X(s8_dwconv) X(f32_logistic) X(f32_tanh)            \
    X(f32_softmax) X(f32_gemm_nn) X(f32_gemm_nt)

/* What `select` answers; each needs another remedy. */
enum {
    SYN_OK = 0,
    SYN_UNKNOWN = 1,   /* no variant of that name */
    SYN_NOT_BUILT = 2, /* this build is for another architecture or its compiler was too old */
    SYN_CPU_LACKS = 3  /* this processor does not have the instructions */
};

/* The variants in use: the scalar ones until the first `syn_select`. */
typedef struct {
#define X(kernel) syn_##kernel##_fn *kernel;
    SYN_KERNELS(X)
#undef X
} syn_table;

extern syn_table syn_kernels;

/* Use `variant` for every kernel that has it and the scalar one for the others; null or empty: the best that this CPU
 * runs. Leaves the table as it was unless the answer is SYN_OK. */
int syn_select(const char *variant);

/* The variant that `kernel` uses now, null when there is no such kernel. */
const char *syn_selected(const char *kernel);

/* The i-th entry of SYN_VARIANTS as "kernel__variant", null past the last. */
const char *syn_variant(size_t index);

/* Whether this build has `variant` and this CPU runs it: one of the answers above. */
int syn_can(const char *variant);

#endif
