/* Chance that is the same on every machine. */
#ifndef SYNEDGE_CHANCE_H
#define SYNEDGE_CHANCE_H

#include <stdint.h>

/* splitmix64: every seed begins a sequence of its own. */
static inline uint64_t syn_random(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#endif
