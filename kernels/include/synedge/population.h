/* Many networks of one plan: a slot each, of equal size, in memory that the caller owns (plain or a mapped file).
 *
 * A handle names a slot and the generation of its tenant: one that outlived its network is refused, and never answers for
 * whoever came after. Nothing is allocated; the table of slots is the caller's too. cffi reads the part between the marks.
 */
#ifndef SYNEDGE_POPULATION_H
#define SYNEDGE_POPULATION_H

#include <stddef.h>
#include <stdint.h>

#include "synedge/plan.h"

/* cdef begins */
enum {
    SYN_SLOTS_MAX = 1048575, /* twenty bits of a handle; twelve count generations, of which 0 is never given */
    SYN_NO_HANDLE = 0
};

typedef struct {
    uint32_t generation; /* of the tenant, or of the last one */
    uint32_t next_free;  /* 1 + the next free slot, 0 at the end; of a used one SYN_SLOTS_MAX + 1 */
    uint64_t used_at;    /* the population's clock when it last ran */
    double fitness;
} syn_slot;

typedef struct {
    uint8_t *slots;      /* `capacity` times `slot_bytes`: constants of the plan, then what the network remembers */
    syn_slot *table;
    uint32_t capacity, count, first_free, slot_bytes, state_bytes;
    uint64_t clock;      /* counts calls of syn_run_many */
} syn_population;

/* From the table alone: its networks are there, all other slots free, and the clock goes on from the latest run. */
void syn_population_open(syn_population *population);

/* A copy of `slot_bytes` at `pattern`, or SYN_NO_HANDLE when no slot is free. */
uint32_t syn_spawn(syn_population *population, const uint8_t *pattern);

/* 1 when the handle named a network, which is gone now. */
int syn_evict(syn_population *population, uint32_t handle);

/* The network's slot, null for a stale handle. */
uint8_t *syn_slot_of(const syn_population *population, uint32_t handle);

/* Of the quarter that has not run for longest the least fit, the next to go; SYN_NO_HANDLE in an empty population. */
uint32_t syn_weakest(const syn_population *population);

/* Run each named network once: inputs and outputs follow one another in the order of the handles. Answers how many ran:
 * fewer than `count` when the handle at that place is stale. */
uint32_t syn_run_many(const syn_plan *plan, syn_population *population, const uint32_t *handles, uint32_t count,
                      const uint8_t *inputs, uint8_t *outputs, uint8_t *arena);

/* Adds noise of mean 0 and deviation `spread` to `count` floats; the same for the same seed on every machine. */
void syn_mutate(float *weights, size_t count, uint64_t seed, float spread);
/* cdef ends */

#endif
