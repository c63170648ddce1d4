/* The float product that every variant is measured against, in the contract's order of additions. */
#include "synedge/kernels.h"

static float clamp(float x, float low, float high) {
    float above = x < low ? low : x;
    return above > high ? high : above;
}

/* `chains` of additions, by the input's index; the first begins with the bias. */
static void panel(size_t chains, size_t depth, const float *x, const float *w, const float *bias, float sum[SYN_PANEL]) {
    float chain[SYN_QUAD][SYN_PANEL] = {{0}};
    for (size_t c = 0; c < SYN_PANEL; c++) chain[0][c] = bias[c];
    for (size_t d = 0; d < depth; d++) {
        float *one = chain[d % chains];
        for (size_t c = 0; c < SYN_PANEL; c++) one[c] += x[d] * w[d * SYN_PANEL + c];
    }
    for (size_t c = 0; c < SYN_PANEL; c++) sum[c] = (chain[0][c] + chain[1][c]) + (chain[2][c] + chain[3][c]);
}

void syn_f32_gemm__scalar(size_t rows, size_t cols, size_t depth, const float *x, size_t x_stride, const float *w,
                          const float *bias, float low, float high, float *y, size_t y_stride) {
    const size_t wide = cols / SYN_BLOCK * SYN_BLOCK;
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        const float *packed = w;
        for (size_t c = 0; c < cols; c += SYN_PANEL, packed += depth * SYN_PANEL) {
            float sum[SYN_PANEL];
            panel(c < wide ? 2 : 4, depth, x, packed, bias + c, sum);
            size_t count = cols - c < SYN_PANEL ? cols - c : SYN_PANEL;
            for (size_t i = 0; i < count; i++) y[c + i] = clamp(sum[i], low, high);
        }
    }
}
