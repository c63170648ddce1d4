/* Eight floats side by side: one AVX2 register. */
#ifndef SYNEDGE_LANES_AVX2_H
#define SYNEDGE_LANES_AVX2_H

#include <immintrin.h>
#include <stddef.h>

#define VARIANT avx2
#define TARGET __attribute__((target("avx2,fma")))

typedef __m256 lanes;

TARGET static inline lanes lanes_load(const float *at) { return _mm256_loadu_ps(at); }
TARGET static inline void lanes_store(float *at, lanes a) { _mm256_storeu_ps(at, a); }
TARGET static inline lanes lanes_all(const float *value) { return _mm256_broadcast_ss(value); }
TARGET static inline lanes lanes_zero(void) { return _mm256_setzero_ps(); }
TARGET static inline lanes lanes_step(lanes sum, lanes a, lanes b) { return _mm256_fmadd_ps(a, b, sum); }

/* ((0+4) + (2+6)) + ((1+5) + (3+7)) */
TARGET static inline float lanes_sum(lanes a) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#endif
