/* Slots, handles and one call for all. */
#include "synedge/population.h"

#include <math.h>
#include <string.h>

#include "chance.h"
#include "plan.h"
#include "subnormal.h"

enum { SLOT_BITS = 20, GENERATIONS = 1 << 12, USED = SYN_SLOTS_MAX + 1 };

static uint32_t handle_of(const syn_population *population, uint32_t slot) {
    return population->table[slot].generation << SLOT_BITS | slot;
}

void syn_population_open(syn_population *population) {
    population->count = population->first_free = 0;
    population->clock = 0;
    for (uint32_t i = population->capacity; i-- > 0;) {
        syn_slot *entry = &population->table[i];
        if (entry->next_free == USED && entry->generation >= 1 && entry->generation < GENERATIONS) {
            population->count++;
            if (entry->used_at > population->clock) population->clock = entry->used_at;
        } else {
            entry->generation %= GENERATIONS;
            entry->next_free = population->first_free;
            population->first_free = i + 1;
        }
    }
}

static syn_slot *tenant(const syn_population *population, uint32_t handle) {
    const uint32_t slot = handle & SYN_SLOTS_MAX;
    if (slot >= population->capacity) return NULL;
    syn_slot *entry = &population->table[slot];
    return entry->next_free == USED && entry->generation == handle >> SLOT_BITS ? entry : NULL;
}

uint8_t *syn_slot_of(const syn_population *population, uint32_t handle) {
    if (!tenant(population, handle)) return NULL;
    return population->slots + (size_t)(handle & SYN_SLOTS_MAX) * population->slot_bytes;
}

uint32_t syn_spawn(syn_population *population, const uint8_t *pattern) {
    if (!population->first_free) return SYN_NO_HANDLE;
    const uint32_t slot = population->first_free - 1;
    syn_slot *entry = &population->table[slot];
    population->first_free = entry->next_free;
    population->count++;
    entry->generation = entry->generation % (GENERATIONS - 1) + 1; /* 1 to 4095 */
    entry->next_free = USED;
    entry->used_at = population->clock;
    entry->fitness = 0;
    uint8_t *at = population->slots + (size_t)slot * population->slot_bytes;
    if (at != pattern) memcpy(at, pattern, population->slot_bytes);
    return handle_of(population, slot);
}

int syn_evict(syn_population *population, uint32_t handle) {
    syn_slot *entry = tenant(population, handle);
    if (!entry) return 0;
    entry->next_free = population->first_free;
    population->first_free = (handle & SYN_SLOTS_MAX) + 1;
    population->count--;
    return 1;
}

/* The time up to which a quarter of the networks have run last: halving the span of times, no memory needed. */
static uint64_t quarter(const syn_population *population) {
    uint64_t low = 0, high = population->clock;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        uint64_t older = 0;
        for (uint32_t i = 0; i < population->capacity; i++) {
            const syn_slot *entry = &population->table[i];
            older += entry->next_free == USED && entry->used_at <= middle;
        }
        if (older * 4 >= population->count) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

uint32_t syn_weakest(const syn_population *population) {
    const uint64_t bound = quarter(population);
    uint32_t weakest = SYN_NO_HANDLE;
    double least = INFINITY;
    for (uint32_t i = 0; i < population->capacity; i++) {
        const syn_slot *entry = &population->table[i];
        if (entry->next_free != USED || entry->used_at > bound) continue;
        if (weakest == SYN_NO_HANDLE || entry->fitness < least) {
            weakest = handle_of(population, i);
            least = entry->fitness;
        }
    }
    return weakest;
}

/* Whoever's it is now; null where no slot can be. */
static uint8_t *place(const syn_population *population, uint32_t handle) {
    const uint32_t slot = handle & SYN_SLOTS_MAX;
    return slot < population->capacity ? population->slots + (size_t)slot * population->slot_bytes : NULL;
}

uint32_t syn_run_many(const syn_plan *plan, syn_population *population, const uint32_t *handles, uint32_t count,
                      const uint8_t *inputs, uint8_t *outputs, uint8_t *arena) {
    const syn_float_mode before = syn_flush_subnormals();
    const uint32_t state_bytes = population->state_bytes;
    uint32_t done = 0;
    population->clock++;
    for (; done < count; done++) {
        syn_slot *entry = tenant(population, handles[done]);
        if (!entry) break;
        uint8_t *slot = place(population, handles[done]);
        uint8_t *state = slot + population->slot_bytes - state_bytes;
        if (state_bytes) memcpy(arena, state, state_bytes);
        syn_plan_once(plan, slot, arena, inputs + (size_t)done * plan->input_bytes,
                      outputs + (size_t)done * plan->output_bytes);
        if (state_bytes) memcpy(state, arena, state_bytes);
        entry->used_at = population->clock;
    }
    syn_restore_subnormals(before);
    return done;
}

/* The sum of four 16-bit numbers: deviation 2^16 * sqrt(4/12), bounded at 3.46 deviations. */
void syn_mutate(float *weights, size_t count, uint64_t seed, float spread) {
    const float unit = spread / 37837.22f; /* 65536 / sqrt(3) */
    for (size_t i = 0; i < count; i++) {
        const uint64_t z = syn_random(&seed);
        const int32_t sum = (int32_t)(z & 0xffff) + (int32_t)(z >> 16 & 0xffff) + (int32_t)(z >> 32 & 0xffff) + (int32_t)(z >> 48);
        weights[i] += unit * (float)(sum - 131070);
    }
}
