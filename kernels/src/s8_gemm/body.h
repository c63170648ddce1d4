/* Rows times panels of bytes on AVX2 registers, for a file that has defined TARGET and defines the two sums below. Four panels
 * share each input. */
#ifndef SYNEDGE_S8_GEMM_BODY_H
#define SYNEDGE_S8_GEMM_BODY_H

#include "../requant_avx2.h"

enum { QUAD_BYTES = SYN_PANEL * SYN_QUAD };

/* Adds four inputs times the weights at `w`, of which none is -128: |x|, as unsigned, times w under the sign of x. */
TARGET static inline __m256i add_narrow(__m256i sum, __m256i x, __m256i magnitude, const int8_t *w);

/* A panel of any weights. */
TARGET static inline __m256i one_wide(size_t depth, const int8_t *x, const int8_t *w);

/* Four inputs; those past the end are zero. */
static inline int32_t four(const int8_t *x, size_t left) {
    int32_t value = 0;
    if (left >= SYN_QUAD) {
        memcpy(&value, x, SYN_QUAD); /* a constant size is one load */
    } else {
        memcpy(&value, x, left);
    }
    return value;
}

TARGET static inline __m256i bytes(const int8_t *w) { return _mm256_loadu_si256((const __m256i *)(const void *)w); }

/* Four inputs times four panels. */
TARGET static inline void add_four(int32_t inputs, size_t panel_bytes, const int8_t *w, __m256i sums[4]) {
    const __m256i x = _mm256_set1_epi32(inputs), magnitude = _mm256_abs_epi8(x);
    for (size_t p = 0; p < 4; p++) sums[p] = add_narrow(sums[p], x, magnitude, w + p * panel_bytes);
}

TARGET static inline void four_narrow(size_t depth, size_t panel_bytes, const int8_t *x, const int8_t *w, __m256i sums[4]) {
    sums[0] = sums[1] = sums[2] = sums[3] = _mm256_setzero_si256();
    size_t d = 0;
    for (; d + SYN_QUAD <= depth; d += SYN_QUAD, w += QUAD_BYTES) add_four(four(x + d, SYN_QUAD), panel_bytes, w, sums);
    if (d < depth) add_four(four(x + d, depth - d), panel_bytes, w, sums);
}

TARGET static inline __m256i add_one(__m256i sum, int32_t inputs, const int8_t *w) {
    const __m256i x = _mm256_set1_epi32(inputs);
    return add_narrow(sum, x, _mm256_abs_epi8(x), w);
}

/* Two sums that take turns: one alone would wait for each addition. */
TARGET static inline __m256i one_narrow(size_t depth, const int8_t *x, const int8_t *w) {
    __m256i even = _mm256_setzero_si256(), odd = even;
    size_t d = 0;
    for (; d + 2 * SYN_QUAD <= depth; d += 2 * SYN_QUAD, w += 2 * QUAD_BYTES) {
        even = add_one(even, four(x + d, SYN_QUAD), w);
        odd = add_one(odd, four(x + d + SYN_QUAD, SYN_QUAD), w + QUAD_BYTES);
    }
    for (; d < depth; d += SYN_QUAD, w += QUAD_BYTES) even = add_one(even, four(x + d, depth - d), w);
    return _mm256_add_epi32(even, odd);
}

TARGET static inline void gemm(size_t rows, size_t cols, size_t depth, const int8_t *x, size_t x_stride, const int8_t *w,
                               int narrow, const syn_requant *requant, int8_t *y, size_t y_stride) {
    const size_t panel_bytes = (depth + SYN_QUAD - 1) / SYN_QUAD * QUAD_BYTES;
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        const int8_t *packed = w;
        size_t c = 0;
        for (; narrow && c + 3 * SYN_PANEL < cols; c += SYN_BLOCK, packed += 4 * panel_bytes) {
            __m256i sums[4];
            four_narrow(depth, panel_bytes, x, packed, sums);
            for (size_t p = 0; p < 3; p++) {
                syn_store_s8_avx2(y + c + p * SYN_PANEL, SYN_PANEL, syn_requant_avx2(sums[p], requant, c + p * SYN_PANEL));
            }
            const size_t last = c + 3 * SYN_PANEL;
            syn_store_s8_avx2(y + last, cols - last, syn_requant_avx2(sums[3], requant, last));
        }
        for (; c < cols; c += SYN_PANEL, packed += panel_bytes) {
            const __m256i sum = narrow ? one_narrow(depth, x, packed) : one_wide(depth, x, packed);
            syn_store_s8_avx2(y + c, cols - c, syn_requant_avx2(sum, requant, c));
        }
    }
}

TARGET static inline void store(int32_t *y, __m256i sum) { _mm256_storeu_si256((__m256i *)(void *)y, sum); }

TARGET static inline void sums_alone(size_t cols, size_t depth, const int8_t *x, const int8_t *w, int narrow, int32_t *y) {
    const size_t panel_bytes = (depth + SYN_QUAD - 1) / SYN_QUAD * QUAD_BYTES;
    size_t c = 0;
    for (; narrow && c + 3 * SYN_PANEL < cols; c += SYN_BLOCK, w += 4 * panel_bytes) {
        __m256i sums[4];
        four_narrow(depth, panel_bytes, x, w, sums);
        for (size_t p = 0; p < 4; p++) store(y + c + p * SYN_PANEL, sums[p]);
    }
    for (; c < cols; c += SYN_PANEL, w += panel_bytes) store(y + c, narrow ? one_narrow(depth, x, w) : one_wide(depth, x, w));
}

#endif
