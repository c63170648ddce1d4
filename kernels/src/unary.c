/* One operand, one result of as many elements. What int8 operations do to one number alone is a table of 256 answers. */
#include <math.h>

#include "fixedpoint.h"
#include "ops.h"

void syn_run_table8(const syn_op *op, syn_memory memory) {
    const uint8_t *x = syn_in(op, memory, 0), *table = syn_in(op, memory, 1);
    uint8_t *y = syn_out(op, memory);
    for (uint32_t i = 0; i < op->rows; i++) y[i] = table[x[i]];
}

/* TFLite: round(x / scale) + zero point, halves away from zero. What is no number, or far outside, clamps before it is
 * converted: NaN becomes the lowest. */
void syn_run_quantise(const syn_op *op, syn_memory memory) {
    const float *x = syn_in(op, memory, 0);
    uint8_t *y = syn_out(op, memory);
    for (uint32_t i = 0; i < op->rows; i++) {
        float rounded = roundf(x[i] / op->scale);
        float bound = rounded > -1e6f ? rounded : -1e6f;
        bound = bound < 1e6f ? bound : 1e6f;
        y[i] = (uint8_t)(syn_clamp((int32_t)bound + op->zero[2], op->low, op->high) & 0xff);
    }
}

void syn_run_dequantise(const syn_op *op, syn_memory memory) {
    const uint8_t *x = syn_in(op, memory, 0);
    const float *table = syn_in(op, memory, 1);
    float *y = syn_out(op, memory);
    for (uint32_t i = 0; i < op->rows; i++) y[i] = table[x[i]];
}

static float clamped(const syn_op *op, float x) {
    float above = x < op->f32_low ? op->f32_low : x;
    return above > op->f32_high ? op->f32_high : above;
}

void syn_run_f32_unary(const syn_op *op, syn_memory memory) {
    const float *x = syn_in(op, memory, 0);
    float *y = syn_out(op, memory);
    const uint32_t count = op->rows;
    switch (op->kind) {
        case SYN_OP_F32_LOGISTIC: syn_kernels.f32_logistic(count, x, y); break;
        case SYN_OP_F32_TANH: syn_kernels.f32_tanh(count, x, y); break;
        case SYN_OP_F32_CLAMP:
            for (uint32_t i = 0; i < count; i++) y[i] = clamped(op, x[i]);
            break;
        case SYN_OP_F32_LEAKY:
            for (uint32_t i = 0; i < count; i++) y[i] = x[i] > 0 ? x[i] : x[i] * op->scale;
            break;
        case SYN_OP_F32_RSQRT:
            for (uint32_t i = 0; i < count; i++) y[i] = 1.0f / sqrtf(x[i]);
            break;
        case SYN_OP_F32_SQRT:
            for (uint32_t i = 0; i < count; i++) y[i] = sqrtf(x[i]);
            break;
        default:
            for (uint32_t i = 0; i < count; i++) y[i] = expf(x[i]);
    }
}
