/* Bytes widened to words and multiplied in pairs (vpmaddwd), which is exact for every value; the byte form (vpmaddubsw)
 * saturates. Up to four panels share each widened input. */
#include "synedge/kernels.h"

#if defined(__x86_64__)
#include "../requant_avx2.h"

#define TARGET __attribute__((target("avx2")))
enum { QUAD_BYTES = SYN_PANEL * SYN_QUAD };

/* Four inputs as words, four times over; those past the end are zero. */
TARGET static inline __m256i widened(const int8_t *x, size_t left) {
    int32_t four = 0;
    if (left >= SYN_QUAD) {
        memcpy(&four, x, SYN_QUAD);
    } else {
        memcpy(&four, x, left);
    }
    return _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
}

TARGET static inline __m256i words(const int8_t *w) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)w));
}

/* Sums of eight outputs from pairs: outputs 0 to 3 in `low`, 4 to 7 in `high`. */
TARGET static inline __m256i fold(__m256i low, __m256i high) {
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
}

TARGET static inline void product(size_t panels, size_t depth, size_t panel_bytes, const int8_t *x, const int8_t *w,
                                  __m256i sums[]) {
    __m256i low[4], high[4];
    for (size_t p = 0; p < panels; p++) low[p] = high[p] = _mm256_setzero_si256();
    for (size_t d = 0; d < depth; d += SYN_QUAD, w += QUAD_BYTES) {
        const __m256i value = widened(x + d, depth - d);
        for (size_t p = 0; p < panels; p++) {
            const int8_t *quad = w + p * panel_bytes;
            low[p] = _mm256_add_epi32(low[p], _mm256_madd_epi16(value, words(quad)));
            high[p] = _mm256_add_epi32(high[p], _mm256_madd_epi16(value, words(quad + QUAD_BYTES / 2)));
        }
    }
    for (size_t p = 0; p < panels; p++) sums[p] = fold(low[p], high[p]);
}

TARGET void syn_s8_gemm__avx2(size_t rows, size_t cols, size_t depth, const int8_t *x, size_t x_stride, const int8_t *w,
                              const syn_requant *requant, int8_t *y, size_t y_stride) {
    const size_t panel_bytes = (depth + SYN_QUAD - 1) / SYN_QUAD * QUAD_BYTES;
    __m256i sums[4];
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        const int8_t *packed = w;
        size_t c = 0;
        for (; c + 3 * SYN_PANEL < cols; c += 4 * SYN_PANEL, packed += 4 * panel_bytes) {
            product(4, depth, panel_bytes, x, packed, sums);
            for (size_t p = 0; p < 4; p++) {
                const size_t at = c + p * SYN_PANEL;
                syn_store_s8_avx2(y + at, cols - at, syn_requant_avx2(sums[p], requant, at));
            }
        }
        for (; c < cols; c += SYN_PANEL, packed += panel_bytes) {
            product(1, depth, panel_bytes, x, packed, sums);
            syn_store_s8_avx2(y + c, cols - c, syn_requant_avx2(sums[0], requant, c));
        }
    }
}
#else
typedef int syn_nothing_here;
#endif
