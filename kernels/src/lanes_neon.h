/* Eight floats side by side: two NEON registers. */
#ifndef SYNEDGE_LANES_NEON_H
#define SYNEDGE_LANES_NEON_H

#include <stddef.h>

#define VARIANT neon
#define TARGET SYN_NEON_TARGET

typedef struct {
    float32x4_t low, high;
} lanes;

TARGET static inline lanes lanes_load(const float *at) {
    lanes both = {vld1q_f32(at), vld1q_f32(at + 4)};
    return both;
}
TARGET static inline void lanes_store(float *at, lanes a) {
    vst1q_f32(at, a.low);
    vst1q_f32(at + 4, a.high);
}
TARGET static inline lanes lanes_all(const float *value) {
    const float32x4_t one = vdupq_n_f32(*value);
    lanes both = {one, one};
    return both;
}
TARGET static inline lanes lanes_zero(void) {
    const float32x4_t zero = vdupq_n_f32(0);
    lanes both = {zero, zero};
    return both;
}
TARGET static inline lanes lanes_step(lanes sum, lanes a, lanes b) {
    lanes both = {vfmaq_f32(sum.low, a.low, b.low), vfmaq_f32(sum.high, a.high, b.high)};
    return both;
}

/* ((0+4) + (2+6)) + ((1+5) + (3+7)) */
TARGET static inline float lanes_sum(lanes a) {
    const float32x4_t four = vaddq_f32(a.low, a.high);
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

#endif
