/* Sigmoid and tanh as gemmlowp computes them in 16 bits, for every one of the 65,536 inputs to the bit. QN is a signed number
 * with N bits before the point; where an int16 wraps there it wraps here. */
#ifndef SYNEDGE_FIXEDPOINT16_H
#define SYNEDGE_FIXEDPOINT16_H

#include "fixedpoint.h"

static inline int32_t syn_clamp16(int32_t x) { return syn_clamp(x, INT16_MIN, INT16_MAX); }

/* ab / 2^15 to the nearest, halves up. */
static inline int32_t syn_high_mul16(int32_t a, int32_t b) {
    if (a == INT16_MIN && b == INT16_MIN) return INT16_MAX;
    return (a * b + (1 << 14)) >> 15;
}

/* x * 2^exponent; the lowest number that would fit saturates too. */
static inline int32_t syn_shift_left16(int32_t x, int32_t exponent) {
    const int32_t threshold = (1 << (15 - exponent)) - 1;
    if (x > threshold) return INT16_MAX;
    if (x < -threshold) return INT16_MIN;
    return x * (1 << exponent);
}

/* exp(a) for a in [-1/4, 0), Q0: a Taylor series around -1/8. */
static inline int32_t syn_exp_last_quarter16(int32_t a) {
    const int32_t exp_minus_eighth = 28918, third = 10923;
    const int32_t x = a + (1 << 12), x2 = syn_high_mul16(x, x), x3 = syn_high_mul16(x2, x), x4 = syn_high_mul16(x2, x2);
    const int32_t inner = syn_high_mul16(syn_divide_pot(x4, 2) + x3, third) + x2;
    return exp_minus_eighth + syn_high_mul16(exp_minus_eighth, x + syn_divide_pot(inner, 1));
}

/* exp(a) for a < 0, Q`bits` to Q0, 1 to 7 bits: what is left of a quarter by the series, then exp(-2^k), k from -2 to 4, for
 * every bit of the rest; what is below -32 is 0. */
static inline int32_t syn_exp_negative16(int32_t a, int32_t bits) {
    static const int32_t POWERS[] = {25520, 19875, 12055, 4435, 600, 11, 0};
    const int32_t quarter = 1 << (13 - bits);
    if (bits > 5 && a < -(1 << (20 - bits))) return 0;
    const int32_t part = (a & (quarter - 1)) - quarter, rest = part - a;
    int32_t result = syn_exp_last_quarter16(part * (1 << bits));
    for (int32_t k = 0; k < 7; k++) {
        if (rest & (quarter << k)) result = syn_high_mul16(result, POWERS[k]);
    }
    return result;
}

/* 2 / (1 + a) for a in [0, 1), Q0 to Q2: three steps of Newton and Raphson on half the denominator. */
static inline int32_t syn_inverse_half16(int32_t a) {
    const int32_t one = 1 << 13, c48_17 = 23130, minus_c32_17 = -15420;
    const int32_t half = (a + INT16_MAX + 1) / 2;
    int32_t x = c48_17 + syn_high_mul16(half, minus_c32_17);
    for (int i = 0; i < 3; i++) x += syn_shift_left16(syn_high_mul16(x, one - syn_high_mul16(half, x)), 2);
    return x;
}

/* -|x| in 16 bits. */
static inline int32_t syn_minus_magnitude16(int32_t x) { return x > 0 ? -x : x; }

/* Q3 to Q0. */
static inline int32_t syn_logistic16(int32_t x) {
    if (x == 0) return 1 << 14;
    const int32_t above = syn_shift_left16(syn_inverse_half16(syn_exp_negative16(syn_minus_magnitude16(x), 3)), 1);
    return x > 0 ? above : INT16_MAX - above;
}

/* Q`bits` to Q0, 0 to 6 bits: (1 - e) / (1 + e), e = exp(-2|x|). */
static inline int32_t syn_tanh16(int32_t x, int32_t bits) {
    if (x == 0) return 0;
    const int32_t e = syn_exp_negative16(syn_minus_magnitude16(x), bits + 1);
    const int32_t above = syn_shift_left16(syn_inverse_half16(e) - (1 << 13), 2);
    return x > 0 ? above : -above;
}

#endif
