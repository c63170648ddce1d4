/* One int32 sum to int8, as the contract says it. */
#ifndef SYNEDGE_REQUANT_H
#define SYNEDGE_REQUANT_H

#include <math.h>

#include "fixedpoint.h"
#include "synedge/kernels.h"

/* Halves away from zero; what no int32 could hold is clamped before it is converted. */
static inline int32_t syn_scale_f64(int32_t x, double scale) {
    double product = round((double)x * scale);
    product = product > 1e9 ? 1e9 : product;
    return (int32_t)(product < -1e9 ? -1e9 : product);
}

/* The sum of output c, without its bias. */
static inline int8_t syn_requantised(int32_t sum, const syn_requant *requant, size_t c) {
    int32_t total = syn_wrap_add(sum, requant->bias[c]);
    int32_t scaled = requant->scale ? syn_scale_f64(total, requant->scale[c])
                                    : syn_scale(total, requant->multiplier[c], requant->shift[c]);
    return (int8_t)syn_clamp(syn_wrap_add(scaled, requant->zero_point), requant->low, requant->high);
}

#endif
