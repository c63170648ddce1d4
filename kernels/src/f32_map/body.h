/* Exponentials and what is made of them, written so that a compiler turns the loops into vectors. Included once for each
 * variant, with VARIANT and TARGET defined.
 *
 * exp(x) = 2^n * exp(r): n the nearest integer to x/ln 2, r what is left in two steps of ln 2 (Cody and Waite), exp(r) its
 * Taylor series to r^7 on [-0.35, 0.35]; relative error below 2e-7. Beyond +-87 it is clamped, so that 2^n is a normal number.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "synedge/kernels.h"

#define NAME_OF(kernel, variant) syn_##kernel##__##variant
#define NAME(kernel, variant) NAME_OF(kernel, variant)

TARGET static inline float exponential(float x) {
    float bound = x < -87.0f ? -87.0f : x;
    bound = bound > 88.0f ? 88.0f : bound;
    /* Adding and taking away 1.5 * 2^23 rounds to the nearest integer. */
    const float magic = 12582912.0f;
    float n = (bound * 1.44269504f + magic) - magic;
    float r = (bound - n * 0.693359375f) - n * -2.12194440e-4f;
    float series = 1.0f / 5040.0f;
    series = series * r + 1.0f / 720.0f;
    series = series * r + 1.0f / 120.0f;
    series = series * r + 1.0f / 24.0f;
    series = series * r + 1.0f / 6.0f;
    series = series * r + 0.5f;
    series = series * r + 1.0f;
    series = series * r + 1.0f;
    int32_t bits = (int32_t)((uint32_t)((n == n ? (int32_t)n : 0) + 127) << 23);
    float power;
    memcpy(&power, &bits, sizeof power);
    return series * power;
}

TARGET void NAME(f32_logistic, VARIANT)(size_t count, const float *x, float *y) {
    for (size_t i = 0; i < count; i++) y[i] = 1.0f / (1.0f + exponential(-x[i]));
}

/* Near zero the quotient would lose digits: there it is x - x^3/3 + 2x^5/15 - 17x^7/315. */
TARGET void NAME(f32_tanh, VARIANT)(size_t count, const float *x, float *y) {
    for (size_t i = 0; i < count; i++) {
        float value = x[i], square = value * value;
        float e = exponential(-2.0f * (value < 0 ? -value : value));
        float far = (1.0f - e) / (1.0f + e);
        float near = value + value * square * (-1.0f / 3.0f + square * (2.0f / 15.0f - square * (17.0f / 315.0f)));
        float signed_far = value < 0 ? -far : far;
        y[i] = square < 0.04f ? near : signed_far;
    }
}

TARGET void NAME(f32_softmax, VARIANT)(size_t count, float beta, const float *x, float *y) {
    float most = x[0];
    for (size_t i = 1; i < count; i++) most = x[i] > most ? x[i] : most;
    float sum = 0;
    for (size_t i = 0; i < count; i++) y[i] = exponential((x[i] - most) * beta);
    for (size_t i = 0; i < count; i++) sum += y[i];
    for (size_t i = 0; i < count; i++) y[i] /= sum;
}
