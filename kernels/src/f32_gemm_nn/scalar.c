/* The product that every variant is measured against, in the contract's order of additions. */
#include "synedge/kernels.h"

void syn_f32_gemm_nn__scalar(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_col, const float *b,
                             size_t b_stride, const float *bias, float *c, size_t c_stride) {
    for (size_t i = 0; i < m; i++, a += a_row, c += c_stride) {
        for (size_t j = 0; bias && j < n; j++) c[j] = bias[i];
        for (size_t d = 0; d < k; d++) {
            const float weight = a[d * a_col], *row = b + d * b_stride;
            for (size_t j = 0; j < n; j++) c[j] += weight * row[j];
        }
    }
}
