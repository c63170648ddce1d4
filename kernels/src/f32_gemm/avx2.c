/* Four panels in two chains each, and what is left over one by one in eight: eight additions in flight, which is what two
 * fused units of four cycles take. */
#include "order.h"
#include "synedge/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma")))

TARGET static inline __m256 clamp(__m256 sum, __m256 low, __m256 high) {
    return _mm256_min_ps(high, _mm256_max_ps(low, sum)); /* of a NaN and a bound these give their second, the NaN */
}

TARGET static inline __m256 step(const float *x, const float *w, __m256 sum) {
    return _mm256_fmadd_ps(_mm256_broadcast_ss(x), _mm256_loadu_ps(w), sum);
}

/* Outputs 0 to 31. */
TARGET static inline void block(size_t depth, const float *x, const float *w, const float *bias, __m256 low, __m256 high,
                                float *y) {
    const size_t panel = depth * SYN_PANEL;
    const float *w1 = w + panel, *w2 = w1 + panel, *w3 = w2 + panel;
    __m256 a0 = _mm256_loadu_ps(bias), a1 = _mm256_loadu_ps(bias + 8), a2 = _mm256_loadu_ps(bias + 16);
    __m256 a3 = _mm256_loadu_ps(bias + 24), b0 = _mm256_setzero_ps(), b1 = b0, b2 = b0, b3 = b0;
    size_t d = 0;
    for (; d + 2 <= depth; d += 2) {
        const size_t even = d * SYN_PANEL, odd = even + SYN_PANEL;
        a0 = step(x + d, w + even, a0);
        a1 = step(x + d, w1 + even, a1);
        a2 = step(x + d, w2 + even, a2);
        a3 = step(x + d, w3 + even, a3);
        b0 = step(x + d + 1, w + odd, b0);
        b1 = step(x + d + 1, w1 + odd, b1);
        b2 = step(x + d + 1, w2 + odd, b2);
        b3 = step(x + d + 1, w3 + odd, b3);
    }
    if (d < depth) {
        a0 = step(x + d, w + d * SYN_PANEL, a0);
        a1 = step(x + d, w1 + d * SYN_PANEL, a1);
        a2 = step(x + d, w2 + d * SYN_PANEL, a2);
        a3 = step(x + d, w3 + d * SYN_PANEL, a3);
    }
    _mm256_storeu_ps(y, clamp(_mm256_add_ps(a0, b0), low, high));
    _mm256_storeu_ps(y + 8, clamp(_mm256_add_ps(a1, b1), low, high));
    _mm256_storeu_ps(y + 16, clamp(_mm256_add_ps(a2, b2), low, high));
    _mm256_storeu_ps(y + 24, clamp(_mm256_add_ps(a3, b3), low, high));
}

/* One of these panels alone, its two chains. */
TARGET static inline __m256 one(size_t depth, const float *x, const float *w, const float *bias) {
    __m256 a = _mm256_loadu_ps(bias), b = _mm256_setzero_ps();
    size_t d = 0;
    for (; d + 2 <= depth; d += 2, w += 2 * SYN_PANEL) {
        a = step(x + d, w, a);
        b = step(x + d + 1, w + SYN_PANEL, b);
    }
    if (d < depth) a = step(x + d, w, a);
    return _mm256_add_ps(a, b);
}

TARGET static inline __m256 panel(size_t depth, const float *x, const float *w, const float *bias) {
    __m256 a0 = _mm256_loadu_ps(bias), a1 = _mm256_setzero_ps(), a2 = a1, a3 = a1, a4 = a1, a5 = a1, a6 = a1, a7 = a1;
    size_t d = 0;
    for (; d + 8 <= depth; d += 8, x += 8, w += 8 * SYN_PANEL) {
        a0 = step(x, w, a0);
        a1 = step(x + 1, w + SYN_PANEL, a1);
        a2 = step(x + 2, w + 2 * SYN_PANEL, a2);
        a3 = step(x + 3, w + 3 * SYN_PANEL, a3);
        a4 = step(x + 4, w + 4 * SYN_PANEL, a4);
        a5 = step(x + 5, w + 5 * SYN_PANEL, a5);
        a6 = step(x + 6, w + 6 * SYN_PANEL, a6);
        a7 = step(x + 7, w + 7 * SYN_PANEL, a7);
    }
    for (; d < depth; d++, x++, w += SYN_PANEL) a0 = step(x, w, a0);
    const __m256 low = _mm256_add_ps(_mm256_add_ps(a0, a1), _mm256_add_ps(a2, a3));
    return _mm256_add_ps(low, _mm256_add_ps(_mm256_add_ps(a4, a5), _mm256_add_ps(a6, a7)));
}

/* Of the last panel as many as there are; masks of all lengths are in one window. Through an array the function would need
 * a guarded frame. */
TARGET static inline void store_some(float *y, size_t count, __m256 value) {
    static const int32_t window[2 * SYN_PANEL] = {-1, -1, -1, -1, -1, -1, -1, -1};
    _mm256_maskstore_ps(y, _mm256_loadu_si256((const __m256i *)(window + SYN_PANEL - count)), value);
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
    for (; c + SYN_PANEL <= cols; c += SYN_PANEL, w += depth * SYN_PANEL) {
        _mm256_storeu_ps(y + c, clamp(panel(depth, x, w, bias + c), lowest, highest));
    }
    if (c < cols) store_some(y + c, cols - c, clamp(panel(depth, x, w, bias + c), lowest, highest));
}

#define VARIANT avx2
#include "rows.h"
#else
typedef int syn_nothing_here;
#endif
