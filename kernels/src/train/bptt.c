/* Truncated back-propagation through time (Williams and Peng 1990) for a gated recurrent layer (Cho et al. 2014, the form in
 * which r acts behind the product). Every row of a matrix here is one value over the sequences of the tile. */
#include "synedge/bptt.h"

#include <math.h>
#include <string.h>

#include "../subnormal.h"
#include "train.h"

/* What one tile of sequences needs: `n` of them, whole panels; x, gates, of_h, h and errors of each step of a window. */
typedef struct {
    size_t n, rows;
    float *x, *gates, *of_h, *h, *errors; /* of step t at t * (width * n) */
    float *start;                         /* the state before the window [units][n] */
    float *carry, *work, *by_x, *by_h;    /* [units][n], [3 units][n] each */
    syn_tile head;
} span;

static span span_of(const syn_gru *gru, uint32_t window, size_t rows, float *scratch) {
    const size_t n = syn_whole(rows), units = gru->units;
    span s = {.n = n, .rows = rows, .head = syn_tile_of(gru->head, scratch)};
    float *at = scratch + syn_train_scratch_floats(gru->head);
    s.start = at, at += units * n;
    s.carry = at, at += units * n;
    s.work = at, at += 3 * units * n;
    s.by_x = at, at += 3 * units * n;
    s.by_h = at, at += 3 * units * n;
    s.x = at, at += (size_t)window * gru->inputs * n;
    s.gates = at, at += (size_t)window * 3 * units * n;
    s.of_h = at, at += (size_t)window * units * n;
    s.h = at, at += (size_t)window * units * n;
    s.errors = at;
    return s;
}

size_t syn_gru_scratch_floats(const syn_gru *gru, uint32_t window) {
    const size_t units = gru->units;
    return syn_train_scratch_floats(gru->head) + (11 * units + (size_t)window * (gru->inputs + 6 * units)) * SYN_STREAMS;
}

/* The four parts of the layer's parameters. */
typedef struct {
    size_t x, x_bias, h, h_bias, head;
} parts;

static parts parts_of(const syn_gru *gru) {
    const size_t gates = (size_t)3 * gru->units;
    const parts p = {0, gates * gru->inputs, gates * gru->inputs + gates, gates * (gru->inputs + 1 + gru->units),
                     gates * (gru->inputs + 1 + gru->units) + gates};
    return p;
}

static void step_forward(const syn_gru *gru, const float *weights, span s, const float *x, const float *before, float *gates,
                         float *of_h, float *h) {
    const size_t units = gru->units, n = s.n, count = units * n;
    const parts p = parts_of(gru);
    syn_kernels.f32_gemm_nn(3 * units, n, gru->inputs, weights + p.x, gru->inputs, 1, x, n, weights + p.x_bias, gates, n);
    syn_kernels.f32_gemm_nn(3 * units, n, units, weights + p.h, units, 1, before, n, weights + p.h_bias, s.work, n);
    for (size_t i = 0; i < 2 * count; i++) gates[i] += s.work[i];
    syn_kernels.f32_logistic(2 * count, gates, gates);
    memcpy(of_h, s.work + 2 * count, count * sizeof *of_h);
    const float *z = gates, *r = gates + count;
    float *candidate = gates + 2 * count;
    for (size_t i = 0; i < count; i++) candidate[i] += r[i] * of_h[i];
    syn_kernels.f32_tanh(count, candidate, candidate);
    for (size_t i = 0; i < count; i++) h[i] = (1 - z[i]) * candidate[i] + z[i] * before[i];
}

/* From the errors of all states of a window, those that come from later steps included, to the gradient of the layer. */
static void steps_backward(const syn_gru *gru, const float *weights, span s, uint32_t steps, float *gradient) {
    const size_t units = gru->units, n = s.n, count = units * n;
    const parts p = parts_of(gru);
    memset(s.carry, 0, count * sizeof *s.carry);
    for (uint32_t t = steps; t-- > 0;) {
        const float *z = s.gates + t * 3 * count, *r = z + count, *candidate = r + count, *of_h = s.of_h + t * count;
        const float *before = t ? s.h + (t - 1) * count : s.start, *errors = s.errors + t * count;
        for (size_t i = 0; i < count; i++) {
            const float error = errors[i] + s.carry[i];
            const float of_n = error * (1 - z[i]) * (1 - candidate[i] * candidate[i]);
            s.by_x[i] = s.by_h[i] = error * (before[i] - candidate[i]) * z[i] * (1 - z[i]);
            s.by_x[count + i] = s.by_h[count + i] = of_n * of_h[i] * r[i] * (1 - r[i]);
            s.by_x[2 * count + i] = of_n;
            s.by_h[2 * count + i] = of_n * r[i];
            s.carry[i] = error * z[i];
        }
        const float *x = s.x + t * gru->inputs * n;
        syn_kernels.f32_gemm_nt(3 * units, gru->inputs, n, s.by_x, n, x, n, gradient + p.x, gru->inputs);
        syn_kernels.f32_gemm_nt(3 * units, units, n, s.by_h, n, before, n, gradient + p.h, units);
        for (size_t g = 0; g < 3 * units; g++) {
            gradient[p.x_bias + g] += syn_sum(n, s.by_x + g * n);
            gradient[p.h_bias + g] += syn_sum(n, s.by_h + g * n);
        }
        syn_kernels.f32_gemm_nn(units, n, 3 * units, weights + p.h, 1, units, s.by_h, n, NULL, s.carry, n);
    }
}

/* A state into the head, and the head's outputs. */
static void head_forward(const syn_gru *gru, const float *weights, span s, const float *h, int with_slopes) {
    for (size_t u = 0; u < gru->units; u++) memcpy(s.head.values + u * SYN_TILE, h + u * s.n, s.n * sizeof *h);
    syn_forward(gru->head, weights + parts_of(gru).head, s.rows, s.head, with_slopes);
}

/* Which sequences of the set, and which steps of them. */
typedef struct {
    uint32_t first;
    const uint32_t *order;
    uint32_t step, steps;
} part;

static void take_step(const syn_gru *gru, const syn_sequences *set, part which, uint32_t t, span s, float *x) {
    const size_t step = which.step + t, stride = set->stride;
    syn_take(gru->inputs, set->stride, set->given + step * gru->inputs * stride, which.first, which.order, s.rows, x, s.n);
    syn_take(gru->head->outputs, set->stride, set->wanted + step * gru->head->outputs * stride, which.first, which.order, s.rows,
             s.head.wanted, SYN_TILE);
}

/* One window: loss and gradient; `start` becomes the state after it. */
static double window_gradient(const syn_gru *gru, const syn_sequences *set, const float *weights, part which, span s,
                              float *gradient) {
    const size_t count = (size_t)gru->units * s.n;
    double loss = 0;
    for (uint32_t t = 0; t < which.steps; t++) {
        float *x = s.x + t * gru->inputs * s.n, *h = s.h + t * count, *errors = s.errors + t * count;
        take_step(gru, set, which, t, s, x);
        step_forward(gru, weights, s, x, t ? h - count : s.start, s.gates + t * 3 * count, s.of_h + t * count, h);
        memset(errors, 0, count * sizeof *errors);
        if (which.step + t < set->skip) continue;
        head_forward(gru, weights, s, h, 1);
        loss += syn_outputs_loss(gru->head, s.rows, s.head);
        syn_backward(gru->head, weights + parts_of(gru).head, s.rows, s.head, 1, gradient + parts_of(gru).head);
        for (size_t u = 0; u < gru->units; u++) memcpy(errors + u * s.n, s.head.errors + u * SYN_TILE, s.n * sizeof *errors);
    }
    steps_backward(gru, weights, s, which.steps, gradient);
    memcpy(s.start, s.h + (which.steps - 1) * count, count * sizeof *s.start);
    return loss;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

double syn_gru_gradient(const syn_gru *gru, const syn_sequences *set, const float *weights, uint32_t window, float *gradient,
                        float *scratch) {
    const syn_float_mode mode = syn_flush_subnormals();
    double loss = 0;
    for (uint32_t first = 0; first < set->sequences; first += SYN_STREAMS) {
        span s = span_of(gru, window, least(set->sequences - first, SYN_STREAMS), scratch);
        memset(s.start, 0, gru->units * s.n * sizeof *s.start);
        for (uint32_t step = 0; step < set->steps; step += window) {
            const part which = {first, NULL, step, least(set->steps - step, window)};
            loss += window_gradient(gru, set, weights, which, s, gradient);
        }
    }
    syn_restore_subnormals(mode);
    return loss;
}

/* How many steps of a window are judged. */
static uint32_t judged(const syn_sequences *set, uint32_t step, uint32_t steps) {
    const uint32_t end = step + steps;
    return end <= set->skip ? 0 : end - (step > set->skip ? step : set->skip);
}

static int apply(syn_gru_training *training, double loss, uint32_t rows) {
    const uint32_t count = training->gru->parameters;
    if (!isfinite(loss) || syn_any_wild(count, training->gradient)) return 0;
    if (!rows) return 1;
    syn_train_step(training->rule, count, training->gradient, 1.0f / (float)rows, NULL, ++training->steps, training->weights,
                   training->first, training->second);
    return 1;
}

/* A step after each window of each group of sequences. */
static double groups_epoch(syn_gru_training *training) {
    const syn_sequences *set = training->set;
    const syn_gru *gru = training->gru;
    double loss = 0;
    syn_shuffle(&training->random, set->sequences, training->order);
    for (uint32_t first = 0; first < set->sequences; first += training->batch) {
        span s = span_of(gru, training->window, least(set->sequences - first, training->batch), training->scratch);
        memset(s.start, 0, gru->units * s.n * sizeof *s.start);
        for (uint32_t step = 0; step < set->steps; step += training->window) {
            const part which = {0, training->order + first, step, least(set->steps - step, training->window)};
            memset(training->gradient, 0, gru->parameters * sizeof *training->gradient);
            loss += window_gradient(gru, set, training->weights, which, s, training->gradient);
            if (!apply(training, loss, (uint32_t)s.rows * judged(set, step, which.steps))) return NAN;
        }
    }
    return loss;
}

double syn_gru_epoch(syn_gru_training *training) {
    const syn_float_mode mode = syn_flush_subnormals();
    const syn_sequences *set = training->set;
    const size_t bytes = training->gru->parameters * sizeof *training->weights;
    const int is_whole = training->batch >= set->sequences;
    double loss;
    if (is_whole) {
        memset(training->gradient, 0, bytes);
        loss = syn_gru_gradient(training->gru, set, training->weights, training->window, training->gradient, training->scratch);
        const int is_finite = isfinite(loss) && !syn_any_wild(training->gru->parameters, training->gradient);
        if (is_finite) memcpy(training->kept, training->weights, bytes);
        if (!apply(training, loss, set->sequences * judged(set, 0, set->steps))) loss = NAN;
    } else {
        memcpy(training->kept, training->weights, bytes);
        loss = groups_epoch(training);
    }
    if (!isfinite(loss) || syn_any_wild(training->gru->parameters, training->weights)) {
        memcpy(training->weights, training->kept, bytes);
        loss = NAN;
    }
    syn_restore_subnormals(mode);
    return loss;
}

double syn_gru_test(const syn_gru *gru, const syn_sequences *set, const float *weights, float middle, float *scratch,
                    uint32_t *wrong, float *answers) {
    const syn_float_mode mode = syn_flush_subnormals();
    const uint32_t outputs = gru->head->outputs;
    double loss = 0;
    *wrong = 0;
    for (uint32_t first = 0; first < set->sequences; first += SYN_STREAMS) {
        span s = span_of(gru, 1, least(set->sequences - first, SYN_STREAMS), scratch);
        memset(s.start, 0, gru->units * s.n * sizeof *s.start);
        for (uint32_t t = 0; t < set->steps; t++) {
            take_step(gru, set, (part){first, NULL, t, 1}, 0, s, s.x);
            step_forward(gru, weights, s, s.x, s.start, s.gates, s.of_h, s.h);
            memcpy(s.start, s.h, gru->units * s.n * sizeof *s.start);
            head_forward(gru, weights, s, s.h, 0);
            const float *made = s.head.values + (size_t)(gru->head->values - outputs) * SYN_TILE;
            for (size_t r = 0; answers && r < s.rows; r++) {
                float *row = answers + ((first + r) * set->steps + t) * outputs;
                for (uint32_t o = 0; o < outputs; o++) row[o] = made[o * SYN_TILE + r];
            }
            if (t < set->skip) continue;
            loss += syn_outputs_loss(gru->head, s.rows, s.head);
            *wrong += syn_wrong(gru->head, s.rows, s.head, middle);
        }
    }
    syn_restore_subnormals(mode);
    return loss;
}

void syn_sequences_of(uint32_t sequences, uint32_t steps, uint32_t cols, uint32_t stride, const float *by_rows, float *columns) {
    for (uint32_t t = 0; t < steps; t++) {
        for (uint32_t c = 0; c < cols; c++, columns += stride) {
            for (uint32_t s = 0; s < stride; s++) {
                columns[s] = s < sequences ? by_rows[((size_t)s * steps + t) * cols + c] : 0;
            }
        }
    }
}
