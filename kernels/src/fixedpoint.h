/* The integer arithmetic of TensorFlow Lite's reference kernels (gemmlowp's fixed point), overflow included: where the
 * reference leans on wrapping, so do we, through unsigned types. Right shifts of negative numbers are arithmetic, which
 * every compiler we build with promises. */
#ifndef SYNEDGE_FIXEDPOINT_H
#define SYNEDGE_FIXEDPOINT_H

#include <stdint.h>

static inline int32_t syn_wrap_add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
static inline int32_t syn_wrap_sub(int32_t a, int32_t b) { return (int32_t)((uint32_t)a - (uint32_t)b); }
static inline int32_t syn_wrap_mul(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }

static inline int32_t syn_clamp(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }

/* The high half of 2ab, to the nearest, halves up: gemmlowp's truncating division with its two nudges comes to that. */
static inline int32_t syn_high_mul(int32_t a, int32_t b) {
    if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

/* x / 2^exponent to the nearest, halves away from zero; exponent 0 to 31. */
static inline int32_t syn_divide_pot(int32_t x, int32_t exponent) {
    int32_t mask = (int32_t)((INT64_C(1) << exponent) - 1);
    int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> exponent) + ((x & mask) > threshold ? 1 : 0);
}

/* x * multiplier / 2^31 * 2^shift, with both roundings. */
static inline int32_t syn_scale(int32_t x, int32_t multiplier, int32_t shift) {
    int32_t left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
    return syn_divide_pot(syn_high_mul((int32_t)((uint32_t)x << left), multiplier), right);
}

#endif
