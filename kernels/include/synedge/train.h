/* Training of perceptrons: gradients by back-propagation, and the rules that turn them into steps.
 *
 * The caller gives all memory, 64-byte aligned; nothing is allocated or kept. A training set lies in columns: one column a
 * number, `stride` floats (whole panels) apart, so that rows of the set lie side by side and one instruction takes eight of
 * them. The same seed, memory and kernel variant give the same bits. Subnormal floats count as zero meanwhile. cffi reads the
 * part between the marks.
 */
#ifndef SYNEDGE_TRAIN_H
#define SYNEDGE_TRAIN_H

#include <stddef.h>
#include <stdint.h>

/* cdef begins */
enum {
    /* What a neuron makes of a = steepness * sum; 0 to 17 by FANN's numbers. FANN bounds sums: its LINEAR, SIN and COS kinds
     * take a at most 150 / steepness from 0. */
    SYN_LINEAR = 0, SYN_THRESHOLD, SYN_THRESHOLD_SYMMETRIC, SYN_SIGMOID, SYN_SIGMOID_STEPWISE, SYN_SIGMOID_SYMMETRIC,
    SYN_SIGMOID_SYMMETRIC_STEPWISE, SYN_GAUSSIAN, SYN_GAUSSIAN_SYMMETRIC, SYN_GAUSSIAN_STEPWISE, SYN_ELLIOT,
    SYN_ELLIOT_SYMMETRIC, SYN_LINEAR_PIECE, SYN_LINEAR_PIECE_SYMMETRIC, SYN_SIN_SYMMETRIC, SYN_COS_SYMMETRIC, SYN_SIN, SYN_COS,
    SYN_NONE_AT_ALL, /* a itself, however large */
    SYN_RELU, SYN_RELU6,
    SYN_SOFTMAX, /* over its whole layer */
    SYN_ACTIVATIONS
};

enum {
    SYN_SQUARED = 0,   /* (y - t)^2 / 2 */
    SYN_ATANH,         /* FANN's: its slope is ln((1 + e) / (1 - e)), e the error over the width of the output */
    SYN_CROSS_ENTROPY, /* -t ln y, over a softmax; -t ln y - (1 - t) ln(1 - y), over sigmoids */
    SYN_LOSSES
};

/* `units` neurons, each over the same `depth` values before them. Values of one row are numbered through: inputs first. */
typedef struct {
    uint32_t from, depth; /* the values it takes */
    uint32_t at, units;   /* the values it makes */
    uint32_t weights;     /* where in the parameters its weights [units][depth] begin; its biases [units] follow */
} syn_dense;

typedef struct {
    const syn_dense *layers;
    uint32_t layers_count, inputs, values, outputs, parameters, loss;
    const uint32_t *activation; /* of each value that is no input, by its number less `inputs` */
    const float *steepness;
} syn_mlp;

typedef struct {
    uint32_t rows, stride;
    const float *given;  /* [inputs][stride] */
    const float *wanted; /* [outputs][stride] */
} syn_columns;

enum { SYN_IRPROP = 0, SYN_SGD, SYN_ADAM, SYN_QUICKPROP, SYN_RULES };

/* How a gradient becomes a step. Each rule keeps two numbers a weight, zeros at first unless said. */
typedef struct {
    uint32_t kind;
    float rate, momentum;                      /* SGD: velocity, -. Adam: rate */
    float beta1, beta2, epsilon;               /* Adam: first moment, second moment */
    float increase, decrease, step_min, step_max; /* iRPROP-: gradient before, step, which begins at step_zero */
    float growth, decay;                       /* Quickprop: slope before, step before; rate too */
} syn_rule;

typedef struct {
    const syn_mlp *mlp;
    const syn_columns *set;
    const syn_rule *rule;
    float *weights, *gradient, *first, *second, *kept, *scratch; /* all but scratch: a number for each parameter */
    const float *mask;  /* 0 where there is no connection; null: there are all */
    uint32_t *order;    /* the rows, shuffled anew each epoch when `batch` is less than there are */
    uint32_t batch;     /* rows to a step */
    uint64_t random;    /* state of the shuffle; the seed at first */
    uint64_t steps;     /* taken so far */
} syn_training;

size_t syn_train_scratch_floats(const syn_mlp *mlp);

/* Row by row into columns; what pads them is zero. */
void syn_columns_of(uint32_t rows, uint32_t cols, uint32_t stride, const float *by_rows, float *columns);

/* Adds the gradient of the loss, summed over rows and outputs, to `gradient`; answers the loss. `order`: which rows, by
 * number; null: `count` rows from `first` on. */
double syn_train_gradient(const syn_mlp *mlp, const syn_columns *set, const float *weights, uint32_t first,
                          const uint32_t *order, uint32_t count, float *gradient, float *scratch);

/* One pass over the set. The loss, summed; of a batch rule that of the weights before its step. Where it, or a weight, is not
 * finite, the answer is a NaN, and the weights are those of the last time that all was. */
double syn_train_epoch(syn_training *training);

/* Answers [rows][outputs]. */
void syn_train_answers(const syn_mlp *mlp, const syn_columns *set, const float *weights, float *scratch, float *answers);

/* The loss, summed, and how many rows are answered wrongly: of several outputs, where another is the largest than is wanted;
 * of one, where it is on the other side of `middle`. */
double syn_train_test(const syn_mlp *mlp, const syn_columns *set, const float *weights, float middle, float *scratch,
                      uint32_t *wrong);

/* Cascade-correlation (Fahlman and Lebiere 1990): a pool of candidates for the next neuron, all trained at once so that what
 * they make goes along with what is still wrong. */
typedef struct {
    uint32_t units, depth;         /* candidates, and the values that each takes */
    uint32_t rows, stride, outputs;
    const uint32_t *activation;    /* of each; no softmax */
    const float *steepness;
    const float *given;            /* [depth][stride] */
    const float *residual;         /* [outputs][stride], of syn_residuals */
    float *weights, *gradient, *first, *second; /* [units][depth], then biases [units] */
    float *values, *slopes, *errors;            /* [units][stride] each */
    float *covariance;             /* [units][outputs] */
} syn_candidates;

/* What is wrong with each output, less its mean over rows; the padding is 0. Answers the sum of squares before that. */
double syn_residuals(const syn_mlp *mlp, const syn_columns *set, const float *weights, float *scratch, float *residual);

/* One step for all candidates by `rule`, none where it is null; scores[u] is the sum over outputs of |covariance| before it, and `values` what each
 * candidate made. */
void syn_candidates_epoch(const syn_candidates *pool, const syn_rule *rule, uint64_t step, double *scores);

void syn_train_step(const syn_rule *rule, uint32_t count, const float *gradient, float scale, const float *mask, uint64_t step,
                    float *weights, float *first, float *second);

/* `count` numbers between -spread and spread; the seed moves on. */
void syn_uniform(uint64_t *seed, uint32_t count, float spread, float *out);
/* cdef ends */

#endif
