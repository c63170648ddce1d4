/* The float product that every variant is measured against: four chains of additions, by the input's index modulo four. */
#include "synedge/kernels.h"

static float clamp(float x, float low, float high) {
    float above = x < low ? low : x;
    return above > high ? high : above;
}

static void panel(size_t depth, const float *x, const float *w, float sum[SYN_PANEL]) {
    float chain[SYN_QUAD][SYN_PANEL] = {{0}};
    size_t d = 0;
    for (; d + SYN_QUAD <= depth; d += SYN_QUAD) {
        for (size_t q = 0; q < SYN_QUAD; q++) {
            for (size_t c = 0; c < SYN_PANEL; c++) chain[q][c] += x[d + q] * w[(d + q) * SYN_PANEL + c];
        }
    }
    for (size_t q = 0; d < depth; d++, q++) {
        for (size_t c = 0; c < SYN_PANEL; c++) chain[q][c] += x[d] * w[d * SYN_PANEL + c];
    }
    for (size_t c = 0; c < SYN_PANEL; c++) sum[c] = (chain[0][c] + chain[1][c]) + (chain[2][c] + chain[3][c]);
}

void syn_f32_gemm__scalar(size_t rows, size_t cols, size_t depth, const float *x, size_t x_stride, const float *w,
                          const float *bias, float low, float high, float *y, size_t y_stride) {
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        const float *packed = w;
        for (size_t c = 0; c < cols; c += SYN_PANEL, packed += depth * SYN_PANEL) {
            float sum[SYN_PANEL];
            panel(depth, x, packed, sum);
            size_t count = cols - c < SYN_PANEL ? cols - c : SYN_PANEL;
            for (size_t i = 0; i < count; i++) y[c + i] = clamp(bias[c + i] + sum[i], low, high);
        }
    }
}
