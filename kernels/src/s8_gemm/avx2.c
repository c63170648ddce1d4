/* Bytes are multiplied as bytes where that is exact: |x| as unsigned with w under the sign of x, whose sums of two fit a
 * word as long as no weight is -128. Otherwise both are widened to words first. Four panels share each input. */
#include "synedge/kernels.h"

#if defined(__x86_64__)
#include "../requant_avx2.h"

#define TARGET __attribute__((target("avx2")))
enum { QUAD_BYTES = SYN_PANEL * SYN_QUAD };

/* Four inputs; those past the end are zero. */
static inline int32_t four(const int8_t *x, size_t left) {
    int32_t value = 0;
    if (left >= SYN_QUAD) {
        memcpy(&value, x, SYN_QUAD);
    } else {
        memcpy(&value, x, left);
    }
    return value;
}

TARGET static inline __m256i bytes(const int8_t *w) { return _mm256_loadu_si256((const __m256i *)(const void *)w); }

TARGET static inline __m256i add_narrow(__m256i sum, __m256i x, __m256i magnitude, const int8_t *w) {
    const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(bytes(w), x));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

TARGET static inline void four_narrow(size_t depth, size_t panel_bytes, const int8_t *x, const int8_t *w, __m256i sums[4]) {
    const int8_t *w1 = w + panel_bytes, *w2 = w1 + panel_bytes, *w3 = w2 + panel_bytes;
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    for (size_t d = 0, at = 0; d < depth; d += SYN_QUAD, at += QUAD_BYTES) {
        const __m256i value = _mm256_set1_epi32(four(x + d, depth - d)), magnitude = _mm256_abs_epi8(value);
        s0 = add_narrow(s0, value, magnitude, w + at);
        s1 = add_narrow(s1, value, magnitude, w1 + at);
        s2 = add_narrow(s2, value, magnitude, w2 + at);
        s3 = add_narrow(s3, value, magnitude, w3 + at);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* Two sums that take turns: one alone would wait for each addition. */
TARGET static inline __m256i one_narrow(size_t depth, const int8_t *x, const int8_t *w) {
    __m256i even = _mm256_setzero_si256(), odd = even;
    size_t d = 0;
    for (; d + SYN_QUAD < depth; d += 2 * SYN_QUAD, w += 2 * QUAD_BYTES) {
        const __m256i a = _mm256_set1_epi32(four(x + d, SYN_QUAD));
        const __m256i b = _mm256_set1_epi32(four(x + d + SYN_QUAD, depth - d - SYN_QUAD));
        even = add_narrow(even, a, _mm256_abs_epi8(a), w);
        odd = add_narrow(odd, b, _mm256_abs_epi8(b), w + QUAD_BYTES);
    }
    if (d < depth) {
        const __m256i a = _mm256_set1_epi32(four(x + d, depth - d));
        even = add_narrow(even, a, _mm256_abs_epi8(a), w);
    }
    return _mm256_add_epi32(even, odd);
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
    const size_t panel_bytes = (depth + SYN_QUAD - 1) / SYN_QUAD * QUAD_BYTES;
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        const int8_t *packed = w;
        size_t c = 0;
        for (; narrow && c + SYN_BLOCK <= cols; c += SYN_BLOCK, packed += 4 * panel_bytes) {
            __m256i sums[4];
            four_narrow(depth, panel_bytes, x, packed, sums);
            syn_store_s8_avx2(y + c, SYN_PANEL, syn_requant_avx2(sums[0], requant, c));
            syn_store_s8_avx2(y + c + 8, SYN_PANEL, syn_requant_avx2(sums[1], requant, c + 8));
            syn_store_s8_avx2(y + c + 16, SYN_PANEL, syn_requant_avx2(sums[2], requant, c + 16));
            syn_store_s8_avx2(y + c + 24, SYN_PANEL, syn_requant_avx2(sums[3], requant, c + 24));
        }
        for (; c < cols; c += SYN_PANEL, packed += panel_bytes) {
            const __m256i sum = narrow ? one_narrow(depth, x, packed) : one_wide(depth, x, packed);
            syn_store_s8_avx2(y + c, cols - c, syn_requant_avx2(sum, requant, c));
        }
    }
}
#else
typedef int syn_nothing_here;
#endif
