/* What only moves or sums elements: slices, transposes, concatenations and paddings are copies along a walk. */
#include <string.h>

#include "fixedpoint.h"
#include "ops.h"

/* The last dimension is moved in one piece where both sides lie in one. */
void syn_run_copy(const syn_op *op, syn_memory memory) {
    const syn_walk *walk = &op->walk;
    const ptrdiff_t size = (ptrdiff_t)op->depth;
    const uint32_t last = walk->rank - 1, count = walk->dims[last];
    const uint8_t *from = (const uint8_t *)syn_in(op, memory, 0) + walk->a_start * size;
    uint8_t *to = (uint8_t *)syn_out(op, memory) + walk->out_start * size;
    const int one_piece = walk->a[last] == 1 && walk->out[last] == 1;
    syn_position at = {{0}, 0, 0, 0};
    do {
        const uint8_t *source = from + at.a * size;
        uint8_t *target = to + at.out * size;
        if (one_piece) {
            memcpy(target, source, count * op->depth);
            continue;
        }
        for (uint32_t i = 0; i < count; i++) {
            memcpy(target + (ptrdiff_t)i * walk->out[last] * size, source + (ptrdiff_t)i * walk->a[last] * size, op->depth);
        }
    } while (syn_next(walk, 0, last, &at));
}

void syn_run_fill(const syn_op *op, syn_memory memory) { memset(syn_out(op, memory), op->low, op->rows); }

/* Kept dimensions outside, summed ones inside, in the order they lie. */
void syn_run_f32_mean(const syn_op *op, syn_memory memory) {
    const syn_walk *walk = &op->walk;
    const float *x = syn_in(op, memory, 0);
    float *y = syn_out(op, memory);
    syn_position kept = {{0}, 0, 0, 0};
    do {
        syn_position summed = {{0}, 0, 0, 0};
        float sum = 0;
        do {
            sum += x[kept.a + summed.a];
        } while (syn_next(walk, walk->split, walk->rank, &summed));
        *y++ = sum / (float)op->depth;
    } while (syn_next(walk, 0, walk->split, &kept));
}

void syn_run_s8_mean(const syn_op *op, syn_memory memory) {
    const syn_walk *walk = &op->walk;
    const int8_t *x = syn_in(op, memory, 0);
    int8_t *y = syn_out(op, memory);
    syn_position kept = {{0}, 0, 0, 0};
    do {
        syn_position summed = {{0}, 0, 0, 0};
        int32_t sum = 0;
        do {
            sum = syn_wrap_add(sum, x[kept.a + summed.a]);
        } while (syn_next(walk, walk->split, walk->rank, &summed));
        int32_t shifted = syn_wrap_sub(sum, syn_wrap_mul(op->zero[0], (int32_t)op->depth));
        int32_t scaled = syn_scale(shifted, op->multiplier[2], op->shift[2]);
        *y++ = (int8_t)syn_clamp(syn_wrap_add(scaled, op->zero[2]), op->low, op->high);
    } while (syn_next(walk, 0, walk->split, &kept));
}
