/* Eight channels at a time: words times words added to int32. */
#include "synedge/kernels.h"
#include "../neon.h"

#if SYN_NEON
#include "../requant_neon.h"

void syn_s8_dwconv__scalar(size_t channels, const syn_taps *taps, const int8_t *x, const int8_t *w, int32_t x_zero,
                           const syn_requant *requant, int8_t *y);

SYN_NEON_TARGET void syn_s8_dwconv__neon(size_t channels, const syn_taps *taps, const int8_t *x, const int8_t *w,
                                         int32_t x_zero, const syn_requant *requant, int8_t *y) {
    const int16x8_t zero = vdupq_n_s16((int16_t)x_zero);
    size_t c = 0;
    for (; c + SYN_PANEL <= channels; c += SYN_PANEL) {
        int32x4_t low = vdupq_n_s32(0), high = low;
        for (size_t i = 0; i < taps->rows; i++) {
            const int8_t *at = x + c + i * taps->x_row_step, *weight = w + c + i * taps->w_row_step;
            for (size_t j = 0; j < taps->cols; j++, at += taps->x_col_step, weight += taps->w_col_step) {
                const int16x8_t value = vsubq_s16(vmovl_s8(vld1_s8(at)), zero), by = vmovl_s8(vld1_s8(weight));
                low = vmlal_s16(low, vget_low_s16(value), vget_low_s16(by));
                high = vmlal_s16(high, vget_high_s16(value), vget_high_s16(by));
            }
        }
        syn_requant_neon(low, high, requant, c, y + c, SYN_PANEL);
    }
    if (c < channels) {
        const syn_requant rest = syn_requant_from(requant, c);
        syn_s8_dwconv__scalar(channels - c, taps, x + c, w + c, x_zero, &rest, y + c);
    }
}
#else
typedef int syn_nothing_here;
#endif
