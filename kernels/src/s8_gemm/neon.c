/* SMULL and SADALP: products of bytes as words, added in pairs to int32. Exact for every value, where a second product
 * added as word (SMLAL) would overflow for -128. */
#include "synedge/kernels.h"
#include "../neon.h"

#if SYN_NEON
#include "../requant_neon.h"

enum { QUAD_BYTES = SYN_PANEL * SYN_QUAD };

/* Four inputs twice over; those past the end are zero. */
SYN_NEON_TARGET static inline int8x8_t twice(const int8_t *x, size_t left) {
    uint32_t four = 0;
    memcpy(&four, x, left < SYN_QUAD ? left : SYN_QUAD);
    return vreinterpret_s8_u32(vdup_n_u32(four));
}

SYN_NEON_TARGET static inline int32x4_t fold(int32x4_t a, int32x4_t b) {
    int32x2_t low = vpadd_s32(vget_low_s32(a), vget_high_s32(a));
    int32x2_t high = vpadd_s32(vget_low_s32(b), vget_high_s32(b));
    return vcombine_s32(low, high);
}

/* One panel from the quads at `*w`, which moves on to the next. */
SYN_NEON_TARGET static inline int32x4x2_t panel(size_t depth, const int8_t *x, const int8_t **w) {
    const int8_t *quad = *w;
    int32x4_t s01 = vdupq_n_s32(0), s23 = s01, s45 = s01, s67 = s01;
    for (size_t d = 0; d < depth; d += SYN_QUAD, quad += QUAD_BYTES) {
        const int8x8_t value = twice(x + d, depth - d);
        s01 = vpadalq_s16(s01, vmull_s8(value, vld1_s8(quad)));
        s23 = vpadalq_s16(s23, vmull_s8(value, vld1_s8(quad + 8)));
        s45 = vpadalq_s16(s45, vmull_s8(value, vld1_s8(quad + 16)));
        s67 = vpadalq_s16(s67, vmull_s8(value, vld1_s8(quad + 24)));
    }
    *w = quad;
    return (int32x4x2_t){{fold(s01, s23), fold(s45, s67)}};
}

SYN_NEON_TARGET void syn_s8_gemm__neon(size_t rows, size_t cols, size_t depth, const int8_t *x, size_t x_stride,
                                       const int8_t *w, int narrow, const syn_requant *requant, int8_t *y, size_t y_stride) {
    (void)narrow;
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        const int8_t *quad = w;
        for (size_t c = 0; c < cols; c += SYN_PANEL) {
            const int32x4x2_t sum = panel(depth, x, &quad);
            syn_requant_neon(sum.val[0], sum.val[1], requant, c, y + c, cols - c);
        }
    }
}

SYN_NEON_TARGET void syn_s8_sums__neon(size_t cols, size_t depth, const int8_t *x, const int8_t *w, int narrow, int32_t *sums) {
    (void)narrow;
    for (size_t c = 0; c < cols; c += SYN_PANEL) {
        const int32x4x2_t sum = panel(depth, x, &w);
        vst1q_s32(sums + c, sum.val[0]);
        vst1q_s32(sums + c + 4, sum.val[1]);
    }
}
#else
typedef int syn_nothing_here;
#endif
