/* What the files of this folder share. */
#ifndef SYNEDGE_TRAIN_PARTS_H
#define SYNEDGE_TRAIN_PARTS_H

#include "synedge/kernels.h"
#include "synedge/train.h"

/* Rows that are computed at once: their values, slopes and errors stay in the first caches. */
enum { SYN_TILE = 128 };

static inline size_t syn_whole(size_t rows) { return (rows + SYN_PANEL - 1) / SYN_PANEL * SYN_PANEL; }

/* Room to compute in: [values][SYN_TILE] three times, wanted [outputs][SYN_TILE], one softmax. */
typedef struct {
    float *values, *slopes, *errors, *wanted, *row;
} syn_tile;

syn_tile syn_tile_of(const syn_mlp *mlp, float *scratch);

/* Rows, by `order` or from `first` on, into a tile; its padding up to whole panels is 0. */
void syn_take(uint32_t cols, uint32_t stride, const float *columns, uint32_t first, const uint32_t *order, size_t rows,
              float *out, size_t out_stride);

/* From the inputs among a tile's values to its outputs. */
void syn_forward(const syn_mlp *mlp, const float *weights, size_t rows, syn_tile t, int with_slopes);

/* The loss, and the errors of the outputs. */
double syn_outputs_loss(const syn_mlp *mlp, size_t rows, syn_tile t);

/* From there to the gradient, which is added to; and to the errors of the inputs, where they are asked for. */
void syn_backward(const syn_mlp *mlp, const float *weights, size_t rows, syn_tile t, int with_inputs, float *gradient);

/* How many rows are answered wrongly, as syn_train_test counts. */
uint32_t syn_wrong(const syn_mlp *mlp, size_t rows, syn_tile t, float middle);

/* 0 when all are finite. */
int syn_any_wild(uint32_t count, const float *x);

void syn_shuffle(uint64_t *random, uint32_t count, uint32_t *order);

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
