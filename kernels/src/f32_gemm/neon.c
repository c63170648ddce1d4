/* One panel is two registers; four chains each, the order of additions of the other variants. */
#include "synedge/kernels.h"
#include "../neon.h"

#if SYN_NEON
#include <string.h>

typedef struct {
    float32x4_t low, high;
} panel;

SYN_NEON_TARGET static inline panel step(panel chain, float x, const float *w) {
    float32x4_t value = vdupq_n_f32(x);
    chain.low = vfmaq_f32(chain.low, value, vld1q_f32(w));
    chain.high = vfmaq_f32(chain.high, value, vld1q_f32(w + 4));
    return chain;
}

SYN_NEON_TARGET static inline panel add(panel a, panel b) {
    panel sum = {vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)};
    return sum;
}

SYN_NEON_TARGET static inline panel product(size_t depth, const float *x, const float *w) {
    const panel zero = {vdupq_n_f32(0), vdupq_n_f32(0)};
    panel a = zero, b = zero, c = zero, e = zero;
    size_t d = 0;
    for (; d + 4 <= depth; d += 4) {
        a = step(a, x[d], w + d * SYN_PANEL);
        b = step(b, x[d + 1], w + (d + 1) * SYN_PANEL);
        c = step(c, x[d + 2], w + (d + 2) * SYN_PANEL);
        e = step(e, x[d + 3], w + (d + 3) * SYN_PANEL);
    }
    if (d < depth) a = step(a, x[d], w + d * SYN_PANEL);
    if (d + 1 < depth) b = step(b, x[d + 1], w + (d + 1) * SYN_PANEL);
    if (d + 2 < depth) c = step(c, x[d + 2], w + (d + 2) * SYN_PANEL);
    return add(add(a, b), add(c, e));
}

SYN_NEON_TARGET void syn_f32_gemm__neon(size_t rows, size_t cols, size_t depth, const float *x, size_t x_stride,
                                        const float *w, const float *bias, float low, float high, float *y,
                                        size_t y_stride) {
    const float32x4_t lowest = vdupq_n_f32(low), highest = vdupq_n_f32(high);
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        const float *packed = w;
        for (size_t c = 0; c < cols; c += SYN_PANEL, packed += depth * SYN_PANEL) {
            const panel biases = {vld1q_f32(bias + c), vld1q_f32(bias + c + 4)};
            panel sum = add(biases, product(depth, x, packed));
            sum.low = vminq_f32(highest, vmaxq_f32(lowest, sum.low));
            sum.high = vminq_f32(highest, vmaxq_f32(lowest, sum.high));
            if (cols - c >= SYN_PANEL) {
                vst1q_f32(y + c, sum.low);
                vst1q_f32(y + c + 4, sum.high);
            } else {
                float all[SYN_PANEL];
                vst1q_f32(all, sum.low);
                vst1q_f32(all + 4, sum.high);
                memcpy(y + c, all, (cols - c) * sizeof *y);
            }
        }
    }
}
#else
typedef int syn_nothing_here;
#endif
