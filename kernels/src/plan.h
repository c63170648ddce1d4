/* What populations share with single networks: one run, within a float mode that the caller has set. */
#ifndef SYNEDGE_SRC_PLAN_H
#define SYNEDGE_SRC_PLAN_H

#include "synedge/plan.h"

/* From `input` to `output`, null to leave them in the arena. */
void syn_plan_once(const syn_plan *plan, const uint8_t *constants, uint8_t *arena, const void *input, void *output);

#endif
