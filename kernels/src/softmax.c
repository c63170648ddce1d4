/* Softmax over rows; the int8 one in gemmlowp's fixed point, as the reference kernel computes it. Names as there: QN is a
 * signed number with N bits before the point. */
#include "fixedpoint.h"
#include "ops.h"

void syn_run_f32_softmax(const syn_op *op, syn_memory memory) {
    const float *x = syn_in(op, memory, 0);
    float *y = syn_out(op, memory);
    for (uint32_t r = 0; r < op->rows; r++, x += op->cols, y += op->cols) syn_kernels.f32_softmax(op->cols, op->scale, x, y);
}

static int32_t shift_left_saturated(int32_t x, int exponent) {
    const int32_t threshold = (int32_t)((INT64_C(1) << (31 - exponent)) - 1);
    if (x > threshold) return INT32_MAX;
    if (x < -threshold) return INT32_MIN;
    return (int32_t)((uint32_t)x << exponent);
}

/* exp(a) for a in [-1/4, 0), Q0: a Taylor series around -1/8. */
static int32_t exp_last_quarter(int32_t a) {
    const int32_t exp_minus_eighth = 1895147668, third = 715827883;
    int32_t x = a + (1 << 28);
    int32_t x2 = syn_high_mul(x, x), x3 = syn_high_mul(x2, x), x4 = syn_high_mul(x2, x2);
    int32_t inner = syn_high_mul(syn_divide_pot(x4, 2) + x3, third) + x2;
    return exp_minus_eighth + syn_high_mul(exp_minus_eighth, x + syn_divide_pot(inner, 1));
}

/* exp(a) for a <= 0, Q5 to Q0: what is left of a quarter by the series, then exp(-2^k) for every bit of the rest. */
static int32_t exp_on_negative(int32_t a) {
    static const int32_t POWERS[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = 1 << 24;
    if (a == 0) return INT32_MAX;
    int32_t part = (a & (quarter - 1)) - quarter;
    int32_t result = exp_last_quarter(shift_left_saturated(part, 5));
    uint32_t rest = (uint32_t)part - (uint32_t)a;
    for (int k = 0; k < 7; k++) {
        if (rest & (UINT32_C(1) << (24 + k))) result = syn_high_mul(result, POWERS[k]);
    }
    return result;
}

/* 1 / (1 + a) for a in [0, 1), Q0: three steps of Newton and Raphson in Q2 on half the denominator. */
static int32_t one_over_one_plus(int32_t a) {
    const int32_t one = 1 << 29, c48_17 = 1515870810, minus_c32_17 = -1010580540;
    int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
    int32_t x = c48_17 + syn_high_mul(half, minus_c32_17);
    for (int i = 0; i < 3; i++) {
        int32_t error = one - syn_high_mul(half, x);
        x += shift_left_saturated(syn_high_mul(x, error), 2);
    }
    return shift_left_saturated(x, 1);
}

static int32_t exp_of(const syn_op *op, int32_t difference) {
    return exp_on_negative(syn_high_mul((int32_t)((uint32_t)difference << op->left_shift), op->multiplier[0]));
}

static void s8_row(const syn_op *op, const int8_t *x, int8_t *y) {
    int32_t most = INT8_MIN, sum = 0; /* the sum in Q12 */
    for (uint32_t i = 0; i < op->cols; i++) most = x[i] > most ? x[i] : most;
    for (uint32_t i = 0; i < op->cols; i++) {
        if (x[i] - most >= op->low) sum = syn_wrap_add(sum, syn_divide_pot(exp_of(op, x[i] - most), 12));
    }
    int32_t headroom = sum ? __builtin_clz((uint32_t)sum) : 31;
    int32_t scale = one_over_one_plus((int32_t)(((uint32_t)sum << headroom) - (UINT32_C(1) << 31)));
    int32_t exponent = 12 - headroom + 31 - 8;
    for (uint32_t i = 0; i < op->cols; i++) {
        y[i] = INT8_MIN;
        if (x[i] - most < op->low) continue;
        int32_t share = syn_divide_pot(syn_high_mul(scale, exp_of(op, x[i] - most)), exponent);
        y[i] = (int8_t)syn_clamp(share + INT8_MIN, INT8_MIN, INT8_MAX);
    }
}

void syn_run_s8_softmax(const syn_op *op, syn_memory memory) {
    const int8_t *x = syn_in(op, memory, 0);
    int8_t *y = syn_out(op, memory);
    for (uint32_t r = 0; r < op->rows; r++, x += op->cols, y += op->cols) s8_row(op, x, y);
}
