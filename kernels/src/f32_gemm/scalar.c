/* The float product that every variant is measured against, in the contract's order of additions. */
#include "synedge/kernels.h"

enum { CHAINS = 8 };

static float clamp(float x, float low, float high) {
    float above = x < low ? low : x;
    return above > high ? high : above;
}

static void panel(size_t chains, size_t depth, const float *x, const float *w, const float *bias, float sum[SYN_PANEL]) {
    const size_t in_turn = depth - depth % chains;
    float chain[CHAINS][SYN_PANEL] = {{0}};
    for (size_t c = 0; c < SYN_PANEL; c++) chain[0][c] = bias[c];
    for (size_t d = 0; d < depth; d++) {
        float *one = chain[d < in_turn ? d % chains : 0];
        for (size_t c = 0; c < SYN_PANEL; c++) one[c] += x[d] * w[d * SYN_PANEL + c];
    }
    for (size_t step = 1; step < chains; step *= 2) {
        for (size_t i = 0; i < chains; i += 2 * step) {
            for (size_t c = 0; c < SYN_PANEL; c++) chain[i][c] += chain[i + step][c];
        }
    }
    for (size_t c = 0; c < SYN_PANEL; c++) sum[c] = chain[0][c];
}

static void row(size_t cols, size_t depth, const float *x, const float *w, const float *bias, float low, float high, float *y) {
    const size_t wide = cols / SYN_BLOCK * SYN_BLOCK;
    for (size_t c = 0; c < cols; c += SYN_PANEL, w += depth * SYN_PANEL) {
        float sum[SYN_PANEL];
        panel(c < wide ? 2 : CHAINS, depth, x, w, bias + c, sum);
        size_t count = cols - c < SYN_PANEL ? cols - c : SYN_PANEL;
        for (size_t i = 0; i < count; i++) y[c + i] = clamp(sum[i], low, high);
    }
}

#define VARIANT scalar
#define TARGET
#include "rows.h"
