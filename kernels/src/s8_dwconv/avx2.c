/* Sixteen channels at a time. An input less its zero point is at most 255, times a weight at most 32640: a word holds it. */
#include "synedge/kernels.h"

#if defined(__x86_64__)
#include "../requant_avx2.h"

#define TARGET __attribute__((target("avx2")))
enum { SIXTEEN = 2 * SYN_PANEL };

void syn_s8_dwconv__scalar(size_t channels, const syn_taps *taps, const int8_t *x, const int8_t *w, int32_t x_zero,
                           const syn_requant *requant, int8_t *y);

TARGET static inline __m256i words(const int8_t *at) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)at));
}

TARGET static inline void sixteen(const syn_taps *taps, const int8_t *x, const int8_t *w, __m256i zero, __m256i sums[2]) {
    sums[0] = sums[1] = _mm256_setzero_si256();
    for (size_t i = 0; i < taps->rows; i++) {
        const int8_t *at = x + i * taps->x_row_step, *weight = w + i * taps->w_row_step;
        for (size_t j = 0; j < taps->cols; j++, at += taps->x_col_step, weight += taps->w_col_step) {
            __m256i product = _mm256_mullo_epi16(_mm256_sub_epi16(words(at), zero), words(weight));
            sums[0] = _mm256_add_epi32(sums[0], _mm256_cvtepi16_epi32(_mm256_castsi256_si128(product)));
            sums[1] = _mm256_add_epi32(sums[1], _mm256_cvtepi16_epi32(_mm256_extracti128_si256(product, 1)));
        }
    }
}

TARGET void syn_s8_dwconv__avx2(size_t channels, const syn_taps *taps, const int8_t *x, const int8_t *w, int32_t x_zero,
                                const syn_requant *requant, int8_t *y) {
    if (channels < SIXTEEN) {
        syn_s8_dwconv__scalar(channels, taps, x, w, x_zero, requant, y);
        return;
    }
    const __m256i zero = _mm256_set1_epi16((int16_t)x_zero);
    for (size_t begin = 0; begin < channels; begin += SIXTEEN) {
        const size_t c = begin + SIXTEEN <= channels ? begin : channels - SIXTEEN; /* some of the last ones twice */
        __m256i sums[2];
        sixteen(taps, x + c, w + c, zero, sums);
        syn_store_s8_avx2(y + c, SYN_PANEL, syn_requant_avx2(sums[0], requant, c));
        syn_store_s8_avx2(y + c + SYN_PANEL, SYN_PANEL, syn_requant_avx2(sums[1], requant, c + SYN_PANEL));
    }
}
#else
typedef int syn_nothing_here;
#endif
