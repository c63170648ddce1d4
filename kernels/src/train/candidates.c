/* The pool of cascade-correlation. */
#include <math.h>
#include <string.h>

#include "../subnormal.h"
#include "train.h"

void syn_candidates_epoch(const syn_candidates *pool, const syn_rule *rule, uint64_t step, double *scores) {
    const syn_float_mode before = syn_flush_subnormals();
    const size_t units = pool->units, depth = pool->depth, stride = pool->stride, outputs = pool->outputs;
    const uint32_t parameters = (uint32_t)(units * (depth + 1));
    syn_kernels.f32_gemm_nn(units, stride, depth, pool->weights, depth, 1, pool->given, stride, pool->weights + units * depth,
                            pool->values, stride);
    for (size_t u = 0; u < units; u++) {
        syn_activate(pool->activation[u], pool->steepness[u], stride, pool->values + u * stride, pool->slopes + u * stride);
    }
    memset(pool->covariance, 0, units * outputs * sizeof *pool->covariance);
    syn_kernels.f32_gemm_nt(units, outputs, stride, pool->values, stride, pool->residual, stride, pool->covariance, outputs);
    for (size_t u = 0; u < units; u++) {
        scores[u] = 0;
        for (size_t o = 0; o < outputs; o++) {
            float *covariance = &pool->covariance[u * outputs + o];
            scores[u] += fabs((double)*covariance);
            *covariance = *covariance < 0 ? 1.0f : -1.0f; /* the way down, which is what rules take */
        }
    }
    memset(pool->errors, 0, units * stride * sizeof *pool->errors);
    syn_kernels.f32_gemm_nn(units, stride, outputs, pool->covariance, outputs, 1, pool->residual, stride, NULL, pool->errors,
                            stride);
    for (size_t i = 0; i < units * stride; i++) pool->errors[i] *= pool->slopes[i];
    memset(pool->gradient, 0, parameters * sizeof *pool->gradient);
    syn_kernels.f32_gemm_nt(units, depth, stride, pool->errors, stride, pool->given, stride, pool->gradient, depth);
    for (size_t u = 0; u < units; u++) pool->gradient[units * depth + u] = syn_sum(stride, pool->errors + u * stride);
    if (rule) syn_train_step(rule, parameters, pool->gradient, 1.0f / (float)pool->rows, NULL, step, pool->weights,
                             pool->first, pool->second);
    syn_restore_subnormals(before);
}
