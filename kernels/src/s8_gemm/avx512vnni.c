/* Four bytes a lane in one instruction. It takes unsigned inputs: 128 is added to each, and 128 times the weights taken off
 * again, summed by the same instruction. */
#include "synedge/kernels.h"

#if defined(__x86_64__)
#include "../requant_avx2.h"

#ifndef TARGET /* test/vnni.c has the instruction in plain C */
#define TARGET __attribute__((target("avx2,avx512f,avx512vl,avx512vnni")))
#endif
enum { QUAD_BYTES = SYN_PANEL * SYN_QUAD };

TARGET static inline __m256i product(size_t depth, const int8_t *x, const int8_t *w) {
    const __m256i offset = _mm256_set1_epi8((char)0x80);
    __m256i sum = _mm256_setzero_si256(), excess = _mm256_setzero_si256();
    for (size_t d = 0; d < depth; d += SYN_QUAD, w += QUAD_BYTES) {
        int32_t four = 0;
        memcpy(&four, x + d, depth - d < SYN_QUAD ? depth - d : SYN_QUAD);
        const __m256i weights = _mm256_loadu_si256((const __m256i *)(const void *)w);
        sum = _mm256_dpbusd_epi32(sum, _mm256_xor_si256(_mm256_set1_epi32(four), offset), weights);
        excess = _mm256_dpbusd_epi32(excess, offset, weights);
    }
    return _mm256_sub_epi32(sum, excess);
}

TARGET void syn_s8_gemm__avx512vnni(size_t rows, size_t cols, size_t depth, const int8_t *x, size_t x_stride,
                                    const int8_t *w, int narrow, const syn_requant *requant, int8_t *y, size_t y_stride) {
    (void)narrow;
    const size_t panel_bytes = (depth + SYN_QUAD - 1) / SYN_QUAD * QUAD_BYTES;
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        const int8_t *packed = w;
        for (size_t c = 0; c < cols; c += SYN_PANEL, packed += panel_bytes) {
            syn_store_s8_avx2(y + c, cols - c, syn_requant_avx2(product(depth, x, packed), requant, c));
        }
    }
}
#else
typedef int syn_nothing_here;
#endif
