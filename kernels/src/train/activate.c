/* Activations of FANN and of TensorFlow Lite with their derivatives, for one neuron over many rows. */
#include <math.h>

#include "train.h"

#define EACH for (size_t i = 0; i < count; i++)

/* libfann's own tables of six points (fann_activation.h), halves apart for the symmetric one. */
static const float STEPS[] = {-2.64665246f, -1.47221947f, -0.549306154f, 0.549306154f, 1.47221947f, 2.64665294f};
static const float STEP_VALUES[] = {0.00499999989f, 0.0500000007f, 0.25f, 0.75f, 0.949999988f, 0.995000005f};

static inline float bounded(float a, float low, float high, float *slope) {
    *slope = a >= low && a <= high ? 1.0f : 0.0f;
    return a < low ? low : a > high ? high : a;
}

/* Straight lines between six points of the sigmoid, 0 before and 1 behind them. */
static inline float stepwise(float a, float *slope) {
    float y = a < STEPS[5] ? 0.0f : a == a ? 1.0f : a, rise = 0;
    for (int i = 0; i < 5; i++) {
        const float here = (STEP_VALUES[i + 1] - STEP_VALUES[i]) / (STEPS[i + 1] - STEPS[i]);
        const int is_inside = a >= STEPS[i] && a < STEPS[i + 1];
        y = is_inside ? STEP_VALUES[i] + here * (a - STEPS[i]) : y;
        rise = is_inside ? here : rise;
    }
    *slope = rise;
    return y;
}

/* What each makes of a, and into `slope` its derivative. libfann 2.2 has no code for the stepwise Gaussian. */
#define FUNCTION(name) static inline float name(float a, float *slope)
FUNCTION(threshold) { *slope = 0; return a >= 0 ? 1.0f : 0.0f; }
FUNCTION(threshold_symmetric) { *slope = 0; return a >= 0 ? 1.0f : -1.0f; }
FUNCTION(sigmoid_stepwise) { return stepwise(a, slope); }
FUNCTION(sigmoid_symmetric_stepwise) { const float y = 2 * stepwise(a, slope) - 1; *slope *= 2; return y; }
FUNCTION(gaussian) { const float y = expf(-a * a); *slope = -2 * a * y; return y; }
FUNCTION(gaussian_symmetric) { const float y = 2 * expf(-a * a); *slope = -2 * a * y; return y - 1; }
FUNCTION(gaussian_stepwise) { *slope = 0; return 0 * a; }
FUNCTION(elliot) { const float width = 1 + fabsf(a); *slope = 0.5f / (width * width); return a / 2 / width + 0.5f; }
FUNCTION(elliot_symmetric) { const float width = 1 + fabsf(a); *slope = 1 / (width * width); return a / width; }
FUNCTION(linear_piece) { return bounded(a, 0, 1, slope); }
FUNCTION(linear_piece_symmetric) { return bounded(a, -1, 1, slope); }
FUNCTION(sin_symmetric) { *slope = cosf(a); return sinf(a); }
FUNCTION(cos_symmetric) { *slope = -sinf(a); return cosf(a); }
FUNCTION(sin_half) { *slope = cosf(a) / 2; return sinf(a) / 2 + 0.5f; }
FUNCTION(cos_half) { *slope = -sinf(a) / 2; return cosf(a) / 2 + 0.5f; }
FUNCTION(itself) { *slope = 1; return a; }
FUNCTION(relu) { *slope = a > 0 ? 1.0f : 0.0f; return a < 0 ? 0.0f : a; }
FUNCTION(relu6) { return bounded(a, 0, 6, slope); }

#define FREE(X)                                                                                                        \
    X(SYN_THRESHOLD, threshold) X(SYN_THRESHOLD_SYMMETRIC, threshold_symmetric)                                        \
    X(SYN_SIGMOID_STEPWISE, sigmoid_stepwise) X(SYN_SIGMOID_SYMMETRIC_STEPWISE, sigmoid_symmetric_stepwise)            \
    X(SYN_GAUSSIAN, gaussian) X(SYN_GAUSSIAN_SYMMETRIC, gaussian_symmetric) X(SYN_GAUSSIAN_STEPWISE, gaussian_stepwise) \
    X(SYN_ELLIOT, elliot) X(SYN_ELLIOT_SYMMETRIC, elliot_symmetric)                                                    \
    X(SYN_LINEAR_PIECE, linear_piece) X(SYN_LINEAR_PIECE_SYMMETRIC, linear_piece_symmetric)                            \
    X(SYN_NONE_AT_ALL, itself) X(SYN_RELU, relu) X(SYN_RELU6, relu6)

/* Those whose sums FANN bounds: it is only there that one sees it. */
#define BOUNDED(X)                                                                                                     \
    X(SYN_LINEAR, itself) X(SYN_SIN_SYMMETRIC, sin_symmetric) X(SYN_COS_SYMMETRIC, cos_symmetric) X(SYN_SIN, sin_half) \
    X(SYN_COS, cos_half)

void syn_activate(uint32_t kind, float steepness, size_t count, float *sums, float *slopes) {
    const float most = steepness != 0 ? fabsf(150 / steepness) : INFINITY;
    switch (kind) {
        case SYN_SIGMOID_SYMMETRIC:
            EACH sums[i] *= steepness;
            syn_kernels.f32_tanh(count, sums, sums);
            if (slopes) EACH slopes[i] = steepness * (1 - sums[i] * sums[i]);
            break;
        case SYN_SIGMOID:
            EACH sums[i] *= 2 * steepness;
            syn_kernels.f32_logistic(count, sums, sums);
            if (slopes) EACH slopes[i] = 2 * steepness * sums[i] * (1 - sums[i]);
            break;
#define X(kind, function)                                                                                              \
    case kind:                                                                                                         \
        EACH {                                                                                                         \
            float slope;                                                                                               \
            sums[i] = function(steepness * sums[i], &slope);                                                           \
            if (slopes) slopes[i] = steepness * slope;                                                                 \
        }                                                                                                              \
        break;
            FREE(X)
#undef X
#define X(kind, function)                                                                                              \
    case kind:                                                                                                         \
        EACH {                                                                                                         \
            float slope, is_inside, a = bounded(steepness * sums[i], -most, most, &is_inside);                         \
            sums[i] = function(a, &slope);                                                                             \
            if (slopes) slopes[i] = steepness * slope * is_inside;                                                     \
        }                                                                                                              \
        break;
            BOUNDED(X)
#undef X
    }
}
