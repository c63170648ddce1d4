/* Eight int32 sums to eight int8 outputs: requant.h in vectors. */
#ifndef SYNEDGE_REQUANT_AVX2_H
#define SYNEDGE_REQUANT_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "requant.h"

/* Bits 31 to 62 of a product are the same under a logical shift, so halves up is one addition and one shift. */
__attribute__((target("avx2"))) static inline __m256i syn_high_mul_avx2(__m256i a, __m256i b) {
    const __m256i half = _mm256_set1_epi64x(INT64_C(1) << 30);
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(a, b), half);
    __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32)), half);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
}

__attribute__((target("avx2"))) static inline __m256i syn_divide_pot_avx2(__m256i x, __m256i exponent) {
    const __m256i one = _mm256_set1_epi32(1);
    __m256i mask = _mm256_sub_epi32(_mm256_sllv_epi32(one, exponent), one);
    __m256i threshold = _mm256_sub_epi32(_mm256_srli_epi32(mask, 1), _mm256_srai_epi32(x, 31));
    __m256i above = _mm256_cmpgt_epi32(_mm256_and_si256(x, mask), threshold);
    return _mm256_sub_epi32(_mm256_srav_epi32(x, exponent), above);
}

__attribute__((target("avx2"))) static inline __m256i syn_scale_avx2(__m256i sum, const syn_requant *requant, size_t c) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i shift = _mm256_loadu_si256((const __m256i *)(const void *)(requant->shift + c));
    __m256i multiplier = _mm256_loadu_si256((const __m256i *)(const void *)(requant->multiplier + c));
    sum = _mm256_sllv_epi32(sum, _mm256_max_epi32(shift, zero));
    return syn_divide_pot_avx2(syn_high_mul_avx2(sum, multiplier), _mm256_sub_epi32(zero, _mm256_min_epi32(shift, zero)));
}

/* Halves away from zero: the largest double below a half is added before truncation, since a half itself would carry the
 * largest double below a half up to one. */
__attribute__((target("avx2"))) static inline __m128i syn_scale_f64_avx2(__m128i sum, const double *scale) {
    const __m256d sign = _mm256_set1_pd(-0.0), most = _mm256_set1_pd(1e9), half = _mm256_set1_pd(0x1.fffffffffffffp-2);
    __m256d product = _mm256_mul_pd(_mm256_cvtepi32_pd(sum), _mm256_loadu_pd(scale));
    product = _mm256_max_pd(_mm256_min_pd(product, most), _mm256_xor_pd(most, sign));
    return _mm256_cvttpd_epi32(_mm256_add_pd(product, _mm256_or_pd(_mm256_and_pd(product, sign), half)));
}

/* Sums of outputs c to c+7, without their bias. */
__attribute__((target("avx2"))) static inline __m128i syn_requant_avx2(__m256i sum, const syn_requant *requant, size_t c) {
    sum = _mm256_add_epi32(sum, _mm256_loadu_si256((const __m256i *)(const void *)(requant->bias + c)));
    if (requant->scale) {
        __m128i low = syn_scale_f64_avx2(_mm256_castsi256_si128(sum), requant->scale + c);
        sum = _mm256_set_m128i(syn_scale_f64_avx2(_mm256_extracti128_si256(sum, 1), requant->scale + c + 4), low);
    } else {
        sum = syn_scale_avx2(sum, requant, c);
    }
    sum = _mm256_add_epi32(sum, _mm256_set1_epi32(requant->zero_point));
    sum = _mm256_max_epi32(_mm256_min_epi32(sum, _mm256_set1_epi32(requant->high)), _mm256_set1_epi32(requant->low));
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    return _mm_packs_epi16(words, words);
}

__attribute__((target("avx2"))) static inline void syn_store_s8_avx2(int8_t *y, size_t count, __m128i bytes) {
    int64_t all = _mm_cvtsi128_si64(bytes);
    if (count >= SYN_PANEL) {
        memcpy(y, &all, SYN_PANEL); /* a constant size is one store */
    } else {
        memcpy(y, &all, count);
    }
}

#endif
