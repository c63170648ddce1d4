/* What a variant makes of its `row`: products of many rows, and chains of layers. Included with VARIANT, TARGET and
 *   row(cols, depth, x, w, bias, low, high, y) */
#include "synedge/kernels.h"

#define NAME_OF(kernel, variant) syn_##kernel##__##variant
#define NAME(kernel, variant) NAME_OF(kernel, variant)

TARGET void NAME(f32_gemm, VARIANT)(size_t rows, size_t cols, size_t depth, const float *x, size_t x_stride, const float *w,
                                    const float *bias, float low, float high, float *y, size_t y_stride) {
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) row(cols, depth, x, w, bias, low, high, y);
}

TARGET void NAME(f32_chain, VARIANT)(const syn_op *op, uint32_t count, const uint8_t *constants, uint8_t *arena,
                                     const float *x, float *y) {
    for (const syn_op *end = op + count; op < end; op++) {
        const void *w = constants + (op->in[1] ^ SYN_CONSTANT), *bias = constants + (op->in[2] ^ SYN_CONSTANT);
        void *made = op + 1 < end ? (void *)(arena + op->out) : y;
        row(op->cols, op->depth, x, w, bias, op->f32_low, op->f32_high, made);
        x = made;
    }
}
