/* Eight channels at a time. */
#include "synedge/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx2,fma")))

TARGET static inline __m256 load(const float *at, size_t count) {
    if (count >= SYN_PANEL) return _mm256_loadu_ps(at);
    float some[SYN_PANEL] = {0};
    memcpy(some, at, count * sizeof *at);
    return _mm256_loadu_ps(some);
}

TARGET void syn_f32_dwconv__avx2(size_t channels, const syn_taps *taps, const float *x, const float *w, const float *bias,
                                 float low, float high, float *y) {
    for (size_t c = 0; c < channels; c += SYN_PANEL) {
        const size_t count = channels - c;
        __m256 sum = _mm256_setzero_ps();
        for (size_t i = 0; i < taps->rows; i++) {
            const float *at = x + c + i * taps->x_row_step, *weight = w + c + i * taps->w_row_step;
            for (size_t j = 0; j < taps->cols; j++, at += taps->x_col_step, weight += taps->w_col_step) {
                sum = _mm256_fmadd_ps(load(at, count), load(weight, count), sum);
            }
        }
        sum = _mm256_add_ps(load(bias + c, count), sum);
        sum = _mm256_min_ps(_mm256_set1_ps(high), _mm256_max_ps(_mm256_set1_ps(low), sum));
        if (count >= SYN_PANEL) {
            _mm256_storeu_ps(y + c, sum);
        } else {
            float all[SYN_PANEL];
            _mm256_storeu_ps(all, sum);
            memcpy(y + c, all, count * sizeof *y);
        }
    }
}
#else
typedef int syn_nothing_here;
#endif
