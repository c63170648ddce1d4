/* The product that every variant is measured against, in the contract's order of additions. */
#include "synedge/kernels.h"

static float dot(size_t k, const float *a, const float *b) {
    float lane[SYN_PANEL] = {0};
    for (size_t d = 0; d < k; d += SYN_PANEL) {
        for (size_t l = 0; l < SYN_PANEL; l++) lane[l] += a[d + l] * b[d + l];
    }
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

void syn_f32_gemm_nt__scalar(size_t m, size_t n, size_t k, const float *a, size_t a_stride, const float *b, size_t b_stride,
                             float *c, size_t c_stride) {
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) c[i * c_stride + j] += dot(k, a + i * a_stride, b + j * b_stride);
    }
}
