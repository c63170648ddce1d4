/* What populations share with single networks: the steps alone, within a float mode that the caller has set. */
#ifndef SYNEDGE_SRC_PLAN_H
#define SYNEDGE_SRC_PLAN_H

#include <string.h>

#include "synedge/plan.h"

enum { SYN_LINE = 64 };

/* What a network takes and gives is a few dozen bytes, for which a call of memcpy is more than the copying. */
static inline void syn_copy(uint8_t *to, const uint8_t *from, size_t bytes) {
    for (; bytes >= 16; bytes -= 16, to += 16, from += 16) memcpy(to, from, 16);
    for (; bytes > 0; bytes--) *to++ = *from++;
}

/* Each step first fetches `ahead_lines` more cache lines from `ahead` on, of what the next call will read; null and 0 for
 * nothing. All at once they would hold up the step's own reads. */
void syn_plan_steps(const syn_plan *plan, const uint8_t *constants, uint8_t *arena, const uint8_t *ahead, uint32_t ahead_lines);

#endif
