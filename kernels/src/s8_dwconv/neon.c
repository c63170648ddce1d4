/* Eight channels at a time: words times words added to int32. */
#include "synedge/kernels.h"
#include "../neon.h"

#if SYN_NEON
#include "../requant_neon.h"

void syn_s8_dwconv__scalar(size_t channels, const syn_taps *taps, const int8_t *x, const int8_t *w, int32_t x_zero,
                           const syn_requant *requant, int8_t *y);

SYN_NEON_TARGET void syn_s8_dwconv__neon(size_t channels, const syn_taps *taps, const int8_t *x, const int8_t *w,
                                         int32_t x_zero, const syn_requant *requant, int8_t *y) {
    if (channels < SYN_PANEL) {
        syn_s8_dwconv__scalar(channels, taps, x, w, x_zero, requant, y);
        return;
    }
    const int16x8_t zero = vdupq_n_s16((int16_t)x_zero);
    for (size_t begin = 0; begin < channels; begin += SYN_PANEL) {
        const size_t c = begin + SYN_PANEL <= channels ? begin : channels - SYN_PANEL; /* some of the last ones twice */
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
}
#else
typedef int syn_nothing_here;
#endif
