/* Detectors that learn from a stream while they judge it: half-space trees, ADWIN, Page-Hinkley.
 *
 * A detector is one stretch of the caller's memory, at an address fit for a double, without a pointer in it: it can be
 * written to a file as it is, and read back once its `fault` function has nothing to say of it. Nothing is allocated. Sums
 * have a fixed order and no instruction that rounds but once, so that every machine answers to the last bit alike.
 * cffi reads the part between the marks.
 */
#ifndef SYNEDGE_STREAMS_H
#define SYNEDGE_STREAMS_H

#include <stddef.h>
#include <stdint.h>

/* cdef begins */
enum {
    SYN_FOREST_TREES_MAX = 256,
    SYN_FOREST_HEIGHT_MAX = 15,
    SYN_FOREST_NODES_MAX = 1048576, /* of all trees */
    SYN_FOREST_INPUTS_MAX = 256,
    SYN_STREAM_VALUES_MAX = 1000000, /* in a window, between two checks, before the first */
    SYN_ADWIN_BUCKETS_MAX = 16,
    SYN_ADWIN_ROWS = 32,            /* sizes of buckets: 1, 2, 4 ... */
    SYN_DRIFT_ANSWERS = 3           /* 1 for a drift and 0 for none; the mean before it; the mean of late */
};

typedef struct {
    uint32_t magic, bytes; /* kind and version; size of the whole */
    uint32_t trees, height, inputs, window;
    uint32_t position;     /* rows learnt in this window */
    uint32_t has_profile;  /* a window was completed: its masses are what is usual */
    uint32_t learns_range; /* rows are scaled to 0..1 by what was seen so far; else splits lie within the given range */
    uint32_t unused;
    /* double low[inputs], high[inputs]; syn_split [trees][2^height - 1]; syn_mass [trees][2^(height + 1) - 1].
     * The children of node i are 2 i + 1 and 2 i + 2. */
} syn_forest;

typedef struct {
    double at;
    uint32_t input, unused;
} syn_split;

typedef struct {
    uint32_t usual, now; /* rows that came by in the window before, and in this one */
} syn_mass;

typedef struct {
    uint32_t magic, bytes;
    uint32_t clock, buckets, shortest, grace;
    uint32_t rows; /* in use */
    uint32_t unused;
    double delta;
    uint64_t ticks, width;
    double total, spread; /* of the window: sum, and sum of squared distances from its mean */
    uint32_t counts[SYN_ADWIN_ROWS];
    /* syn_bucket [SYN_ADWIN_ROWS][buckets + 1], from the oldest */
} syn_adwin;

typedef struct {
    double total, spread;
} syn_bucket;

enum { SYN_BOTH = 0, SYN_UP = 1, SYN_DOWN = 2 };

typedef struct {
    uint32_t magic, bytes;
    uint32_t instances, mode;
    double delta, threshold, alpha;
    uint64_t count;
    double mean, recent;    /* of all values, and of about the last `instances` */
    double up, down;        /* sums of distances from the mean, with delta off and on */
    double lowest, highest; /* of them so far */
} syn_page_hinkley;

/* The size of a state, 0 for what is out of bounds. */
size_t syn_forest_bytes(uint32_t trees, uint32_t height, uint32_t inputs);
size_t syn_adwin_bytes(uint32_t buckets);

/* A new state in memory of that size. Without `range`, which is low and high of each input, it is learnt. What is out of
 * bounds is for `fault` to say. */
void syn_forest_open(void *state, uint32_t trees, uint32_t height, uint32_t inputs, uint32_t window, const double *range,
                     uint64_t seed);
void syn_adwin_open(void *state, double delta, uint32_t clock, uint32_t buckets, uint32_t shortest, uint32_t grace);
void syn_page_hinkley_open(void *state, uint32_t instances, double delta, double threshold, double alpha, uint32_t mode);

/* Why these bytes are no state that such a detector could have come to, null when they are one. */
const char *syn_forest_fault(const void *state, size_t bytes);
const char *syn_adwin_fault(const void *state, size_t bytes);
const char *syn_page_hinkley_fault(const void *state, size_t bytes);

/* Judge each row, then learn it; after a drift all is forgotten. Answers are a score for each row, or SYN_DRIFT_ANSWERS numbers for each value. How many
 * rows were taken: fewer than `count` when the next holds what is no number or beyond those of float32. */
uint32_t syn_forest_run(void *state, const double *rows, uint32_t count, double *answers);
uint32_t syn_adwin_run(void *state, const double *values, uint32_t count, double *answers);
uint32_t syn_page_hinkley_run(void *state, const double *values, uint32_t count, double *answers);
/* cdef ends */

#endif
