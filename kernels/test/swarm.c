/* A population against an obvious one: random births, deaths, runs and judgements; after each, what is there and what it
 * answers is what a plain list says. Built with the sanitizers.
 *
 *   swarm COUNT SEED
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synedge/kernels.h"
#include "synedge/population.h"
#include "chance.h"

enum { CAPACITY = 13, DEPTH = 5, COLS = 3, STATE = 64 };
enum { WEIGHTS = DEPTH * 8 * 4, BIAS = 256, SLOT = 320 + STATE, ARENA = 64 + 64 + 64 };

typedef struct {
    uint32_t handle;
    float weight; /* every weight of it; its bias is 0 */
} known;

static known living[CAPACITY];
static uint32_t living_count, gone[64], gone_count;

static void require(int condition, const char *what) {
    if (condition) return;
    printf("FAIL: %s\n", what);
    exit(1);
}

static void born(syn_population *population) {
    static uint8_t pattern[SLOT];
    const float weight = (float)chance(1000);
    memset(pattern, 0, sizeof pattern);
    for (int i = 0; i < WEIGHTS / 4; i++) memcpy(pattern + 4 * i, &weight, 4);
    uint32_t handle = syn_spawn(population, pattern);
    require((handle == SYN_NO_HANDLE) == (living_count == CAPACITY), "a slot is given if and only if one is free");
    if (handle == SYN_NO_HANDLE) return;
    for (uint32_t i = 0; i < living_count; i++) require(living[i].handle != handle, "no handle is given twice");
    living[living_count++] = (known){handle, weight};
}

static void dies(syn_population *population) {
    if (!living_count) return;
    uint32_t which = chance(living_count);
    require(syn_evict(population, living[which].handle) == 1, "what lives can be evicted");
    gone[gone_count++ % 64] = living[which].handle;
    living[which] = living[--living_count];
}

static void all_run(const syn_plan *plan, syn_population *population, uint8_t *arena) {
    uint32_t handles[CAPACITY];
    float inputs[CAPACITY * DEPTH], outputs[CAPACITY * COLS];
    for (uint32_t i = 0; i < living_count; i++) {
        handles[i] = living[i].handle;
        for (int d = 0; d < DEPTH; d++) inputs[i * DEPTH + (uint32_t)d] = (float)(i + 1);
    }
    uint32_t ran = syn_run_many(plan, population, handles, living_count, (uint8_t *)inputs, (uint8_t *)outputs, arena);
    require(ran == living_count, "all that live run");
    for (uint32_t i = 0; i < living_count; i++) {
        float wanted = living[i].weight * (float)(DEPTH * (i + 1));
        for (int c = 0; c < COLS; c++) require(outputs[i * COLS + (uint32_t)c] == wanted, "each answers with its weights");
    }
}

static void compare(syn_population *population) {
    require(population->count == living_count, "as many as are known");
    for (uint32_t i = 0; i < living_count; i++) require(syn_slot_of(population, living[i].handle) != NULL, "lives");
    for (uint32_t i = 0; i < 64 && i < gone_count; i++) {
        int is_again = 0; /* after 4095 tenants of a slot */
        for (uint32_t j = 0; j < living_count; j++) is_again |= living[j].handle == gone[i];
        require(is_again || !syn_slot_of(population, gone[i]), "what is gone is stale");
        require(is_again || !syn_evict(population, gone[i]), "and cannot go again");
    }
    uint32_t weakest = syn_weakest(population);
    require((weakest == SYN_NO_HANDLE) == !living_count, "somebody is the weakest");
    require(!living_count || syn_slot_of(population, weakest) != NULL, "who lives");
    require(!syn_slot_of(population, chance(2) ? 0xffffffffu : chance(CAPACITY)), "junk names nobody");
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 1000;
    chance_state = argc > 2 ? (uint32_t)atol(argv[2]) : 1;
    syn_select(NULL);
    syn_op op;
    memset(&op, 0, sizeof op);
    op.kind = SYN_OP_F32_GEMM;
    op.rows = 1;
    op.cols = COLS;
    op.depth = DEPTH;
    op.in[0] = 64;
    op.in[1] = SYN_CONSTANT;
    op.in[2] = SYN_CONSTANT | BIAS;
    op.out = 128;
    op.f32_low = -1e30f;
    op.f32_high = 1e30f;
    syn_plan plan = {&op, 1, SLOT - STATE, ARENA, 64, DEPTH * 4, 128, COLS * 4, 0};
    plan.is_chain = syn_is_chain(&plan);
    uint8_t *slots = calloc(CAPACITY, SLOT), *arena = aligned_alloc(64, ARENA);
    syn_slot *table = calloc(CAPACITY, sizeof *table);
    require(slots && arena && table && syn_plan_check(&plan, slots) == 0, "the plan is right");
    require(plan.is_chain != 0, "one layer is a perceptron");
    memset(arena, 0, ARENA);
    syn_population population = {.slots = slots, .table = table, .capacity = CAPACITY, .slot_bytes = SLOT, .state_bytes = STATE};
    syn_population_open(&population);
    for (long i = 0; i < count; i++) {
        uint32_t what = chance(8);
        if (what < 3) born(&population);
        else if (what < 5) dies(&population);
        else if (what < 7) all_run(&plan, &population, arena);
        else syn_population_open(&population); /* as after a start: the table alone says everything */
        compare(&population);
    }
    printf("%ld steps, %u at the end\n", count, living_count);
    free(slots);
    free(arena);
    free(table);
    return 0;
}
