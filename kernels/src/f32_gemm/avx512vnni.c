/* Two inputs at once: their rows of a panel lie side by side and are one register, so that its halves are two of the
 * contract's chains. Four panels share each input: more would be more additions in flight, but weights that lie beyond the
 * first cache come no faster in eight streams. The name is that of the processor: of VNNI nothing is needed here. */
#include "order.h"
#include "synedge/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,avx512f,avx512vl")))
enum { BOTH = 2 * SYN_PANEL, FIRST = 0x00ff };

/* x[0] eight times, then x[1] eight times. */
TARGET static inline __m512 two(const float *x) {
    const __m512i halves = _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    return _mm512_permutexvar_ps(halves, _mm512_castps128_ps512(_mm_castsi128_ps(_mm_loadl_epi64((const void *)x))));
}

/* Of the last input alone: the other chain stays as it is. */
TARGET static inline __m512 add_last(float x, const float *w, __m512 sum) {
    return _mm512_mask3_fmadd_ps(_mm512_set1_ps(x), _mm512_maskz_loadu_ps(FIRST, w), sum, FIRST);
}

TARGET static inline __m512 begun(const float *bias) { return _mm512_zextps256_ps512(_mm256_loadu_ps(bias)); }

TARGET static inline __m256 ended(__m512 sum) {
    const __m256 second = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sum), 1));
    return _mm256_add_ps(_mm512_castps512_ps256(sum), second);
}

TARGET static inline __m256 clamp(__m256 sum, __m256 low, __m256 high) {
    return _mm256_min_ps(high, _mm256_max_ps(low, sum)); /* of a NaN and a bound these give their second, the NaN */
}

/* Four panels of outputs that lie in whole blocks. */
TARGET static inline void block(size_t depth, const float *x, const float *w, const float *bias, __m256 low, __m256 high,
                                float *y) {
    const size_t panel = depth * SYN_PANEL;
    __m512 sums[4];
    for (size_t p = 0; p < 4; p++) sums[p] = begun(bias + p * SYN_PANEL);
    size_t d = 0;
    for (; d + 2 <= depth; d += 2, w += BOTH) {
        const __m512 inputs = two(x + d);
        for (size_t p = 0; p < 4; p++) sums[p] = _mm512_fmadd_ps(inputs, _mm512_loadu_ps(w + p * panel), sums[p]);
    }
    if (d < depth) {
        for (size_t p = 0; p < 4; p++) sums[p] = add_last(x[d], w + p * panel, sums[p]);
    }
    for (size_t p = 0; p < 4; p++) _mm256_storeu_ps(y + p * SYN_PANEL, clamp(ended(sums[p]), low, high));
}

/* One of these panels alone, its two chains. */
TARGET static inline __m256 one(size_t depth, const float *x, const float *w, const float *bias) {
    __m512 sum = begun(bias);
    size_t d = 0;
    for (; d + 2 <= depth; d += 2, w += BOTH) sum = _mm512_fmadd_ps(two(x + d), _mm512_loadu_ps(w), sum);
    if (d < depth) sum = add_last(x[d], w, sum);
    return ended(sum);
}

/* A panel that is left over: eight chains, four registers. */
TARGET static inline __m256 rest(size_t depth, const float *x, const float *w, const float *bias) {
    __m512 a = begun(bias), b = _mm512_setzero_ps(), c = b, e = b;
    size_t d = 0;
    for (; d + 8 <= depth; d += 8, w += 4 * BOTH) {
        a = _mm512_fmadd_ps(two(x + d), _mm512_loadu_ps(w), a);
        b = _mm512_fmadd_ps(two(x + d + 2), _mm512_loadu_ps(w + BOTH), b);
        c = _mm512_fmadd_ps(two(x + d + 4), _mm512_loadu_ps(w + 2 * BOTH), c);
        e = _mm512_fmadd_ps(two(x + d + 6), _mm512_loadu_ps(w + 3 * BOTH), e);
    }
    for (; d < depth; d++, w += SYN_PANEL) a = add_last(x[d], w, a);
    return _mm256_add_ps(_mm256_add_ps(ended(a), ended(b)), _mm256_add_ps(ended(c), ended(e)));
}

TARGET static inline void store(float *y, size_t count, __m256 value) {
    if (count >= SYN_PANEL) {
        _mm256_storeu_ps(y, value);
    } else {
        _mm256_mask_storeu_ps(y, (__mmask8)((1u << count) - 1), value);
    }
}

TARGET static inline void row(size_t cols, size_t depth, const float *x, const float *w, const float *bias, float low,
                              float high, float *y) {
    const __m256 lowest = _mm256_set1_ps(low), highest = _mm256_set1_ps(high);
    size_t c = 0;
    for (size_t end = depth <= SHORT_DEPTH ? cols / SYN_BLOCK * SYN_BLOCK : 0; c < end; c += SYN_PANEL, w += depth * SYN_PANEL) {
        _mm256_storeu_ps(y + c, clamp(one(depth, x, w, bias + c), lowest, highest));
    }
    for (; c + SYN_BLOCK <= cols; c += SYN_BLOCK, w += depth * SYN_BLOCK) {
        block(depth, x, w, bias + c, lowest, highest, y + c);
    }
    for (; c < cols; c += SYN_PANEL, w += depth * SYN_PANEL) {
        store(y + c, cols - c, clamp(rest(depth, x, w, bias + c), lowest, highest));
    }
}

#define VARIANT avx512vnni
#include "rows.h"
#else
typedef int syn_nothing_here;
#endif
