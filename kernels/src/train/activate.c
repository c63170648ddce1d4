/* Activations of FANN and of TensorFlow Lite with their derivatives, for one neuron over many rows. */
#include <math.h>

#include "train.h"

#define EACH for (size_t i = 0; i < count; i++)

/* libfann's own tables of six points (fann_activation.h), halves apart for the symmetric one. */
static const float STEPS[] = {-2.64665246f, -1.47221947f, -0.549306154f, 0.549306154f, 1.47221947f, 2.64665294f};
static const float STEP_VALUES[] = {0.00499999989f, 0.0500000007f, 0.25f, 0.75f, 0.949999988f, 0.995000005f};

/* Straight lines between six points of the sigmoid, 0 before and 1 behind them. */
static float stepwise(float a, float *slope) {
    *slope = 0;
    if (a < STEPS[0]) return 0;
    for (int i = 0; i < 5; i++) {
        if (a < STEPS[i + 1]) {
            *slope = (STEP_VALUES[i + 1] - STEP_VALUES[i]) / (STEPS[i + 1] - STEPS[i]);
            return STEP_VALUES[i] + *slope * (a - STEPS[i]);
        }
    }
    return 1;
}

static float bounded(float a, float low, float high, float *slope) {
    *slope = a >= low && a <= high;
    return a < low ? low : a > high ? high : a;
}

/* One at a time: what is rarely used, or cheap. */
static float one(uint32_t kind, float a, float *slope) {
    float y, size = fabsf(a);
    switch (kind) {
        case SYN_THRESHOLD: *slope = 0; return a >= 0 ? 1.0f : 0.0f;
        case SYN_THRESHOLD_SYMMETRIC: *slope = 0; return a >= 0 ? 1.0f : -1.0f;
        case SYN_SIGMOID_STEPWISE: return stepwise(a, slope);
        case SYN_SIGMOID_SYMMETRIC_STEPWISE: y = 2 * stepwise(a, slope) - 1; *slope *= 2; return y;
        case SYN_GAUSSIAN: y = expf(-a * a); *slope = -2 * a * y; return y;
        case SYN_GAUSSIAN_SYMMETRIC: y = 2 * expf(-a * a); *slope = -2 * a * y; return y - 1;
        case SYN_GAUSSIAN_STEPWISE: *slope = 0; return 0; /* libfann 2.2 has no code for it */
        case SYN_ELLIOT: *slope = 0.5f / ((1 + size) * (1 + size)); return a / 2 / (1 + size) + 0.5f;
        case SYN_ELLIOT_SYMMETRIC: *slope = 1 / ((1 + size) * (1 + size)); return a / (1 + size);
        case SYN_LINEAR_PIECE: return bounded(a, 0, 1, slope);
        case SYN_LINEAR_PIECE_SYMMETRIC: return bounded(a, -1, 1, slope);
        case SYN_SIN_SYMMETRIC: *slope = cosf(a); return sinf(a);
        case SYN_COS_SYMMETRIC: *slope = -sinf(a); return cosf(a);
        case SYN_SIN: *slope = cosf(a) / 2; return sinf(a) / 2 + 0.5f;
        case SYN_COS: *slope = -sinf(a) / 2; return cosf(a) / 2 + 0.5f;
        case SYN_RELU: *slope = a > 0; return a > 0 ? a : a != a ? a : 0;
        case SYN_RELU6: return bounded(a, 0, 6, slope);
        default: *slope = 1; return a;
    }
}

/* FANN's bound of sums; the answer is whether one was out of it, and its slope is 0 then. */
static int is_beyond(uint32_t kind, float steepness, float *a) {
    if (kind != SYN_LINEAR && (kind < SYN_SIN_SYMMETRIC || kind > SYN_COS)) return 0;
    const float most = steepness != 0 ? 150 / steepness : INFINITY, size = fabsf(*a);
    if (!(size > most)) return 0;
    *a = *a < 0 ? -most : most;
    return 1;
}

void syn_activate(uint32_t kind, float steepness, size_t count, float *sums, float *slopes) {
    if (kind == SYN_SIGMOID_SYMMETRIC) {
        EACH sums[i] *= steepness;
        syn_kernels.f32_tanh(count, sums, sums);
        if (slopes) EACH slopes[i] = steepness * (1 - sums[i] * sums[i]);
    } else if (kind == SYN_SIGMOID) {
        EACH sums[i] *= 2 * steepness;
        syn_kernels.f32_logistic(count, sums, sums);
        if (slopes) EACH slopes[i] = 2 * steepness * sums[i] * (1 - sums[i]);
    } else {
        EACH {
            float a = steepness * sums[i], slope;
            const int is_flat = is_beyond(kind, steepness, &a);
            sums[i] = one(kind, a, &slope);
            if (slopes) slopes[i] = is_flat ? 0 : steepness * slope;
        }
    }
}
