/* SDOT: four products a lane in one instruction (Cortex-A76 and later). */
#include "synedge/kernels.h"

#if defined(__aarch64__)
#include "../requant_neon.h"

#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
enum { QUAD_BYTES = SYN_PANEL * SYN_QUAD };

TARGET static inline int8x16_t four_times(const int8_t *x, size_t left) {
    uint32_t four = 0;
    memcpy(&four, x, left < SYN_QUAD ? left : SYN_QUAD);
    return vreinterpretq_s8_u32(vdupq_n_u32(four));
}

/* One panel from the quads at `*w`, which moves on to the next. */
TARGET static inline int32x4x2_t panel(size_t depth, const int8_t *x, const int8_t **w) {
    const int8_t *quad = *w;
    int32x4_t low = vdupq_n_s32(0), high = low;
    for (size_t d = 0; d < depth; d += SYN_QUAD, quad += QUAD_BYTES) {
        const int8x16_t value = four_times(x + d, depth - d);
        low = vdotq_s32(low, value, vld1q_s8(quad));
        high = vdotq_s32(high, value, vld1q_s8(quad + QUAD_BYTES / 2));
    }
    *w = quad;
    return (int32x4x2_t){{low, high}};
}

TARGET void syn_s8_gemm__neondot(size_t rows, size_t cols, size_t depth, const int8_t *x, size_t x_stride,
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

TARGET void syn_s8_sums__neondot(size_t cols, size_t depth, const int8_t *x, const int8_t *w, int narrow, int32_t *sums) {
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
