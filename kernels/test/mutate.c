/* Plans with something wrong in them: each is refused by the check or runs without touching anything but its own memory.
 * Built with the address and undefined-behaviour sanitizers, which end the program otherwise.
 *
 *   mutate COUNT SEED
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synedge/kernels.h"
#include "synedge/plan.h"
#include "chance.h"

enum { CONSTANTS = 4096, ARENA = 4096, OPS = SYN_OP_END };

/* An operation that is right: small sizes, operands spread over both regions, every field set to something usable. */
static syn_op right(uint32_t kind) {
    syn_op op;
    memset(&op, 0, sizeof op);
    op.kind = kind;
    op.rows = 1 + chance(4);
    op.cols = 1 + chance(12);
    op.depth = 1 + chance(12);
    for (int i = 0; i < SYN_INPUTS; i++) op.in[i] = 64u * (8u + 8u * (uint32_t)i);
    for (int i = 1; i < 5; i++) op.in[i] |= SYN_CONSTANT;
    if (kind == SYN_OP_F32_LSTM || (kind >= SYN_OP_F32_ADD && kind <= SYN_OP_S8_SQDIFF)) op.in[1] = 1024;
    if (kind == SYN_OP_F32_LSTM) op.in[1] = SYN_CONSTANT, op.in[3] = 2048, op.in[4] = 2304;
    if (kind == SYN_OP_S8_LSTM) op.in[1] = SYN_CONSTANT, op.in[4] = 1536, op.in[5] = 2048;
    if (kind == SYN_OP_S8_LSTM || kind == SYN_OP_F32_GRU) op.in[6] = 2560;
    op.out = 3584;
    for (int i = 0; i < 3; i++) op.multiplier[i] = 1 << 30, op.shift[i] = -1;
    op.low = -128;
    op.high = 127;
    op.f32_low = -1e30f;
    op.f32_high = 1e30f;
    op.scale = 0.5f;
    op.a_step[0] = (int32_t)op.depth;
    op.a_step[1] = 1;
    op.b_step[0] = (int32_t)op.cols;
    op.b_step[1] = 1;
    syn_window window = {1, 3, 3, 2, 3, 3, 2, 2, 2, 1, 1, 1, 1, 0, 0, 1};
    op.window = window;
    syn_walk walk = {2, 1, {3, 4}, {4, 1}, {4, 1}, {4, 1}, 0, 0, 0};
    op.walk = walk;
    if (kind == SYN_OP_F32_MEAN || kind == SYN_OP_S8_MEAN) op.depth = 4;
    if (kind == SYN_OP_COPY) op.depth = 1 + chance(4);
    return op;
}

/* The scales of an LSTM of bytes, which the check reads. */
static void right_scales(const syn_op *op, uint8_t *constants) {
    const uint32_t padded = (4 * op->cols + SYN_PANEL - 1) / SYN_PANEL * SYN_PANEL;
    int32_t *scales = (int32_t *)(void *)(constants + (op->in[3] ^ SYN_CONSTANT)) + 2 * padded;
    for (int i = 0; i < 16; i += 2) scales[i] = 1 << 30, scales[i + 1] = (int32_t)chance(40) - 31;
}

/* One word of it becomes another number: near, far, or of the kind that overflows. */
static void spoil(syn_op *op) {
    static const uint32_t numbers[] = {0, 1, 2, 7, 8, 127, 128, 255, 4096, 65535, 0x7fffffff, 0x80000000, 0xffffffff};
    uint32_t *words = (uint32_t *)(void *)op;
    uint32_t at = 1 + chance(sizeof *op / 4 - 1);
    uint32_t numbers_count = sizeof numbers / sizeof numbers[0];
    words[at] = chance(2) ? numbers[chance(numbers_count)] : words[at] + chance(9) - 4;
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 1000, refused = 0, ran = 0, right_ones = 0, chains = 0;
    chance_state = argc > 2 ? (uint32_t)atol(argv[2]) : 1;
    uint8_t *constants = aligned_alloc(64, CONSTANTS), *arena = aligned_alloc(64, ARENA);
    if (!constants || !arena) return 1;
    syn_select(NULL);
    for (long i = 0; i < count; i++) {
        for (int j = 0; j < CONSTANTS; j++) constants[j] = (uint8_t)(chance(4) ? 0 : chance(32));
        memset(arena, 0, ARENA);
        syn_op op = right(1 + chance(OPS - 1));
        if (op.kind == SYN_OP_S8_LSTM) right_scales(&op, constants);
        float input[12] = {0}, output[12]; /* as long as a layer is wide at most */
        syn_plan plan = {&op, 1, CONSTANTS, ARENA, 0, 16, 64, 16, 0};
        if (op.kind == SYN_OP_F32_GEMM) {
            op.rows = 1;
            plan = (syn_plan){&op, 1, CONSTANTS, ARENA, op.in[0], op.depth * 4, op.out, op.cols * 4, 0};
        }
        plan.is_chain = syn_is_chain(&plan);
        chains += plan.is_chain;
        right_ones += syn_plan_check(&plan, constants) == 0;
        for (uint32_t j = chance(4); j > 0; j--) spoil(&op);
        if (!chance(8)) plan.is_chain = 1;
        if ((uint64_t)op.rows * op.cols * op.depth > 1u << 20) op.rows = op.cols = 1; /* what is right may take long */
        if (syn_plan_check(&plan, constants)) {
            refused++;
        } else {
            syn_plan_run(&plan, constants, arena, input, output);
            ran++;
        }
    }
    printf("%ld plans: %ld refused, %ld ran, %ld were right before they were spoiled, %ld of these as chains\n", count, refused,
           ran, right_ones, chains);
    free(constants);
    free(arena);
    return ran == 0 || refused == 0 || chains == 0 || right_ones < count / 2;
}
