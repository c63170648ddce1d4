/* A sequence through an LSTM of bytes, as TensorFlow Lite's integer kernel computes it: int8 in and out, gates in 16 bits with
 * 3 before the point, cells in 16 bits with `left_shift` before it. Sizes and strides as in recurrent.c. */
#include <string.h>

#include "fixedpoint16.h"
#include "ops.h"

enum { GATES = 4 };

/* Everything a step needs; `rows` are biases of input and state, in whole panels each, then eight multipliers with their shifts:
 * of input and of state, of gates i, f, g, o. */
typedef struct {
    const syn_op *op;
    const int8_t *of_x, *of_h;
    const int32_t *rows, *scales;
    size_t padded;
    int32_t *sums;
    int16_t *gates;
} layer;

static layer layer_of(const syn_op *op, syn_memory memory) {
    layer l = {.op = op, .of_x = syn_in(op, memory, 1), .of_h = syn_in(op, memory, 2), .rows = syn_in(op, memory, 3)};
    l.padded = ((size_t)GATES * op->cols + SYN_PANEL - 1) / SYN_PANEL * SYN_PANEL;
    l.scales = l.rows + 2 * l.padded;
    l.sums = syn_scratch(op, memory, 6);
    l.gates = (int16_t *)(void *)(l.sums + l.padded);
    return l;
}

/* Adds the sums, with their bias, in the gates' scale. */
static void add(const layer *l, const int32_t *bias, const int32_t *scales) {
    const size_t units = l->op->cols;
    for (size_t gate = 0; gate < GATES; gate++) {
        for (size_t i = gate * units; i < (gate + 1) * units; i++) {
            const int32_t scaled = syn_scale(syn_wrap_add(l->sums[i], bias[i]), scales[2 * gate], scales[2 * gate + 1]);
            l->gates[i] = (int16_t)syn_clamp16(syn_wrap_add(scaled, l->gates[i]));
        }
    }
}

static void step(const layer *l, const int8_t *x, int8_t *h, int16_t *c) {
    const syn_op *op = l->op;
    const size_t units = op->cols;
    memset(l->gates, 0, GATES * units * sizeof *l->gates);
    syn_kernels.s8_sums(GATES * units, op->depth, x, l->of_x, (int)op->narrow, l->sums);
    add(l, l->rows, l->scales);
    syn_kernels.s8_sums(GATES * units, units, h, l->of_h, (int)op->narrow, l->sums);
    add(l, l->rows + l->padded, l->scales + 2 * GATES);
    const int16_t *i = l->gates, *f = i + units, *g = f + units, *o = g + units;
    for (size_t u = 0; u < units; u++) {
        const int32_t kept = syn_divide_pot(syn_logistic16(f[u]) * c[u], 15);
        const int32_t added = syn_divide_pot(syn_logistic16(i[u]) * syn_tanh16(g[u], 3), 15 + op->left_shift);
        const int32_t cell = syn_clamp(syn_clamp16(kept + added), op->low, op->high);
        const int32_t shown = syn_logistic16(o[u]) * syn_tanh16(cell, op->left_shift);
        c[u] = (int16_t)cell;
        h[u] = (int8_t)syn_clamp(syn_wrap_add(syn_scale(shown, op->multiplier[2], op->shift[2]), op->zero[2]), INT8_MIN, INT8_MAX);
    }
}

void syn_run_s8_lstm(const syn_op *op, syn_memory memory) {
    const layer l = layer_of(op, memory);
    const int8_t *x = syn_in(op, memory, 0);
    int8_t *h = syn_scratch(op, memory, 4), *y = syn_out(op, memory);
    int16_t *c = syn_scratch(op, memory, 5);
    for (uint32_t b = 0; b < op->window.batches; b++, h += op->cols, c += op->cols) {
        for (uint32_t t = 0; t < op->rows; t++) {
            step(&l, x + (ptrdiff_t)t * op->a_step[0] + (ptrdiff_t)b * op->a_step[1], h, c);
            memcpy(y + (ptrdiff_t)t * op->b_step[0] + (ptrdiff_t)b * op->b_step[1], h, op->cols);
        }
    }
}
