/* The operations that a plan is made of; each reads its operands through `syn_operand`. */
#ifndef SYNEDGE_OPS_H
#define SYNEDGE_OPS_H

#include "synedge/kernels.h"
#include "synedge/plan.h"

typedef struct {
    const uint8_t *constants;
    uint8_t *arena;
} syn_memory;

static inline const void *syn_operand(syn_memory memory, uint32_t where) {
    if (where & SYN_CONSTANT) return memory.constants + (where ^ SYN_CONSTANT);
    return memory.arena + where;
}

static inline const void *syn_in(const syn_op *op, syn_memory memory, int number) {
    return syn_operand(memory, op->in[number]);
}

/* Operands that are written lie in the arena. */
static inline void *syn_out(const syn_op *op, syn_memory memory) { return memory.arena + op->out; }
static inline void *syn_scratch(const syn_op *op, syn_memory memory, int number) { return memory.arena + op->in[number]; }

typedef void syn_run_fn(const syn_op *op, syn_memory memory);

syn_run_fn syn_run_f32_conv, syn_run_s8_conv, syn_run_f32_dwconv, syn_run_s8_dwconv;
syn_run_fn syn_run_f32_pool, syn_run_s8_pool;
syn_run_fn syn_run_f32_binary, syn_run_s8_binary;
syn_run_fn syn_run_table8, syn_run_quantise, syn_run_dequantise, syn_run_f32_unary;
syn_run_fn syn_run_f32_softmax, syn_run_s8_softmax;
syn_run_fn syn_run_f32_mean, syn_run_s8_mean, syn_run_copy, syn_run_fill;
syn_run_fn syn_run_f32_matmul, syn_run_s8_matmul, syn_run_f32_lstm, syn_run_f32_gru, syn_run_s8_lstm;

static inline syn_requant syn_requant_of(const syn_op *op, syn_memory memory) {
    syn_requant requant = {.bias = syn_in(op, memory, 2), .zero_point = op->zero[2], .low = op->low, .high = op->high};
    if (op->in[4] == SYN_NONE) {
        requant.scale = syn_in(op, memory, 3);
    } else {
        requant.multiplier = syn_in(op, memory, 3);
        requant.shift = syn_in(op, memory, 4);
    }
    return requant;
}

/* Counters of a walk: `syn_next` steps the last of `rank` dimensions first and says how far the operands move, until all
 * have been seen. */
typedef struct {
    uint32_t at[SYN_RANK];
    ptrdiff_t a, b, out;
} syn_position;

static inline int syn_next(const syn_walk *walk, uint32_t first, uint32_t rank, syn_position *position) {
    for (uint32_t i = rank; i-- > first;) {
        position->a += walk->a[i];
        position->b += walk->b[i];
        position->out += walk->out[i];
        if (++position->at[i] < walk->dims[i]) return 1;
        position->a -= (ptrdiff_t)walk->a[i] * (ptrdiff_t)walk->dims[i];
        position->b -= (ptrdiff_t)walk->b[i] * (ptrdiff_t)walk->dims[i];
        position->out -= (ptrdiff_t)walk->out[i] * (ptrdiff_t)walk->dims[i];
        position->at[i] = 0;
    }
    return 0;
}

#endif
