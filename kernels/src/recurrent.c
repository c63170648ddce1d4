/* Recurrent layers: `rows` steps of `depth` inputs and `cols` units, in `window.batches` independent streams whose states
 * lie in the arena from run to run. Steps of input and output: a_step and b_step of a step and of a stream. */
#include <math.h>
#include <string.h>

#include "ops.h"

/* Gates i, f, g, o from one product over input and state side by side. */
static void lstm_step(const syn_op *op, syn_memory memory, float *h, float *c, float *work) {
    const size_t units = op->cols, depth = op->depth + units;
    float *gates = work + depth, *g = gates + 2 * units;
    const float *i = gates, *f = gates + units, *o = gates + 3 * units;
    memcpy(work + op->depth, h, units * sizeof *h);
    syn_kernels.f32_gemm(1, 4 * units, depth, work, depth, syn_in(op, memory, 1), syn_in(op, memory, 2), -INFINITY,
                         INFINITY, gates, 4 * units);
    syn_kernels.f32_logistic(2 * units, gates, gates);
    syn_kernels.f32_tanh(units, g, g);
    syn_kernels.f32_logistic(units, o, gates + 3 * units);
    for (size_t u = 0; u < units; u++) {
        float cell = f[u] * c[u] + i[u] * g[u];
        float above = cell < op->f32_low ? op->f32_low : cell;
        c[u] = above > op->f32_high ? op->f32_high : above;
    }
    syn_kernels.f32_tanh(units, c, h);
    for (size_t u = 0; u < units; u++) h[u] *= o[u];
}

void syn_run_f32_lstm(const syn_op *op, syn_memory memory) {
    const float *x = syn_in(op, memory, 0);
    float *h = syn_scratch(op, memory, 3), *c = syn_scratch(op, memory, 4), *work = syn_scratch(op, memory, 5);
    float *y = syn_out(op, memory);
    for (uint32_t b = 0; b < op->window.batches; b++, h += op->cols, c += op->cols) {
        for (uint32_t t = 0; t < op->rows; t++) {
            memcpy(work, x + (ptrdiff_t)t * op->a_step[0] + (ptrdiff_t)b * op->a_step[1], op->depth * sizeof *x);
            lstm_step(op, memory, h, c, work);
            memcpy(y + (ptrdiff_t)t * op->b_step[0] + (ptrdiff_t)b * op->b_step[1], h, op->cols * sizeof *h);
        }
    }
}

/* Gates z, r, n of input and of state apart, since r acts on the state's n alone. */
static void gru_step(const syn_op *op, syn_memory memory, const float *x, float *h, float *work) {
    const size_t units = op->cols;
    float *of_h = work + 3 * units, *n = work + 2 * units;
    const float *z = work, *r = work + units;
    syn_kernels.f32_gemm(1, 3 * units, op->depth, x, op->depth, syn_in(op, memory, 1), syn_in(op, memory, 2), -INFINITY,
                         INFINITY, work, 3 * units);
    syn_kernels.f32_gemm(1, 3 * units, units, h, units, syn_in(op, memory, 3), syn_in(op, memory, 4), -INFINITY, INFINITY,
                         of_h, 3 * units);
    for (size_t u = 0; u < 2 * units; u++) work[u] += of_h[u];
    syn_kernels.f32_logistic(2 * units, work, work);
    for (size_t u = 0; u < units; u++) n[u] += r[u] * of_h[2 * units + u];
    syn_kernels.f32_tanh(units, n, n);
    for (size_t u = 0; u < units; u++) h[u] = (1.0f - z[u]) * n[u] + z[u] * h[u];
}

void syn_run_f32_gru(const syn_op *op, syn_memory memory) {
    const float *x = syn_in(op, memory, 0);
    float *h = syn_scratch(op, memory, 5), *work = syn_scratch(op, memory, 6), *y = syn_out(op, memory);
    for (uint32_t b = 0; b < op->window.batches; b++, h += op->cols) {
        for (uint32_t t = 0; t < op->rows; t++) {
            gru_step(op, memory, x + (ptrdiff_t)t * op->a_step[0] + (ptrdiff_t)b * op->a_step[1], h, work);
            memcpy(y + (ptrdiff_t)t * op->b_step[0] + (ptrdiff_t)b * op->b_step[1], h, op->cols * sizeof *h);
        }
    }
}
