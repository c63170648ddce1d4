/* Back-propagation (Rumelhart, Hinton and Williams 1986), a tile of rows at a time, neuron by neuron: every row of a matrix
 * here is one value over the rows of the tile. */
#include <string.h>

#include "../subnormal.h"
#include "train.h"

syn_tile syn_tile_of(const syn_mlp *mlp, float *scratch) {
    const size_t part = (size_t)mlp->values * SYN_TILE;
    syn_tile t = {scratch, scratch + part, scratch + 2 * part, scratch + 3 * part, NULL};
    t.row = t.wanted + (size_t)mlp->outputs * SYN_TILE;
    return t;
}

size_t syn_train_scratch_floats(const syn_mlp *mlp) {
    return ((size_t)3 * mlp->values + mlp->outputs) * SYN_TILE + mlp->values;
}

void syn_take(uint32_t cols, uint32_t stride, const float *columns, uint32_t first, const uint32_t *order, size_t rows,
              float *out, size_t out_stride) {
    for (uint32_t c = 0; c < cols; c++, columns += stride, out += out_stride) {
        if (order) {
            for (size_t r = 0; r < rows; r++) out[r] = columns[order[r]];
        } else {
            memcpy(out, columns + first, rows * sizeof *out);
        }
        for (size_t r = rows; r < syn_whole(rows); r++) out[r] = 0;
    }
}

static void softmax(const syn_dense *layer, size_t rows, float *values, float *row) {
    for (size_t r = 0; r < rows; r++) {
        for (uint32_t u = 0; u < layer->units; u++) row[u] = values[u * SYN_TILE + r];
        syn_kernels.f32_softmax(layer->units, 1, row, row);
        for (uint32_t u = 0; u < layer->units; u++) values[u * SYN_TILE + r] = row[u];
    }
}

static int is_softmax(const syn_mlp *mlp, const syn_dense *layer) {
    return mlp->activation[layer->at - mlp->inputs] == SYN_SOFTMAX;
}

void syn_forward(const syn_mlp *mlp, const float *weights, size_t rows, syn_tile t, int with_slopes) {
    for (const syn_dense *layer = mlp->layers; layer < mlp->layers + mlp->layers_count; layer++) {
        const float *own = weights + layer->weights;
        float *values = t.values + (size_t)layer->at * SYN_TILE, *slopes = t.slopes + (size_t)layer->at * SYN_TILE;
        syn_kernels.f32_gemm_nn(layer->units, syn_whole(rows), layer->depth, own, layer->depth, 1,
                                t.values + (size_t)layer->from * SYN_TILE, SYN_TILE, own + (size_t)layer->units * layer->depth,
                                values, SYN_TILE);
        if (is_softmax(mlp, layer)) {
            softmax(layer, syn_whole(rows), values, t.row);
            continue;
        }
        for (uint32_t u = 0; u < layer->units; u++) {
            const uint32_t number = layer->at - mlp->inputs + u;
            syn_activate(mlp->activation[number], mlp->steepness[number], syn_whole(rows), values + u * SYN_TILE,
                         with_slopes ? slopes + u * SYN_TILE : NULL);
        }
    }
}

double syn_outputs_loss(const syn_mlp *mlp, size_t rows, syn_tile t) {
    double sum = 0;
    for (uint32_t o = 0; o < mlp->outputs; o++) {
        const uint32_t value = mlp->values - mlp->outputs + o;
        float *errors = t.errors + (size_t)value * SYN_TILE;
        sum += syn_loss(mlp->loss, mlp->activation[value - mlp->inputs], rows, t.values + (size_t)value * SYN_TILE,
                        t.wanted + (size_t)o * SYN_TILE, errors);
        for (size_t r = rows; r < syn_whole(rows); r++) errors[r] = 0;
    }
    return sum;
}

/* Errors of a layer by what it makes into those by its sums. */
static void to_sums(const syn_mlp *mlp, const syn_dense *layer, size_t rows, syn_tile t, int is_last) {
    float *errors = t.errors + (size_t)layer->at * SYN_TILE;
    const float *values = t.values + (size_t)layer->at * SYN_TILE, *slopes = t.slopes + (size_t)layer->at * SYN_TILE;
    const int is_joined = is_last && syn_is_joined(mlp->loss, mlp->activation[layer->at - mlp->inputs]);
    if (!is_softmax(mlp, layer)) {
        for (uint32_t u = 0; u < layer->units; u++) {
            const float steepness = mlp->steepness[layer->at - mlp->inputs + u];
            for (size_t i = u * SYN_TILE; i < u * SYN_TILE + syn_whole(rows); i++) errors[i] *= is_joined ? steepness : slopes[i];
        }
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        float sum = 0;
        for (uint32_t u = 0; u < layer->units; u++) {
            sum += is_joined ? t.wanted[u * SYN_TILE + r] : errors[u * SYN_TILE + r] * values[u * SYN_TILE + r];
        }
        for (uint32_t u = 0; u < layer->units; u++) {
            float *error = &errors[u * SYN_TILE + r];
            const float value = values[u * SYN_TILE + r];
            *error = is_joined ? value * sum - t.wanted[u * SYN_TILE + r] : value * (*error - sum);
        }
    }
}

float syn_sum(size_t rows, const float *x) {
    float lane[SYN_PANEL] = {0};
    for (size_t r = 0; r < rows; r += SYN_PANEL) {
        for (size_t l = 0; l < SYN_PANEL; l++) lane[l] += x[r + l];
    }
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

void syn_backward(const syn_mlp *mlp, const float *weights, size_t rows, syn_tile t, int with_inputs, float *gradient) {
    const size_t padded = syn_whole(rows), hidden = mlp->values - mlp->outputs;
    const uint32_t first = with_inputs ? 0 : mlp->inputs;
    memset(t.errors, 0, hidden * SYN_TILE * sizeof *t.errors);
    for (const syn_dense *layer = mlp->layers + mlp->layers_count; layer-- > mlp->layers;) {
        const float *errors = t.errors + (size_t)layer->at * SYN_TILE, *own = weights + layer->weights;
        float *slope = gradient + layer->weights;
        to_sums(mlp, layer, rows, t, layer == mlp->layers + mlp->layers_count - 1);
        syn_kernels.f32_gemm_nt(layer->units, layer->depth, padded, errors, SYN_TILE, t.values + (size_t)layer->from * SYN_TILE,
                                SYN_TILE, slope, layer->depth);
        for (uint32_t u = 0; u < layer->units; u++) {
            slope[(size_t)layer->units * layer->depth + u] += syn_sum(padded, errors + u * SYN_TILE);
        }
        const uint32_t from = layer->from < first ? first : layer->from, end = layer->from + layer->depth;
        if (from < end) {
            syn_kernels.f32_gemm_nn(end - from, padded, layer->units, own + (from - layer->from), 1, layer->depth, errors,
                                    SYN_TILE, NULL, t.errors + (size_t)from * SYN_TILE, SYN_TILE);
        }
    }
}

double syn_train_gradient(const syn_mlp *mlp, const syn_columns *set, const float *weights, uint32_t first,
                          const uint32_t *order, uint32_t count, float *gradient, float *scratch) {
    const syn_float_mode before = syn_flush_subnormals();
    const syn_tile t = syn_tile_of(mlp, scratch);
    double loss = 0;
    for (uint32_t done = 0; done < count; done += SYN_TILE) {
        const size_t rows = count - done < SYN_TILE ? count - done : SYN_TILE;
        const uint32_t *which = order ? order + done : NULL;
        syn_take(mlp->inputs, set->stride, set->given, first + done, which, rows, t.values, SYN_TILE);
        syn_take(mlp->outputs, set->stride, set->wanted, first + done, which, rows, t.wanted, SYN_TILE);
        syn_forward(mlp, weights, rows, t, 1);
        loss += syn_outputs_loss(mlp, rows, t);
        syn_backward(mlp, weights, rows, t, 0, gradient);
    }
    syn_restore_subnormals(before);
    return loss;
}

void syn_train_answers(const syn_mlp *mlp, const syn_columns *set, const float *weights, float *scratch, float *answers) {
    const syn_float_mode before = syn_flush_subnormals();
    const syn_tile t = syn_tile_of(mlp, scratch);
    for (uint32_t done = 0; done < set->rows; done += SYN_TILE) {
        const size_t rows = set->rows - done < SYN_TILE ? set->rows - done : SYN_TILE;
        syn_take(mlp->inputs, set->stride, set->given, done, NULL, rows, t.values, SYN_TILE);
        syn_forward(mlp, weights, rows, t, 0);
        const float *outputs = t.values + (size_t)(mlp->values - mlp->outputs) * SYN_TILE;
        for (size_t r = 0; r < rows; r++) {
            for (uint32_t o = 0; o < mlp->outputs; o++) *answers++ = outputs[o * SYN_TILE + r];
        }
    }
    syn_restore_subnormals(before);
}

/* Of several outputs, the largest says which; the first of equals. */
static uint32_t largest(uint32_t outputs, const float *values) {
    uint32_t best = 0;
    for (uint32_t o = 1; o < outputs; o++) {
        if (values[o * SYN_TILE] > values[best * SYN_TILE]) best = o;
    }
    return best;
}

uint32_t syn_wrong(const syn_mlp *mlp, size_t rows, syn_tile t, float middle) {
    const float *outputs = t.values + (size_t)(mlp->values - mlp->outputs) * SYN_TILE;
    uint32_t wrong = 0;
    for (size_t r = 0; r < rows; r++) {
        if (mlp->outputs > 1) {
            wrong += largest(mlp->outputs, outputs + r) != largest(mlp->outputs, t.wanted + r);
        } else {
            wrong += (outputs[r] > middle) != (t.wanted[r] > middle);
        }
    }
    return wrong;
}

double syn_train_test(const syn_mlp *mlp, const syn_columns *set, const float *weights, float middle, float *scratch,
                      uint32_t *wrong) {
    const syn_float_mode before = syn_flush_subnormals();
    const syn_tile t = syn_tile_of(mlp, scratch);
    double loss = 0;
    *wrong = 0;
    for (uint32_t done = 0; done < set->rows; done += SYN_TILE) {
        const size_t rows = set->rows - done < SYN_TILE ? set->rows - done : SYN_TILE;
        syn_take(mlp->inputs, set->stride, set->given, done, NULL, rows, t.values, SYN_TILE);
        syn_take(mlp->outputs, set->stride, set->wanted, done, NULL, rows, t.wanted, SYN_TILE);
        syn_forward(mlp, weights, rows, t, 0);
        loss += syn_outputs_loss(mlp, rows, t);
        *wrong += syn_wrong(mlp, rows, t, middle);
    }
    syn_restore_subnormals(before);
    return loss;
}

double syn_residuals(const syn_mlp *mlp, const syn_columns *set, const float *weights, float *scratch, float *residual) {
    const syn_float_mode before = syn_flush_subnormals();
    const syn_tile t = syn_tile_of(mlp, scratch);
    double squares = 0;
    for (uint32_t done = 0; done < set->rows; done += SYN_TILE) {
        const size_t rows = set->rows - done < SYN_TILE ? set->rows - done : SYN_TILE;
        syn_take(mlp->inputs, set->stride, set->given, done, NULL, rows, t.values, SYN_TILE);
        syn_forward(mlp, weights, rows, t, 0);
        const float *outputs = t.values + (size_t)(mlp->values - mlp->outputs) * SYN_TILE;
        for (uint32_t o = 0; o < mlp->outputs; o++) {
            const float *wanted = set->wanted + (size_t)o * set->stride + done;
            float *out = residual + (size_t)o * set->stride + done;
            for (size_t r = 0; r < rows; r++) out[r] = outputs[o * SYN_TILE + r] - wanted[r];
        }
    }
    for (uint32_t o = 0; o < mlp->outputs; o++, residual += set->stride) {
        double sum = 0;
        for (uint32_t r = 0; r < set->rows; r++) sum += (double)residual[r];
        for (uint32_t r = 0; r < set->rows; r++) squares += (double)residual[r] * (double)residual[r];
        for (uint32_t r = 0; r < set->rows; r++) residual[r] -= (float)(sum / set->rows);
        for (uint32_t r = set->rows; r < set->stride; r++) residual[r] = 0;
    }
    syn_restore_subnormals(before);
    return squares;
}

void syn_columns_of(uint32_t rows, uint32_t cols, uint32_t stride, const float *by_rows, float *columns) {
    for (uint32_t c = 0; c < cols; c++, columns += stride) {
        for (uint32_t r = 0; r < rows; r++) columns[r] = by_rows[(size_t)r * cols + c];
        for (uint32_t r = rows; r < stride; r++) columns[r] = 0;
    }
}
