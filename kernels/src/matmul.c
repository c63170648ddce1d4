/* Products of two matrices that are both computed, batch by batch; steps say which one lies transposed. */
#include "fixedpoint.h"
#include "ops.h"

static void f32_product(const syn_op *op, const float *a, const float *b, float *y) {
    for (uint32_t r = 0; r < op->rows; r++, y += op->cols) {
        const float *row = a + (ptrdiff_t)r * op->a_step[0];
        for (uint32_t c = 0; c < op->cols; c++) y[c] = 0;
        for (uint32_t d = 0; d < op->depth; d++) {
            const float value = row[(ptrdiff_t)d * op->a_step[1]], *col = b + (ptrdiff_t)d * op->b_step[0];
            for (uint32_t c = 0; c < op->cols; c++) y[c] += value * col[(ptrdiff_t)c * op->b_step[1]];
        }
    }
}

static void s8_product(const syn_op *op, const int8_t *a, const int8_t *b, int8_t *y) {
    for (uint32_t r = 0; r < op->rows; r++) {
        const int8_t *row = a + (ptrdiff_t)r * op->a_step[0];
        for (uint32_t c = 0; c < op->cols; c++) {
            const int8_t *col = b + (ptrdiff_t)c * op->b_step[1];
            int32_t sum = 0;
            for (uint32_t d = 0; d < op->depth; d++) {
                int32_t left = row[(ptrdiff_t)d * op->a_step[1]] - op->zero[0];
                sum = syn_wrap_add(sum, left * (col[(ptrdiff_t)d * op->b_step[0]] - op->zero[1]));
            }
            int32_t scaled = syn_scale(sum, op->multiplier[2], op->shift[2]);
            *y++ = (int8_t)syn_clamp(syn_wrap_add(scaled, op->zero[2]), op->low, op->high);
        }
    }
}

#define BATCHES(type, product)                                                                                         \
    const type *a = syn_in(op, memory, 0), *b = syn_in(op, memory, 1);                                                 \
    type *y = syn_out(op, memory);                                                                                     \
    syn_position at = {{0}, 0, 0, 0};                                                                                  \
    do {                                                                                                               \
        product(op, a + at.a, b + at.b, y);                                                                            \
        y += (size_t)op->rows * op->cols;                                                                              \
    } while (syn_next(&op->walk, 0, op->walk.rank, &at))

void syn_run_f32_matmul(const syn_op *op, syn_memory memory) { BATCHES(float, f32_product); }

void syn_run_s8_matmul(const syn_op *op, syn_memory memory) { BATCHES(int8_t, s8_product); }
