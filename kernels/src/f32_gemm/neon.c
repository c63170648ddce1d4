/* A panel is two registers; the order of additions is the contract's: two chains in whole blocks, eight in what is left. */
#include "synedge/kernels.h"
#include "../neon.h"

#if SYN_NEON
#include <string.h>

typedef struct {
    float32x4_t low, high;
} panel;

SYN_NEON_TARGET static inline panel load(const float *at) {
    panel both = {vld1q_f32(at), vld1q_f32(at + 4)};
    return both;
}

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

/* Two panels of a block at a time: four chains, which is what hides the latency of one. */
SYN_NEON_TARGET static inline void pair_in_two(size_t depth, const float *x, const float *w, panel *one, panel *two) {
    const float *second = w + depth * SYN_PANEL;
    const panel zero = {vdupq_n_f32(0), vdupq_n_f32(0)};
    panel a = *one, b = zero, c = *two, e = zero;
    size_t d = 0;
    for (; d + 2 <= depth; d += 2) {
        a = step(a, x[d], w + d * SYN_PANEL);
        c = step(c, x[d], second + d * SYN_PANEL);
        b = step(b, x[d + 1], w + (d + 1) * SYN_PANEL);
        e = step(e, x[d + 1], second + (d + 1) * SYN_PANEL);
    }
    if (d < depth) {
        a = step(a, x[d], w + d * SYN_PANEL);
        c = step(c, x[d], second + d * SYN_PANEL);
    }
    *one = add(a, b);
    *two = add(c, e);
}

/* Half a panel in eight chains: of a whole one they would not fit the registers of 32 bits. */
SYN_NEON_TARGET static inline float32x4_t half_in_eight(size_t depth, const float *x, const float *w, float32x4_t bias) {
    float32x4_t chains[8] = {bias};
    for (size_t i = 1; i < 8; i++) chains[i] = vdupq_n_f32(0);
    size_t d = 0;
    for (; d + 8 <= depth; d += 8, w += 8 * SYN_PANEL) {
        for (size_t i = 0; i < 8; i++) chains[i] = vfmaq_f32(chains[i], vdupq_n_f32(x[d + i]), vld1q_f32(w + i * SYN_PANEL));
    }
    for (; d < depth; d++, w += SYN_PANEL) chains[0] = vfmaq_f32(chains[0], vdupq_n_f32(x[d]), vld1q_f32(w));
    const float32x4_t low = vaddq_f32(vaddq_f32(chains[0], chains[1]), vaddq_f32(chains[2], chains[3]));
    return vaddq_f32(low, vaddq_f32(vaddq_f32(chains[4], chains[5]), vaddq_f32(chains[6], chains[7])));
}

SYN_NEON_TARGET static inline panel in_eight(size_t depth, const float *x, const float *w, panel bias) {
    panel sum = {half_in_eight(depth, x, w, bias.low), half_in_eight(depth, x, w + 4, bias.high)};
    return sum;
}

SYN_NEON_TARGET static inline void store(float *y, size_t count, panel sum, float32x4_t low, float32x4_t high) {
    sum.low = vminq_f32(high, vmaxq_f32(low, sum.low));
    sum.high = vminq_f32(high, vmaxq_f32(low, sum.high));
    if (count >= SYN_PANEL) {
        vst1q_f32(y, sum.low);
        vst1q_f32(y + 4, sum.high);
    } else {
        float all[SYN_PANEL];
        vst1q_f32(all, sum.low);
        vst1q_f32(all + 4, sum.high);
        memcpy(y, all, count * sizeof *y);
    }
}

SYN_NEON_TARGET static inline void row(size_t cols, size_t depth, const float *x, const float *w, const float *bias,
                                       float low, float high, float *y) {
    const float32x4_t lowest = vdupq_n_f32(low), highest = vdupq_n_f32(high);
    const size_t wide = cols / SYN_BLOCK * SYN_BLOCK;
    size_t c = 0;
    for (; c < wide; c += 2 * SYN_PANEL, w += 2 * depth * SYN_PANEL) {
        panel one = load(bias + c), two = load(bias + c + SYN_PANEL);
        pair_in_two(depth, x, w, &one, &two);
        store(y + c, SYN_PANEL, one, lowest, highest);
        store(y + c + SYN_PANEL, SYN_PANEL, two, lowest, highest);
    }
    for (; c < cols; c += SYN_PANEL, w += depth * SYN_PANEL) {
        store(y + c, cols - c, in_eight(depth, x, w, load(bias + c)), lowest, highest);
    }
}

#define VARIANT neon
#define TARGET SYN_NEON_TARGET
#include "rows.h"
#else
typedef int syn_nothing_here;
#endif
