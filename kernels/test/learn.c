/* Training on random networks and sets, in memory of exactly the size that is asked for: nothing outside is touched, every
 * variant finds the gradient of the scalar one, and what is finite stays finite.
 *
 *   learn CASES SEED   exit 0: all is well
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synedge/bptt.h"
#include "synedge/kernels.h"

enum { LAYERS = 3, UNITS = 9, INPUTS = 7, ROWS = 300, NEURONS = LAYERS * UNITS };

static uint64_t chance_state;
static uint32_t chance(uint32_t below) {
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (uint32_t)(chance_state >> 32) % below;
}

static float *floats(size_t count) {
    float *made = count ? calloc(count, sizeof *made) : NULL;
    if (count && !made) abort();
    return made;
}

static float *noise(size_t count) {
    float *made = floats(count);
    for (size_t i = 0; i < count; i++) made[i] = (float)chance(2001) / 1000.0f - 1.0f;
    return made;
}

typedef struct {
    syn_mlp mlp;
    syn_dense layers[LAYERS];
    uint32_t activation[NEURONS];
    float steepness[NEURONS];
} network;

/* `inputs` of the first layer; shortcut or layered; any activations, and a softmax now and then. */
static void any_network(network *net, uint32_t inputs) {
    const uint32_t count = 1 + chance(LAYERS), is_shortcut = chance(2);
    uint32_t at = inputs, before = inputs, weights = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t units = 1 + chance(UNITS), depth = is_shortcut ? at : before;
        net->layers[i] = (syn_dense){at - depth, depth, at, units, weights};
        const uint32_t is_softmax = i + 1 == count && chance(3) == 0;
        for (uint32_t u = 0; u < units; u++) {
            net->activation[at - inputs + u] = is_softmax ? SYN_SOFTMAX : chance(SYN_SOFTMAX);
            net->steepness[at - inputs + u] = is_softmax ? 1.0f : (float)(1 + chance(4)) / 4.0f;
        }
        weights += (depth + 1) * units;
        at += units;
        before = units;
    }
    const uint32_t outputs = net->layers[count - 1].units;
    const uint32_t loss = net->activation[at - inputs - 1] == SYN_SOFTMAX ? SYN_CROSS_ENTROPY * chance(2) : chance(2);
    net->mlp = (syn_mlp){net->layers, count, inputs, at, outputs, weights, loss, net->activation, net->steepness};
}

static int near(uint32_t count, const float *a, const float *b) {
    float most = 1;
    for (uint32_t i = 0; i < count; i++) most = fmaxf(most, fabsf(a[i]));
    for (uint32_t i = 0; i < count; i++) {
        if (!(fabsf(a[i] - b[i]) <= 1e-3f * most)) return 0;
    }
    return 1;
}

static int all_finite(uint32_t count, const float *x) {
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(x[i])) return 0;
    }
    return 1;
}

static syn_rule any_rule(void) {
    const syn_rule rule = {.kind = chance(SYN_RULES), .rate = 0.01f, .momentum = 0.5f, .beta1 = 0.9f, .beta2 = 0.999f,
                           .epsilon = 1e-8f, .increase = 1.2f, .decrease = 0.5f, .step_min = 0, .step_max = 1,
                           .growth = 1.75f, .decay = -1e-6f};
    return rule;
}

static int step_function(uint32_t kind) { /* where the last bit of a sum decides, variants may differ */
    return kind == SYN_THRESHOLD || kind == SYN_THRESHOLD_SYMMETRIC;
}

/* A pool of candidates for one more neuron. */
static int train_candidates(const syn_mlp *mlp, const syn_columns *set, const syn_rule *rule, const float *weights,
                            float *scratch) {
    const uint32_t units = 1 + chance(UNITS), own = units * (mlp->inputs + 1);
    const size_t wide = (size_t)units * set->stride;
    float *residual = floats((size_t)set->stride * mlp->outputs);
    syn_residuals(mlp, set, weights, scratch, residual);
    double scores[UNITS];
    uint32_t kinds[UNITS];
    float steepness[UNITS];
    for (uint32_t u = 0; u < units; u++) {
        kinds[u] = chance(SYN_SOFTMAX);
        steepness[u] = 0.5f;
    }
    float *const part[] = {noise(own),   floats(own),  floats(own),  floats(own),
                           floats(wide), floats(wide), floats(wide), floats((size_t)units * mlp->outputs)};
    const syn_candidates pool = {units, mlp->inputs, set->rows, set->stride, mlp->outputs, kinds, steepness, set->given, residual,
                                 part[0], part[1], part[2], part[3], part[4], part[5], part[6], part[7]};
    for (uint64_t step = 1; step < 4; step++) syn_candidates_epoch(&pool, step < 3 ? rule : NULL, step, scores);
    const int good = all_finite(own, part[0]);
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) free(part[i]);
    free(residual);
    return good;
}

static int train_perceptron(void) {
    network net;
    any_network(&net, 1 + chance(INPUTS));
    const syn_mlp *mlp = &net.mlp;
    const uint32_t rows = 1 + chance(ROWS), stride = (rows + 7) / 8 * 8, count = mlp->parameters;
    float *by_rows = noise((size_t)rows * (mlp->inputs + mlp->outputs));
    for (size_t i = (size_t)rows * mlp->inputs; i < (size_t)rows * (mlp->inputs + mlp->outputs); i++) {
        by_rows[i] = fabsf(by_rows[i]);
    }
    float *given = floats((size_t)stride * mlp->inputs), *wanted = floats((size_t)stride * mlp->outputs);
    syn_columns_of(rows, mlp->inputs, stride, by_rows, given);
    syn_columns_of(rows, mlp->outputs, stride, by_rows + (size_t)rows * mlp->inputs, wanted);
    const syn_columns set = {rows, stride, given, wanted};
    const syn_rule rule = any_rule();
    float *scratch = floats(syn_train_scratch_floats(mlp)), *weights = noise(count), *kept = noise(count);
    float *gradient = floats(count), *other = floats(count), *first = floats(count), *second = noise(count);
    memcpy(kept, weights, count * sizeof *kept);
    syn_select("scalar");
    syn_train_gradient(mlp, &set, weights, 0, NULL, rows, gradient, scratch);
    syn_select(NULL);
    syn_train_gradient(mlp, &set, weights, 0, NULL, rows, other, scratch);
    int good = near(count, gradient, other);
    for (uint32_t i = 0; i < mlp->values - mlp->inputs; i++) good |= step_function(net.activation[i]);
    uint32_t *order = malloc(rows * sizeof *order), wrong;
    for (uint32_t i = 0; i < rows; i++) order[i] = i;
    for (uint32_t i = 0; i < count; i++) second[i] = fabsf(second[i]);
    syn_training training = {mlp, &set, &rule, weights, gradient, first, second, kept, scratch, NULL, order, 1 + chance(rows + 9),
                             chance_state, 0};
    for (int epoch = 0; epoch < 3; epoch++) syn_train_epoch(&training);
    float *answers = floats((size_t)rows * mlp->outputs);
    syn_train_answers(mlp, &set, weights, scratch, answers);
    syn_train_test(mlp, &set, weights, 0, scratch, &wrong);
    good &= wrong <= rows && all_finite(count, weights);

    good &= train_candidates(mlp, &set, &rule, weights, scratch);
    float *const all[] = {by_rows, given, wanted, scratch, weights, kept, gradient, other, first, second, answers};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
    free(order);
    return good;
}

static int train_recurrent(void) {
    network net;
    const uint32_t units = 1 + chance(UNITS), inputs = 1 + chance(INPUTS);
    any_network(&net, units);
    const syn_gru gru = {inputs, units, 3 * units * (inputs + units + 2) + net.mlp.parameters, &net.mlp};
    const uint32_t sequences = 1 + chance(70), steps = 1 + chance(9), stride = (sequences + 7) / 8 * 8, window = 1 + chance(10);
    const uint32_t outputs = net.mlp.outputs, count = gru.parameters, is_whole = chance(2);
    const size_t rows = (size_t)sequences * steps;
    float *by_rows = noise(rows * (inputs + outputs));
    for (size_t i = rows * inputs; i < rows * (inputs + outputs); i++) by_rows[i] = fabsf(by_rows[i]);
    float *given = floats((size_t)steps * inputs * stride), *wanted = floats((size_t)steps * outputs * stride);
    syn_sequences_of(sequences, steps, inputs, stride, by_rows, given);
    syn_sequences_of(sequences, steps, outputs, stride, by_rows + rows * inputs, wanted);
    const syn_sequences set = {sequences, steps, stride, chance(steps), given, wanted};
    const syn_rule rule = any_rule();
    float *scratch = floats(syn_gru_scratch_floats(&gru, window)), *weights = noise(count), *kept = noise(count);
    float *gradient = floats(count), *other = floats(count), *first = floats(count), *second = floats(count);
    memcpy(kept, weights, count * sizeof *kept);
    syn_select("scalar");
    syn_gru_gradient(&gru, &set, weights, window, gradient, scratch);
    syn_select(NULL);
    syn_gru_gradient(&gru, &set, weights, window, other, scratch);
    int good = near(count, gradient, other);
    for (uint32_t i = 0; i < net.mlp.values - net.mlp.inputs; i++) good |= step_function(net.activation[i]);
    uint32_t *order = malloc(sequences * sizeof *order), wrong;
    for (uint32_t i = 0; i < sequences; i++) order[i] = i;
    syn_gru_training training = {&gru, &set, &rule, weights, gradient, first, second, kept, scratch, order,
                                 is_whole ? sequences : 1 + chance(SYN_STREAMS), window, chance_state, 0};
    for (int epoch = 0; epoch < 3; epoch++) syn_gru_epoch(&training);
    float *answers = floats(rows * outputs);
    syn_gru_test(&gru, &set, weights, 0, scratch, &wrong, answers);
    good &= wrong <= rows && all_finite(count, weights);
    float *const all[] = {by_rows, given, wanted, scratch, weights, kept, gradient, other, first, second, answers};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
    free(order);
    return good;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const long cases = strtol(argv[1], NULL, 10);
    chance_state = strtoull(argv[2], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (long i = 0; i < cases; i++) {
        const uint64_t before = chance_state;
        if (!(i % 2 ? train_recurrent() : train_perceptron())) {
            printf("case %ld (state %llu) went wrong\n", i, (unsigned long long)before);
            return 1;
        }
    }
    printf("%ld networks trained\n", cases);
    return 0;
}
