/* Pools: the mean or the largest of the pixels that a window really covers. */
#include "fixedpoint.h"
#include "ops.h"

typedef struct {
    size_t y0, y1, x0, x1;
} area;

static size_t at_least_0(ptrdiff_t value) { return value < 0 ? 0 : (size_t)value; }
static size_t at_most(ptrdiff_t value, size_t bound) { return value > (ptrdiff_t)bound ? bound : (size_t)value; }

static area covered(const syn_window *w, uint32_t row, uint32_t col) {
    ptrdiff_t top = (ptrdiff_t)row * (ptrdiff_t)w->stride_h - (ptrdiff_t)w->pad_top;
    ptrdiff_t left = (ptrdiff_t)col * (ptrdiff_t)w->stride_w - (ptrdiff_t)w->pad_left;
    return (area){at_least_0(top), at_most(top + (ptrdiff_t)w->kernel_h, w->in_h), at_least_0(left),
                  at_most(left + (ptrdiff_t)w->kernel_w, w->in_w)};
}

static float f32_pixel(const syn_op *op, const float *x, area in, size_t channel) {
    const syn_window *w = &op->window;
    const int is_mean = op->kind == SYN_OP_F32_AVGPOOL;
    float sum = 0, most = x[(in.y0 * w->in_w + in.x0) * w->in_c + channel];
    for (size_t y = in.y0; y < in.y1; y++) {
        for (size_t at = in.x0; at < in.x1; at++) {
            float value = x[(y * w->in_w + at) * w->in_c + channel];
            sum += value;
            most = value > most || value != value ? value : most;
        }
    }
    float result = is_mean ? sum / (float)((in.y1 - in.y0) * (in.x1 - in.x0)) : most;
    float above = result < op->f32_low ? op->f32_low : result;
    return above > op->f32_high ? op->f32_high : above;
}

/* TFLite rounds the mean half away from zero. */
static int8_t s8_pixel(const syn_op *op, const int8_t *x, area in, size_t channel) {
    const syn_window *w = &op->window;
    const int32_t count = (int32_t)((in.y1 - in.y0) * (in.x1 - in.x0));
    int32_t sum = 0, most = INT8_MIN;
    for (size_t y = in.y0; y < in.y1; y++) {
        for (size_t at = in.x0; at < in.x1; at++) {
            int32_t value = x[(y * w->in_w + at) * w->in_c + channel];
            sum += value;
            most = value > most ? value : most;
        }
    }
    int32_t mean = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
    return (int8_t)syn_clamp(op->kind == SYN_OP_S8_AVGPOOL ? mean : most, op->low, op->high);
}

#define POOL(type, pixel)                                                                                              \
    const syn_window *w = &op->window;                                                                                 \
    const type *x = syn_in(op, memory, 0);                                                                             \
    type *y = syn_out(op, memory);                                                                                     \
    for (uint32_t b = 0; b < w->batches; b++, x += (size_t)w->in_h * w->in_w * w->in_c) {                              \
        for (uint32_t i = 0; i < w->out_h * w->out_w; i++) {                                                           \
            const area in = covered(w, i / w->out_w, i % w->out_w);                                                    \
            for (uint32_t c = 0; c < w->in_c; c++) *y++ = pixel(op, x, in, c);                                         \
        }                                                                                                              \
    }

void syn_run_f32_pool(const syn_op *op, syn_memory memory) { POOL(float, f32_pixel) }

void syn_run_s8_pool(const syn_op *op, syn_memory memory) { POOL(int8_t, s8_pixel) }
