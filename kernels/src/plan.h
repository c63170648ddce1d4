/* What populations share with single networks: the steps alone, within a float mode that the caller has set. */
#ifndef SYNEDGE_SRC_PLAN_H
#define SYNEDGE_SRC_PLAN_H

#include "synedge/plan.h"

void syn_plan_steps(const syn_plan *plan, const uint8_t *constants, uint8_t *arena);

#endif
