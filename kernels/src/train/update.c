/* From gradients to steps, and a whole pass over a training set. */
#include <math.h>
#include <string.h>

#include "../chance.h"
#include "../subnormal.h"
#include "train.h"

#define EACH for (uint32_t i = 0; i < count; i++)

static float sign(float x) { return (float)(x > 0) - (float)(x < 0); }

/* iRPROP- (Igel and Husken 2000): steps grow while the gradient keeps its sign; where it turns they shrink, and one is left
 * out. first: the gradient before; second: the step. */
static void irprop(const syn_rule *rule, uint32_t count, const float *gradient, float *weights, float *first, float *second) {
    EACH {
        const float product = sign(gradient[i]) * sign(first[i]);
        const float factor = product > 0 ? rule->increase : product < 0 ? rule->decrease : 1.0f;
        float step = second[i] * factor;
        step = step > rule->step_max ? rule->step_max : step;
        step = step < rule->step_min ? rule->step_min : step;
        const float used = product < 0 ? 0.0f : gradient[i];
        second[i] = step;
        first[i] = used;
        weights[i] -= sign(used) * step;
    }
}

/* first: velocity. */
static void sgd(const syn_rule *rule, uint32_t count, const float *gradient, float *weights, float *first) {
    EACH {
        first[i] = rule->momentum * first[i] - rule->rate * gradient[i];
        weights[i] += first[i];
    }
}

/* Kingma and Ba 2015. first, second: moments. */
static void adam(const syn_rule *rule, uint32_t count, const float *gradient, uint64_t step, float *weights, float *first,
                 float *second) {
    const double t = (double)step;
    const float rate = (float)(rule->rate * sqrt(1 - pow((double)rule->beta2, t)) / (1 - pow((double)rule->beta1, t)));
    const float epsilon = (float)((double)rule->epsilon * sqrt(1 - pow((double)rule->beta2, t)));
    EACH {
        first[i] += (1 - rule->beta1) * (gradient[i] - first[i]);
        second[i] += (1 - rule->beta2) * (gradient[i] * gradient[i] - second[i]);
        weights[i] -= rate * first[i] / (sqrtf(second[i]) + epsilon);
    }
}

/* Fahlman 1988: a parabola through this slope and the one before leads to the minimum; a step is at most `growth` times the
 * one before, and goes down the slope too while that points the same way. first: slope before; second: step before. */
static float quick(const syn_rule *rule, float slope, float before, float step) {
    const float least = 1e-3f, shrink = rule->growth / (1 + rule->growth);
    const float size = fabsf(step), ahead = step < 0 ? -slope : slope, ahead_before = step < 0 ? -before : before;
    if (size <= least) return rule->rate * slope;
    float next = ahead > 0 ? rule->rate * ahead : 0;
    next += ahead > shrink * ahead_before ? rule->growth * size : size * ahead / (ahead_before - ahead);
    return step < 0 ? -next : next;
}

static void quickprop(const syn_rule *rule, uint32_t count, const float *gradient, float *weights, float *first,
                      float *second) {
    EACH {
        const float slope = rule->decay * weights[i] - gradient[i];
        float step = quick(rule, slope, first[i], second[i]);
        step = step > rule->step_max ? rule->step_max : step < -rule->step_max ? -rule->step_max : step;
        first[i] = slope;
        second[i] = step;
        weights[i] += step;
    }
}

enum { PART = 256 };

void syn_train_step(const syn_rule *rule, uint32_t count, const float *gradient, float scale, const float *mask, uint64_t step,
                    float *weights, float *first, float *second) {
    float scaled[PART];
    for (uint32_t done = 0; done < count; done += PART) {
        const uint32_t part = count - done < PART ? count - done : PART;
        for (uint32_t i = 0; i < part; i++) scaled[i] = gradient[done + i] * scale;
        for (uint32_t i = 0; mask && i < part; i++) scaled[i] *= mask[done + i];
        switch (rule->kind) {
            case SYN_IRPROP: irprop(rule, part, scaled, weights + done, first + done, second + done); break;
            case SYN_SGD: sgd(rule, part, scaled, weights + done, first + done); break;
            case SYN_ADAM: adam(rule, part, scaled, step, weights + done, first + done, second + done); break;
            default: quickprop(rule, part, scaled, weights + done, first + done, second + done);
        }
    }
}

/* Fisher and Yates. */
void syn_shuffle(uint64_t *random, uint32_t count, uint32_t *order) {
    for (uint32_t i = count; i-- > 1;) {
        const uint32_t j = (uint32_t)(syn_random(random) % (i + 1)), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

int syn_any_wild(uint32_t count, const float *x) {
    float sum = 0;
    EACH sum += x[i] * 0.0f; /* a NaN from an infinity or a NaN */
    return sum != 0;
}

static double step_over(syn_training *training, const uint32_t *order, uint32_t rows) {
    const uint32_t count = training->mlp->parameters;
    memset(training->gradient, 0, count * sizeof *training->gradient);
    const double loss = syn_train_gradient(training->mlp, training->set, training->weights, 0, order, rows, training->gradient,
                                           training->scratch);
    if (!isfinite(loss) || syn_any_wild(count, training->gradient)) return NAN;
    if (!order) memcpy(training->kept, training->weights, count * sizeof *training->kept);
    syn_train_step(training->rule, count, training->gradient, 1.0f / (float)rows, training->mask, ++training->steps,
                   training->weights, training->first, training->second);
    return loss;
}

double syn_train_epoch(syn_training *training) {
    const syn_float_mode before = syn_flush_subnormals();
    const uint32_t rows = training->set->rows, count = training->mlp->parameters;
    double loss = 0;
    if (training->batch >= rows) {
        loss = step_over(training, NULL, rows);
    } else {
        memcpy(training->kept, training->weights, count * sizeof *training->kept);
        syn_shuffle(&training->random, rows, training->order);
        for (uint32_t done = 0; done < rows && isfinite(loss); done += training->batch) {
            const uint32_t part = rows - done < training->batch ? rows - done : training->batch;
            loss += step_over(training, training->order + done, part);
        }
    }
    if (!isfinite(loss) || syn_any_wild(count, training->weights)) {
        memcpy(training->weights, training->kept, count * sizeof *training->kept);
        loss = NAN;
    }
    syn_restore_subnormals(before);
    return loss;
}

void syn_uniform(uint64_t *seed, uint32_t count, float spread, float *out) {
    EACH out[i] = spread * ((float)(syn_random(seed) >> 40) / 8388608.0f - 1.0f); /* of 24 bits */
}
