/* Marsaglia's xorshift of 32 bits (2003): the same numbers on every machine. Whoever draws sets `chance_state` first. */
#ifndef SYNEDGE_TEST_CHANCE_H
#define SYNEDGE_TEST_CHANCE_H

#include <stdint.h>

static uint32_t chance_state;

static uint32_t chance(uint32_t below) {
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 17;
    chance_state ^= chance_state << 5;
    return chance_state % below;
}

#endif
