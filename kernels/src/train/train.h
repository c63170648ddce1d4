/* What the files of this folder share. */
#ifndef SYNEDGE_TRAIN_PARTS_H
#define SYNEDGE_TRAIN_PARTS_H

#include "synedge/kernels.h"
#include "synedge/train.h"

/* Rows that are computed at once: their values, slopes and errors stay in the first caches. */
enum { SYN_TILE = 128 };

/* `sums` into what the neuron makes of them; how steeply, where `slopes` is not null. */
void syn_activate(uint32_t kind, float steepness, size_t count, float *sums, float *slopes);

/* The loss of one output over `rows` rows, and into `errors` its slope: by the output, or where loss and activation are joined
 * by steepness * sum; of a softmax none. */
double syn_loss(uint32_t loss, uint32_t activation, size_t rows, const float *y, const float *wanted, float *errors);

/* Of whole panels, in the order of f32_gemm_nt. */
float syn_sum(size_t count, const float *x);

/* Whether the slope of the loss cancels that of the activation. */
static inline int syn_is_joined(uint32_t loss, uint32_t activation) {
    return loss == SYN_CROSS_ENTROPY && (activation == SYN_SOFTMAX || activation == SYN_SIGMOID);
}

#endif
