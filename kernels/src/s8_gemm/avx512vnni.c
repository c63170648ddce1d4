/* Four bytes a lane in one instruction, unsigned times signed. For weights that are not narrow 128 is added to each input, and
 * 128 times the weights taken off again, summed by the same instruction. */
#include "synedge/kernels.h"

#if defined(__x86_64__)
#ifndef TARGET /* test/vnni.c has the instruction in plain C */
#define TARGET __attribute__((target("avx2,avx512f,avx512vl,avx512vnni")))
#endif
#include "body.h"

TARGET static inline __m256i add_narrow(__m256i sum, __m256i x, __m256i magnitude, const int8_t *w) {
    return _mm256_dpbusd_epi32(sum, magnitude, _mm256_sign_epi8(bytes(w), x));
}

TARGET static inline __m256i one_wide(size_t depth, const int8_t *x, const int8_t *w) {
    const __m256i offset = _mm256_set1_epi8((char)0x80);
    __m256i sum = _mm256_setzero_si256(), excess = sum;
    for (size_t d = 0; d < depth; d += SYN_QUAD, w += QUAD_BYTES) {
        const __m256i value = _mm256_xor_si256(_mm256_set1_epi32(four(x + d, depth - d)), offset);
        sum = _mm256_dpbusd_epi32(sum, value, bytes(w));
        excess = _mm256_dpbusd_epi32(excess, offset, bytes(w));
    }
    return _mm256_sub_epi32(sum, excess);
}

TARGET void syn_s8_gemm__avx512vnni(size_t rows, size_t cols, size_t depth, const int8_t *x, size_t x_stride,
                                    const int8_t *w, int narrow, const syn_requant *requant, int8_t *y, size_t y_stride) {
    gemm(rows, cols, depth, x, x_stride, w, narrow, requant, y, y_stride);
}

TARGET void syn_s8_sums__avx512vnni(size_t cols, size_t depth, const int8_t *x, const int8_t *w, int narrow, int32_t *sums) {
    sums_alone(cols, depth, x, w, narrow, sums);
}
#else
typedef int syn_nothing_here;
#endif
