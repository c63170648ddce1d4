/* Up to four rows of a with sixteen columns of b at a time: eight chains in flight. Included with lanes of one variant. */
#include "synedge/kernels.h"

#define NAME_OF(kernel, variant) syn_##kernel##__##variant
#define NAME(kernel, variant) NAME_OF(kernel, variant)

enum { ROWS = 4, WIDE = 2 };

/* `rows` and `wide` are constants wherever this is inlined, so that the sums stay in registers. */
TARGET static inline __attribute__((always_inline)) void block(const size_t rows, const size_t wide, size_t k, const float *a,
                                                               size_t a_row, size_t a_col, const float *b, size_t b_stride,
                                                               const float *bias, float *c, size_t c_stride) {
    lanes sum[ROWS][WIDE];
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < wide; j++) sum[i][j] = bias ? lanes_all(bias + i) : lanes_load(c + i * c_stride + j * SYN_PANEL);
    }
    for (size_t d = 0; d < k; d++, a += a_col, b += b_stride) {
        lanes column[WIDE];
        for (size_t j = 0; j < wide; j++) column[j] = lanes_load(b + j * SYN_PANEL);
        for (size_t i = 0; i < rows; i++) {
            const lanes weight = lanes_all(a + i * a_row);
            for (size_t j = 0; j < wide; j++) sum[i][j] = lanes_step(sum[i][j], weight, column[j]);
        }
    }
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < wide; j++) lanes_store(c + i * c_stride + j * SYN_PANEL, sum[i][j]);
    }
}

TARGET static inline __attribute__((always_inline)) void rows_of(const size_t rows, size_t n, size_t k, const float *a,
                                                                 size_t a_row, size_t a_col, const float *b, size_t b_stride,
                                                                 const float *bias, float *c, size_t c_stride) {
    size_t j = 0;
    for (; j + WIDE * SYN_PANEL <= n; j += WIDE * SYN_PANEL) {
        block(rows, WIDE, k, a, a_row, a_col, b + j, b_stride, bias, c + j, c_stride);
    }
    if (j < n) block(rows, 1, k, a, a_row, a_col, b + j, b_stride, bias, c + j, c_stride);
}

TARGET void NAME(f32_gemm_nn, VARIANT)(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_col, const float *b,
                                       size_t b_stride, const float *bias, float *c, size_t c_stride) {
    for (; m >= ROWS; m -= ROWS, a += ROWS * a_row, c += ROWS * c_stride) {
        rows_of(ROWS, n, k, a, a_row, a_col, b, b_stride, bias, c, c_stride);
        if (bias) bias += ROWS;
    }
    if (m == 3) rows_of(3, n, k, a, a_row, a_col, b, b_stride, bias, c, c_stride);
    if (m == 2) rows_of(2, n, k, a, a_row, a_col, b, b_stride, bias, c, c_stride);
    if (m == 1) rows_of(1, n, k, a, a_row, a_col, b, b_stride, bias, c, c_stride);
}
