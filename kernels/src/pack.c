/* Weights into panels, once, at load. */
#include <string.h>

#include "fixedpoint.h"
#include "synedge/kernels.h"
#include "synedge/plan.h"

static size_t panels(size_t cols) { return (cols + SYN_PANEL - 1) / SYN_PANEL; }
static size_t quads(size_t depth) { return (depth + SYN_QUAD - 1) / SYN_QUAD; }

size_t syn_f32_packed_bytes(size_t cols, size_t depth) { return panels(cols) * depth * SYN_PANEL * sizeof(float); }

size_t syn_s8_packed_bytes(size_t cols, size_t depth) { return panels(cols) * quads(depth) * SYN_PANEL * SYN_QUAD; }

void syn_f32_pack(size_t cols, size_t depth, const float *weights, float *packed) {
    memset(packed, 0, syn_f32_packed_bytes(cols, depth));
    for (size_t c = 0; c < cols; c++) {
        float *panel = packed + c / SYN_PANEL * depth * SYN_PANEL + c % SYN_PANEL;
        for (size_t d = 0; d < depth; d++) panel[d * SYN_PANEL] = weights[c * depth + d];
    }
}

uint32_t syn_s8_pack(size_t cols, size_t depth, const int8_t *weights, int8_t *packed) {
    uint32_t narrow = 1;
    memset(packed, 0, syn_s8_packed_bytes(cols, depth));
    for (size_t c = 0; c < cols; c++) {
        int8_t *panel = packed + (c / SYN_PANEL * quads(depth) * SYN_PANEL + c % SYN_PANEL) * SYN_QUAD;
        for (size_t d = 0; d < depth; d++) {
            panel[d / SYN_QUAD * SYN_PANEL * SYN_QUAD + d % SYN_QUAD] = weights[c * depth + d];
            if (weights[c * depth + d] == INT8_MIN) narrow = 0;
        }
    }
    return narrow;
}

void syn_s8_fold(size_t cols, size_t depth, const int8_t *weights, const int32_t *bias, int32_t x_zero, int32_t *folded) {
    for (size_t c = 0; c < cols; c++) {
        int32_t sum = 0;
        for (size_t d = 0; d < depth; d++) sum = syn_wrap_add(sum, weights[c * depth + d]);
        folded[c] = syn_wrap_sub(bias ? bias[c] : 0, syn_wrap_mul(x_zero, sum));
    }
}
