/* Runs a plan: a perceptron as one call, anything else with one switch an operation. */
#include "plan.h"

#include <string.h>

#include "ops.h"
#include "subnormal.h"

static void step(const syn_op *op, syn_memory memory) {
    switch (op->kind) {
        case SYN_OP_F32_GEMM:
            syn_kernels.f32_gemm(op->rows, op->cols, op->depth, syn_in(op, memory, 0), op->depth, syn_in(op, memory, 1),
                                 syn_in(op, memory, 2), op->f32_low, op->f32_high, syn_out(op, memory), op->cols);
            break;
        case SYN_OP_S8_GEMM: {
            const syn_requant requant = syn_requant_of(op, memory);
            syn_kernels.s8_gemm(op->rows, op->cols, op->depth, syn_in(op, memory, 0), op->depth, syn_in(op, memory, 1),
                                (int)op->narrow, &requant, syn_out(op, memory), op->cols);
            break;
        }
        case SYN_OP_F32_CONV: syn_run_f32_conv(op, memory); break;
        case SYN_OP_S8_CONV: syn_run_s8_conv(op, memory); break;
        case SYN_OP_F32_DWCONV: syn_run_f32_dwconv(op, memory); break;
        case SYN_OP_S8_DWCONV: syn_run_s8_dwconv(op, memory); break;
        case SYN_OP_F32_AVGPOOL:
        case SYN_OP_F32_MAXPOOL: syn_run_f32_pool(op, memory); break;
        case SYN_OP_S8_AVGPOOL:
        case SYN_OP_S8_MAXPOOL: syn_run_s8_pool(op, memory); break;
        case SYN_OP_F32_ADD:
        case SYN_OP_F32_SUB:
        case SYN_OP_F32_MUL:
        case SYN_OP_F32_DIV:
        case SYN_OP_F32_SQDIFF:
        case SYN_OP_F32_MAX:
        case SYN_OP_F32_MIN: syn_run_f32_binary(op, memory); break;
        case SYN_OP_S8_ADD:
        case SYN_OP_S8_SUB:
        case SYN_OP_S8_MUL:
        case SYN_OP_S8_SQDIFF: syn_run_s8_binary(op, memory); break;
        case SYN_OP_TABLE8: syn_run_table8(op, memory); break;
        case SYN_OP_QUANTISE: syn_run_quantise(op, memory); break;
        case SYN_OP_DEQUANTISE: syn_run_dequantise(op, memory); break;
        case SYN_OP_F32_SOFTMAX: syn_run_f32_softmax(op, memory); break;
        case SYN_OP_S8_SOFTMAX: syn_run_s8_softmax(op, memory); break;
        case SYN_OP_F32_MEAN: syn_run_f32_mean(op, memory); break;
        case SYN_OP_S8_MEAN: syn_run_s8_mean(op, memory); break;
        case SYN_OP_COPY: syn_run_copy(op, memory); break;
        case SYN_OP_FILL: syn_run_fill(op, memory); break;
        case SYN_OP_F32_MATMUL: syn_run_f32_matmul(op, memory); break;
        case SYN_OP_S8_MATMUL: syn_run_s8_matmul(op, memory); break;
        case SYN_OP_F32_LSTM: syn_run_f32_lstm(op, memory); break;
        case SYN_OP_F32_GRU: syn_run_f32_gru(op, memory); break;
        case SYN_OP_S8_LSTM: syn_run_s8_lstm(op, memory); break;
        default: syn_run_f32_unary(op, memory);
    }
}

/* What a network takes and gives is a few dozen bytes, for which a call of memcpy is more than the copying. */
static inline void copy(uint8_t *to, const uint8_t *from, size_t bytes) {
    for (; bytes >= 16; bytes -= 16, to += 16, from += 16) memcpy(to, from, 16);
    for (; bytes > 0; bytes--) *to++ = *from++;
}

/* Apart from the way of perceptrons, which would otherwise save registers for it: a tenth of the time of the smallest. */
__attribute__((noinline)) static void by_steps(const syn_plan *plan, const uint8_t *constants, uint8_t *arena,
                                               const void *input, void *output) {
    const syn_memory memory = {constants, arena};
    if (input) copy(arena + plan->input, input, plan->input_bytes);
    for (const syn_op *op = plan->ops, *end = op + plan->ops_count; op < end; op++) step(op, memory);
    if (output) copy(output, arena + plan->output, plan->output_bytes);
}

static inline int holds_floats(const void *at) { return (uintptr_t)at % sizeof(float) == 0; }

void syn_plan_once(const syn_plan *plan, const uint8_t *constants, uint8_t *arena, const void *input, void *output) {
    if (plan->is_chain && holds_floats(input) && holds_floats(output)) {
        const void *x = input ? input : arena + plan->input;
        void *y = output ? output : arena + plan->output;
        syn_kernels.f32_chain(plan->ops, plan->ops_count, constants, arena, x, y);
    } else {
        by_steps(plan, constants, arena, input, output);
    }
}

void syn_plan_run(const syn_plan *plan, const uint8_t *constants, uint8_t *arena, const void *input, void *output) {
    const syn_float_mode before = syn_flush_subnormals();
    syn_plan_once(plan, constants, arena, input, output);
    syn_restore_subnormals(before);
}
