/* Four int32 sums at a time, requant.h in vectors: SQRDMULH is gemmlowp's high product, and SRSHL with a nudge
 * for negative numbers its division. */
#ifndef SYNEDGE_REQUANT_NEON_H
#define SYNEDGE_REQUANT_NEON_H

#include <string.h>

#include "neon.h"
#include "requant.h"

SYN_NEON_TARGET static inline int32x4_t syn_fixed_neon(int32x4_t sum, const syn_requant *requant, size_t c) {
    const int32x4_t zero = vdupq_n_s32(0);
    int32x4_t shift = vld1q_s32(requant->shift + c);
    int32x4_t right = vminq_s32(shift, zero); /* the instruction shifts right by negative counts */
    sum = vqrdmulhq_s32(vshlq_s32(sum, vmaxq_s32(shift, zero)), vld1q_s32(requant->multiplier + c));
    int32x4_t nudge = vshrq_n_s32(vandq_s32(sum, right), 31);
    return vrshlq_s32(vqaddq_s32(sum, nudge), right);
}

/* NEON of 32 bits has no float64, so this is plain C on both. */
SYN_NEON_TARGET static inline int32x4_t syn_float_neon(int32x4_t sum, const double *scale) {
    int32_t all[4];
    vst1q_s32(all, sum);
    for (int i = 0; i < 4; i++) all[i] = syn_scale_f64(all[i], scale[i]);
    return vld1q_s32(all);
}

SYN_NEON_TARGET static inline int32x4_t syn_scale_neon(int32x4_t sum, const syn_requant *requant, size_t c) {
    sum = vaddq_s32(sum, vld1q_s32(requant->bias + c));
    sum = requant->scale ? syn_float_neon(sum, requant->scale + c) : syn_fixed_neon(sum, requant, c);
    sum = vaddq_s32(sum, vdupq_n_s32(requant->zero_point));
    return vmaxq_s32(vminq_s32(sum, vdupq_n_s32(requant->high)), vdupq_n_s32(requant->low));
}

/* Sums of outputs c to c+7, without their bias, of which the first `count` are stored. */
SYN_NEON_TARGET static inline void syn_requant_neon(int32x4_t low, int32x4_t high, const syn_requant *requant, size_t c,
                                                    int8_t *y, size_t count) {
    int16x4_t left = vmovn_s32(syn_scale_neon(low, requant, c));
    int16x4_t right = vmovn_s32(syn_scale_neon(high, requant, c + 4));
    int8x8_t bytes = vmovn_s16(vcombine_s16(left, right));
    if (count >= SYN_PANEL) {
        vst1_s8(y, bytes);
    } else {
        int8_t all[SYN_PANEL];
        vst1_s8(all, bytes);
        memcpy(y, all, count);
    }
}

#endif
