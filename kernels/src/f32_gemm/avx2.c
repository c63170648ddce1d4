/* Two panels at a time in four chains each: eight additions in flight, what two fused units of four cycles take. */
#include "synedge/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx2,fma")))

TARGET static inline __m256 finish(const __m256 chain[4], const float *bias, __m256 low, __m256 high) {
    __m256 sum = _mm256_add_ps(_mm256_add_ps(chain[0], chain[1]), _mm256_add_ps(chain[2], chain[3]));
    sum = _mm256_add_ps(_mm256_loadu_ps(bias), sum);
    return _mm256_min_ps(high, _mm256_max_ps(low, sum)); /* of a NaN and a bound these give their second, the NaN */
}

/* Steps of one input: chain q of the first panel, and of the second if there is one. */
#define STEP(q, d)                                                                                                     \
    do {                                                                                                               \
        __m256 value = _mm256_broadcast_ss(x + (d));                                                                   \
        one[q] = _mm256_fmadd_ps(value, _mm256_loadu_ps(w + (d) * SYN_PANEL), one[q]);                                 \
        two[q] = _mm256_fmadd_ps(value, _mm256_loadu_ps(second + (d) * SYN_PANEL), two[q]);                            \
    } while (0)
#define STEP_ONE(q, d)                                                                                                 \
    one[q] = _mm256_fmadd_ps(_mm256_broadcast_ss(x + (d)), _mm256_loadu_ps(w + (d) * SYN_PANEL), one[q])

TARGET static inline void two_panels(size_t depth, const float *x, const float *w, __m256 one[4], __m256 two[4]) {
    const float *second = w + depth * SYN_PANEL;
    for (int q = 0; q < 4; q++) one[q] = two[q] = _mm256_setzero_ps();
    size_t d = 0;
    for (; d + 4 <= depth; d += 4) {
        STEP(0, d);
        STEP(1, d + 1);
        STEP(2, d + 2);
        STEP(3, d + 3);
    }
    if (d < depth) STEP(0, d);
    if (d + 1 < depth) STEP(1, d + 1);
    if (d + 2 < depth) STEP(2, d + 2);
}

TARGET static inline void one_panel(size_t depth, const float *x, const float *w, __m256 one[4]) {
    for (int q = 0; q < 4; q++) one[q] = _mm256_setzero_ps();
    size_t d = 0;
    for (; d + 4 <= depth; d += 4) {
        STEP_ONE(0, d);
        STEP_ONE(1, d + 1);
        STEP_ONE(2, d + 2);
        STEP_ONE(3, d + 3);
    }
    if (d < depth) STEP_ONE(0, d);
    if (d + 1 < depth) STEP_ONE(1, d + 1);
    if (d + 2 < depth) STEP_ONE(2, d + 2);
}

TARGET static inline void store(float *y, size_t count, __m256 value) {
    if (count >= SYN_PANEL) {
        _mm256_storeu_ps(y, value);
    } else {
        float all[SYN_PANEL];
        _mm256_storeu_ps(all, value);
        memcpy(y, all, count * sizeof *y);
    }
}

TARGET void syn_f32_gemm__avx2(size_t rows, size_t cols, size_t depth, const float *x, size_t x_stride, const float *w,
                               const float *bias, float low, float high, float *y, size_t y_stride) {
    const __m256 lowest = _mm256_set1_ps(low), highest = _mm256_set1_ps(high);
    __m256 one[4], two[4];
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        const float *packed = w;
        size_t c = 0;
        for (; c + SYN_PANEL < cols; c += 2 * SYN_PANEL, packed += 2 * depth * SYN_PANEL) {
            two_panels(depth, x, packed, one, two);
            _mm256_storeu_ps(y + c, finish(one, bias + c, lowest, highest));
            store(y + c + SYN_PANEL, cols - c - SYN_PANEL, finish(two, bias + c + SYN_PANEL, lowest, highest));
        }
        if (c < cols) {
            one_panel(depth, x, packed, one);
            store(y + c, cols - c, finish(one, bias + c, lowest, highest));
        }
    }
}
#else
typedef int syn_nothing_here;
#endif
