/* The int8 product that every variant equals. */
#include "../requant.h"

static void panel(size_t depth, const int8_t *x, const int8_t *w, int32_t sum[SYN_PANEL]) {
    for (size_t d = 0; d < depth; d++) {
        const int8_t *quad = w + d / SYN_QUAD * (SYN_PANEL * SYN_QUAD) + d % SYN_QUAD;
        for (size_t c = 0; c < SYN_PANEL; c++) sum[c] = syn_wrap_add(sum[c], x[d] * quad[c * SYN_QUAD]);
    }
}

void syn_s8_gemm__scalar(size_t rows, size_t cols, size_t depth, const int8_t *x, size_t x_stride, const int8_t *w, int narrow, const syn_requant *requant, int8_t *y, size_t y_stride) {
    (void)narrow;
    size_t panel_bytes = (depth + SYN_QUAD - 1) / SYN_QUAD * (SYN_PANEL * SYN_QUAD);
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        const int8_t *packed = w;
        for (size_t c = 0; c < cols; c += SYN_PANEL, packed += panel_bytes) {
            int32_t sum[SYN_PANEL] = {0};
            panel(depth, x, packed, sum);
            for (size_t i = c; i < cols && i < c + SYN_PANEL; i++) y[i] = syn_requantised(sum[i - c], requant, i);
        }
    }
}

void syn_s8_sums__scalar(size_t cols, size_t depth, const int8_t *x, const int8_t *w, int narrow, int32_t *sums) {
    (void)narrow;
    for (size_t c = 0; c < cols; c += SYN_PANEL, w += (depth + SYN_QUAD - 1) / SYN_QUAD * (SYN_PANEL * SYN_QUAD)) {
        for (size_t i = 0; i < SYN_PANEL; i++) sums[c + i] = 0;
        panel(depth, x, w, sums + c);
    }
}
