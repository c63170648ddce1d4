/* Up to four rows of a with two rows of b at a time: eight chains in flight. Included with lanes of one variant. */
#include "synedge/kernels.h"

#define NAME_OF(kernel, variant) syn_##kernel##__##variant
#define NAME(kernel, variant) NAME_OF(kernel, variant)

enum { ROWS = 4, COLS = 2 };

/* `rows` and `cols` are constants wherever this is inlined, so that the sums stay in registers. */
TARGET static inline __attribute__((always_inline)) void block(const size_t rows, const size_t cols, size_t k, const float *a,
                                                               size_t a_stride, const float *b, size_t b_stride, float *c,
                                                               size_t c_stride) {
    lanes sum[ROWS][COLS];
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++) sum[i][j] = lanes_zero();
    }
    for (size_t d = 0; d < k; d += SYN_PANEL) {
        lanes right[COLS];
        for (size_t j = 0; j < cols; j++) right[j] = lanes_load(b + j * b_stride + d);
        for (size_t i = 0; i < rows; i++) {
            const lanes left = lanes_load(a + i * a_stride + d);
            for (size_t j = 0; j < cols; j++) sum[i][j] = lanes_step(sum[i][j], left, right[j]);
        }
    }
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++) c[i * c_stride + j] += lanes_sum(sum[i][j]);
    }
}

TARGET static inline __attribute__((always_inline)) void rows_of(const size_t rows, size_t n, size_t k, const float *a,
                                                                 size_t a_stride, const float *b, size_t b_stride, float *c,
                                                                 size_t c_stride) {
    size_t j = 0;
    for (; j + COLS <= n; j += COLS) block(rows, COLS, k, a, a_stride, b + j * b_stride, b_stride, c + j, c_stride);
    if (j < n) block(rows, 1, k, a, a_stride, b + j * b_stride, b_stride, c + j, c_stride);
}

TARGET void NAME(f32_gemm_nt, VARIANT)(size_t m, size_t n, size_t k, const float *a, size_t a_stride, const float *b,
                                       size_t b_stride, float *c, size_t c_stride) {
    for (; m >= ROWS; m -= ROWS, a += ROWS * a_stride, c += ROWS * c_stride) {
        rows_of(ROWS, n, k, a, a_stride, b, b_stride, c, c_stride);
    }
    if (m == 3) rows_of(3, n, k, a, a_stride, b, b_stride, c, c_stride);
    if (m == 2) rows_of(2, n, k, a, a_stride, b, b_stride, c, c_stride);
    if (m == 1) rows_of(1, n, k, a, a_stride, b, b_stride, c, c_stride);
}
