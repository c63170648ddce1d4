/* Training of a gated recurrent layer with a perceptron behind it, by truncated back-propagation through time.
 *
 * Memory, sets and seeds as in train.h, except that sequences take the place of rows: those of a set lie side by side, and all
 * have as many steps. A state begins at 0 with its sequence, and passes from one window of steps to the next, errors do not.
 * cffi reads the part between the marks.
 */
#ifndef SYNEDGE_BPTT_H
#define SYNEDGE_BPTT_H

#include "synedge/train.h"

/* cdef begins */
enum { SYN_STREAMS = 32 /* sequences that are computed at once */ };

/* h' = (1 - z) * n + z * h; z and r are sigmoids, n = tanh(of x + r * of h), as SYN_OP_F32_GRU computes it. Parameters, gates
 * in the order z, r, n: weights of x [3 units][inputs] and biases, weights of h [3 units][units] and biases; then the head's. */
typedef struct {
    uint32_t inputs, units, parameters;
    const syn_mlp *head; /* takes the state; its outputs are the network's */
} syn_gru;

typedef struct {
    uint32_t sequences, steps, stride;
    uint32_t skip;       /* steps at the beginning of each that are not judged */
    const float *given;  /* [steps][inputs][stride] */
    const float *wanted; /* [steps][outputs][stride] */
} syn_sequences;

typedef struct {
    const syn_gru *gru;
    const syn_sequences *set;
    const syn_rule *rule;
    float *weights, *gradient, *first, *second, *kept, *scratch;
    uint32_t *order;  /* of sequences, shuffled anew each epoch when `batch` is less than there are */
    uint32_t batch;   /* sequences to a step: all, or up to SYN_STREAMS and a step after each window */
    uint32_t window;  /* steps that errors go back */
    uint64_t random, steps;
} syn_gru_training;

size_t syn_gru_scratch_floats(const syn_gru *gru, uint32_t window);

/* [sequences][steps][cols] into [steps][cols][stride]. */
void syn_sequences_of(uint32_t sequences, uint32_t steps, uint32_t cols, uint32_t stride, const float *by_rows, float *columns);

/* As syn_train_gradient, over all sequences. */
double syn_gru_gradient(const syn_gru *gru, const syn_sequences *set, const float *weights, uint32_t window, float *gradient,
                        float *scratch);

/* As syn_train_epoch. */
double syn_gru_epoch(syn_gru_training *training);

/* As syn_train_test, over all steps that are judged. Answers [sequences][steps][outputs], of all steps, where `answers` is
 * not null. */
double syn_gru_test(const syn_gru *gru, const syn_sequences *set, const float *weights, float middle, float *scratch,
                    uint32_t *wrong, float *answers);
/* cdef ends */

#endif
