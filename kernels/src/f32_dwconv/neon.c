/* Four channels at a time. */
#include "synedge/kernels.h"
#include "../neon.h"

#if SYN_NEON
#include <string.h>

SYN_NEON_TARGET static inline float32x4_t load(const float *at, size_t count) {
    if (count >= 4) return vld1q_f32(at);
    float some[4] = {0};
    memcpy(some, at, count * sizeof *at);
    return vld1q_f32(some);
}

SYN_NEON_TARGET void syn_f32_dwconv__neon(size_t channels, const syn_taps *taps, const float *x, const float *w,
                                          const float *bias, float low, float high, float *y) {
    for (size_t c = 0; c < channels; c += 4) {
        const size_t count = channels - c;
        float32x4_t sum = vdupq_n_f32(0);
        for (size_t i = 0; i < taps->rows; i++) {
            const float *at = x + c + i * taps->x_row_step, *weight = w + c + i * taps->w_row_step;
            for (size_t j = 0; j < taps->cols; j++, at += taps->x_col_step, weight += taps->w_col_step) {
                sum = vfmaq_f32(sum, load(at, count), load(weight, count));
            }
        }
        sum = vaddq_f32(load(bias + c, count), sum);
        sum = vminq_f32(vdupq_n_f32(high), vmaxq_f32(vdupq_n_f32(low), sum));
        float all[4];
        vst1q_f32(all, sum);
        memcpy(y + c, all, (count < 4 ? count : 4) * sizeof *y);
    }
}
#else
typedef int syn_nothing_here;
#endif
