/* Two operands, one result, shapes broadcast: a walk whose last dimension is the inner loop. */
#include "fixedpoint.h"
#include "ops.h"

typedef struct {
    size_t count;
    ptrdiff_t a_step, b_step;
} run;

#define EACH(expression)                                                                                               \
    for (size_t i = 0; i < inner.count; i++, a += inner.a_step, b += inner.b_step) {                                   \
        float value = (expression);                                                                                    \
        float above = value < op->f32_low ? op->f32_low : value;                                                       \
        out[i] = above > op->f32_high ? op->f32_high : above;                                                          \
    }                                                                                                                  \
    break

static void f32_row(const syn_op *op, run inner, const float *a, const float *b, float *out) {
    switch (op->kind) {
        case SYN_OP_F32_ADD: EACH(*a + *b);
        case SYN_OP_F32_SUB: EACH(*a - *b);
        case SYN_OP_F32_MUL: EACH(*a * *b);
        case SYN_OP_F32_DIV: EACH(*a / *b);
        case SYN_OP_F32_SQDIFF: EACH((*a - *b) * (*a - *b));
        case SYN_OP_F32_MAX: EACH(*a > *b || *a != *a ? *a : *b);
        default: EACH(*a < *b || *a != *a ? *a : *b);
    }
}

/* A stored number on the common scale of both operands, with the bits that `left_shift` makes room for. */
static int32_t common(const syn_op *op, int operand, int32_t stored) {
    int32_t shifted = (int32_t)((uint32_t)(stored - op->zero[operand]) << op->left_shift);
    return syn_scale(shifted, op->multiplier[operand], op->shift[operand]);
}

static int32_t s8_combined(const syn_op *op, int32_t a, int32_t b) {
    if (op->kind == SYN_OP_S8_MUL) return syn_wrap_mul(a - op->zero[0], b - op->zero[1]);
    int32_t left = common(op, 0, a), right = common(op, 1, b);
    if (op->kind == SYN_OP_S8_ADD) return syn_wrap_add(left, right);
    int32_t difference = syn_wrap_sub(left, right);
    return op->kind == SYN_OP_S8_SUB ? difference : syn_wrap_mul(difference, difference);
}

static void s8_row(const syn_op *op, run inner, const int8_t *a, const int8_t *b, int8_t *out) {
    for (size_t i = 0; i < inner.count; i++, a += inner.a_step, b += inner.b_step) {
        int32_t scaled = syn_scale(s8_combined(op, *a, *b), op->multiplier[2], op->shift[2]);
        out[i] = (int8_t)syn_clamp(syn_wrap_add(scaled, op->zero[2]), op->low, op->high);
    }
}

#define WALK(type, row)                                                                                                \
    const syn_walk *walk = &op->walk;                                                                                  \
    const uint32_t last = walk->rank - 1;                                                                              \
    const run inner = {walk->dims[last], walk->a[last], walk->b[last]};                                                \
    const type *a = syn_in(op, memory, 0), *b = syn_in(op, memory, 1);                                                 \
    type *out = syn_out(op, memory);                                                                                   \
    syn_position at = {{0}, 0, 0, 0};                                                                                  \
    do {                                                                                                               \
        row(op, inner, a + at.a, b + at.b, out);                                                                       \
        out += inner.count;                                                                                            \
    } while (syn_next(walk, 0, last, &at))

void syn_run_f32_binary(const syn_op *op, syn_memory memory) { WALK(float, f32_row); }

void syn_run_s8_binary(const syn_op *op, syn_memory memory) { WALK(int8_t, s8_row); }
