/* What the detectors have in common. */
#ifndef SYNEDGE_STREAMS_COMMON_H
#define SYNEDGE_STREAMS_COMMON_H

#include <float.h>
#include <math.h>
#include <string.h>

#include "synedge/streams.h"

enum { SYN_FOREST_MAGIC = 0x31465953, SYN_ADWIN_MAGIC = 0x31415953, SYN_PAGE_HINKLEY_MAGIC = 0x31505953 }; /* SYF1 SYA1 SYP1 */

/* False for NaN too. */
static inline int syn_is_within(double value, double bound) { return value >= -bound && value <= bound; }

static inline int syn_is_value(double value) { return syn_is_within(value, FLT_MAX); }

#endif
