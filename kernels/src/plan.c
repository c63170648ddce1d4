/* Runs a plan: one switch an operation, nothing else. */
#include <string.h>

#include "plan.h"

#include "ops.h"
#include "subnormal.h"

static inline void f32_gemm(const syn_op *op, syn_memory memory) {
    syn_kernels.f32_gemm(op->rows, op->cols, op->depth, syn_in(op, memory, 0), op->depth, syn_in(op, memory, 1),
                         syn_in(op, memory, 2), op->f32_low, op->f32_high, syn_out(op, memory), op->cols);
}

static void step(const syn_op *op, syn_memory memory) {
    switch (op->kind) {
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

/* Four a turn: one a turn costs three instructions each, which is a tenth of the time of the smallest networks. */
static inline void fetch(const uint8_t *ahead, uint32_t lines) {
    for (uint32_t line = 0; line < lines; line += 4, ahead += 4 * SYN_LINE) {
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + SYN_LINE);
        __builtin_prefetch(ahead + 2 * SYN_LINE);
        __builtin_prefetch(ahead + 3 * SYN_LINE);
    }
}

void syn_plan_steps(const syn_plan *plan, const uint8_t *constants, uint8_t *arena, const uint8_t *ahead, uint32_t ahead_lines) {
    const syn_memory memory = {constants, arena};
    for (const syn_op *op = plan->ops, *end = op + plan->ops_count; op < end; op++) {
        fetch(ahead, ahead_lines);
        ahead += (size_t)ahead_lines * SYN_LINE;
        if (op->kind == SYN_OP_F32_GEMM) { /* of the smallest networks all there is: the switch would be a tenth of the time */
            f32_gemm(op, memory);
        } else {
            step(op, memory);
        }
    }
}

void syn_plan_run(const syn_plan *plan, const uint8_t *constants, uint8_t *arena, const void *input, void *output) {
    const syn_float_mode before = syn_flush_subnormals();
    if (input) syn_copy(arena + plan->input, input, plan->input_bytes);
    syn_plan_steps(plan, constants, arena, NULL, 0);
    if (output) syn_copy(output, arena + plan->output, plan->output_bytes);
    syn_restore_subnormals(before);
}
