/* Bytes are multiplied as bytes where that is exact: sums of two products fit a word as long as no weight is -128. Otherwise
 * both are widened to words first. */
#include "synedge/kernels.h"

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2")))
#include "body.h"

TARGET static inline __m256i add_narrow(__m256i sum, __m256i x, __m256i magnitude, const int8_t *w) {
    const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(bytes(w), x));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

TARGET static inline __m256i words(const int8_t *w) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)w));
}

/* Outputs 0 to 3 in `low`, 4 to 7 in `high`, two partial sums each. */
TARGET static inline __m256i one_wide(size_t depth, const int8_t *x, const int8_t *w) {
    __m256i low = _mm256_setzero_si256(), high = low;
    for (size_t d = 0; d < depth; d += SYN_QUAD, w += QUAD_BYTES) {
        const __m256i value = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four(x + d, depth - d))));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(value, words(w)));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(value, words(w + QUAD_BYTES / 2)));
    }
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
}

TARGET void syn_s8_gemm__avx2(size_t rows, size_t cols, size_t depth, const int8_t *x, size_t x_stride, const int8_t *w,
                              int narrow, const syn_requant *requant, int8_t *y, size_t y_stride) {
    gemm(rows, cols, depth, x, x_stride, w, narrow, requant, y, y_stride);
}

TARGET void syn_s8_sums__avx2(size_t cols, size_t depth, const int8_t *x, const int8_t *w, int narrow, int32_t *sums) {
    sums_alone(cols, depth, x, w, narrow, sums);
}
#else
typedef int syn_nothing_here;
#endif
