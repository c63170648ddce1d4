/* How wrong an output is, and which way. */
#include <math.h>

#include "train.h"

#define EACH for (size_t i = 0; i < rows; i++)

static const float NEAR_ONE = 0.9999999f; /* where FANN takes the slope of its error for 17 */

/* FANN's error function: small errors count as they are, large ones for much more. e is halved where outputs reach from -1 to
 * 1, as FANN halves it. */
static double atanh_loss(float width, size_t rows, const float *y, const float *wanted, float *errors) {
    double loss = 0;
    EACH {
        const float e = (y[i] - wanted[i]) / width, bound = e > NEAR_ONE ? NEAR_ONE : e < -NEAR_ONE ? -NEAR_ONE : e;
        errors[i] = logf((1 + bound) / (1 - bound));
        loss += (double)width * ((1 + (double)bound) * log1p((double)bound) + (1 - (double)bound) * log1p(-(double)bound));
        loss += (double)width * ((double)(e - bound) * (double)errors[i]); /* straight on beyond the bound */
    }
    return loss;
}

/* Bounded, but what is no number stays one. */
static double minus_t_log(float t, float y) {
    const double bound = y <= 1e-30f ? 1e-30 : (double)y;
    return t == 0 ? 0 * bound : -(double)t * log(bound);
}

static int is_symmetric(uint32_t kind) {
    return kind == SYN_SIGMOID_SYMMETRIC || kind == SYN_SIGMOID_SYMMETRIC_STEPWISE || kind == SYN_THRESHOLD_SYMMETRIC ||
           kind == SYN_ELLIOT_SYMMETRIC || kind == SYN_GAUSSIAN_SYMMETRIC || kind == SYN_LINEAR_PIECE_SYMMETRIC ||
           kind == SYN_SIN_SYMMETRIC || kind == SYN_COS_SYMMETRIC;
}

double syn_loss(uint32_t loss, uint32_t activation, size_t rows, const float *y, const float *wanted, float *errors) {
    double sum = 0;
    if (loss == SYN_ATANH) return atanh_loss(is_symmetric(activation) ? 2 : 1, rows, y, wanted, errors);
    if (loss == SYN_SQUARED) {
        float lane[SYN_PANEL] = {0};
        EACH errors[i] = y[i] - wanted[i];
        EACH lane[i % SYN_PANEL] += errors[i] * errors[i];
        for (size_t l = 0; l < SYN_PANEL; l++) sum += (double)lane[l];
        return sum / 2;
    }
    if (activation == SYN_SOFTMAX) {
        /* By the sums it is y * (all that is wanted) - t; the caller knows how much is wanted of all outputs. */
        EACH sum += minus_t_log(wanted[i], y[i]);
        return sum;
    }
    EACH sum += minus_t_log(wanted[i], y[i]) + minus_t_log(1 - wanted[i], 1 - y[i]);
    EACH errors[i] = 2 * (y[i] - wanted[i]);
    return sum;
}
