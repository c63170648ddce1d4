/* Convolutions as matrix products: each output pixel's patch is a row. Where patches already lie in one piece (no padding,
 * whole rows) they are read where they are, otherwise gathered one at a time. */
#include <string.h>

#include "ops.h"

/* Where an output pixel's window begins in the image; negative in the padding. */
static ptrdiff_t begin(uint32_t at, uint32_t stride, uint32_t pad) { return (ptrdiff_t)at * (ptrdiff_t)stride - (ptrdiff_t)pad; }

static int is_inside(const syn_window *w) {
    const uint32_t bottom = (w->out_h - 1) * w->stride_h + (w->kernel_h - 1) * w->dilation_h;
    const uint32_t right = (w->out_w - 1) * w->stride_w + (w->kernel_w - 1) * w->dilation_w;
    return !w->pad_top && !w->pad_left && bottom < w->in_h && right < w->in_w;
}

/* Whether a patch lies in one piece. */
static int is_one_piece(const syn_window *w) {
    int row = w->kernel_w == 1 || w->dilation_w == 1;
    int rows = w->kernel_h == 1 || (w->kernel_w == w->in_w && w->dilation_h == 1);
    return is_inside(w) && row && rows;
}

/* The patch of one output pixel: [kernel_h][kernel_w][in_c * multiplier] elements of `size` bytes; `pad` where the image
 * has ended. With a multiplier every channel stands there that often. */
static void gather(const syn_window *w, const uint8_t *image, size_t size, ptrdiff_t top, ptrdiff_t left, int pad,
                   uint8_t *patch) {
    const size_t repeats = w->multiplier, pixel = w->in_c * size;
    for (uint32_t i = 0; i < w->kernel_h; i++) {
        const ptrdiff_t y = top + (ptrdiff_t)i * (ptrdiff_t)w->dilation_h;
        for (uint32_t j = 0; j < w->kernel_w; j++, patch += pixel * repeats) {
            const ptrdiff_t x = left + (ptrdiff_t)j * (ptrdiff_t)w->dilation_w;
            if (y < 0 || x < 0 || y >= (ptrdiff_t)w->in_h || x >= (ptrdiff_t)w->in_w) {
                memset(patch, pad, pixel * repeats);
                continue;
            }
            const uint8_t *from = image + ((size_t)y * w->in_w + (size_t)x) * pixel;
            if (repeats == 1) {
                memcpy(patch, from, pixel);
                continue;
            }
            for (size_t c = 0; c < w->in_c; c++) {
                for (size_t k = 0; k < repeats; k++) memcpy(patch + (c * repeats + k) * size, from + c * size, size);
            }
        }
    }
}

/* Rows of patches where they lie: how many lie one step apart, so that one product takes them all. */
typedef struct {
    size_t outer, outer_step, inner, inner_step;
} rows_of_patches;

static rows_of_patches in_place(const syn_window *w) {
    const size_t row = (size_t)w->in_w * w->in_c;
    if (w->out_w == 1) return (rows_of_patches){1, 0, w->out_h, w->stride_h * row};
    return (rows_of_patches){w->out_h, w->stride_h * row, w->out_w, (size_t)w->stride_w * w->in_c};
}

void syn_run_f32_conv(const syn_op *op, syn_memory memory) {
    const syn_window *w = &op->window;
    const size_t depth = (size_t)w->kernel_h * w->kernel_w * w->in_c, image = (size_t)w->in_h * w->in_w * w->in_c;
    const float *x = syn_in(op, memory, 0), *weights = syn_in(op, memory, 1), *bias = syn_in(op, memory, 2);
    float *y = syn_out(op, memory);
    const int one_piece = is_one_piece(w);
    const rows_of_patches rows = in_place(w);
    for (uint32_t b = 0; b < w->batches; b++, x += image) {
        for (size_t i = 0; one_piece && i < rows.outer; i++, y += rows.inner * w->out_c) {
            syn_kernels.f32_gemm(rows.inner, w->out_c, depth, x + i * rows.outer_step, rows.inner_step, weights, bias,
                                 op->f32_low, op->f32_high, y, w->out_c);
        }
        for (uint32_t pixel = 0; !one_piece && pixel < w->out_h * w->out_w; pixel++, y += w->out_c) {
            float *patch = syn_scratch(op, memory, 5);
            gather(w, (const uint8_t *)x, sizeof *x, begin(pixel / w->out_w, w->stride_h, w->pad_top),
                   begin(pixel % w->out_w, w->stride_w, w->pad_left), 0, (uint8_t *)patch);
            syn_kernels.f32_gemm(1, w->out_c, depth, patch, depth, weights, bias, op->f32_low, op->f32_high, y, w->out_c);
        }
    }
}

void syn_run_s8_conv(const syn_op *op, syn_memory memory) {
    const syn_window *w = &op->window;
    const size_t depth = (size_t)w->kernel_h * w->kernel_w * w->in_c, image = (size_t)w->in_h * w->in_w * w->in_c;
    const int8_t *x = syn_in(op, memory, 0), *weights = syn_in(op, memory, 1);
    const syn_requant requant = syn_requant_of(op, memory);
    int8_t *y = syn_out(op, memory);
    const int one_piece = is_one_piece(w);
    const rows_of_patches rows = in_place(w);
    for (uint32_t b = 0; b < w->batches; b++, x += image) {
        for (size_t i = 0; one_piece && i < rows.outer; i++, y += rows.inner * w->out_c) {
            syn_kernels.s8_gemm(rows.inner, w->out_c, depth, x + i * rows.outer_step, rows.inner_step, weights, (int)op->narrow, &requant, y,
                                w->out_c);
        }
        for (uint32_t pixel = 0; !one_piece && pixel < w->out_h * w->out_w; pixel++, y += w->out_c) {
            int8_t *patch = syn_scratch(op, memory, 5);
            gather(w, (const uint8_t *)x, 1, begin(pixel / w->out_w, w->stride_h, w->pad_top),
                   begin(pixel % w->out_w, w->stride_w, w->pad_left), op->zero[0], (uint8_t *)patch);
            syn_kernels.s8_gemm(1, w->out_c, depth, patch, depth, weights, (int)op->narrow, &requant, y, w->out_c);
        }
    }
}

/* The taps of a window that lie inside an image of `size`: the first one and how many. */
static uint32_t inside(ptrdiff_t start, uint32_t size, uint32_t kernel, uint32_t dilation, uint32_t *first) {
    uint32_t from = 0, to = kernel;
    while (from < kernel && start + (ptrdiff_t)from * (ptrdiff_t)dilation < 0) from++;
    while (to > from && start + (ptrdiff_t)(to - 1) * (ptrdiff_t)dilation >= (ptrdiff_t)size) to--;
    *first = from;
    return to - from;
}

/* Where a depthwise kernel finds its pixel: in the image, or in a patch when channels have several filters. */
typedef struct {
    syn_taps taps;
    size_t x, w; /* where they begin, in elements */
} found;

static found look(const syn_window *w, ptrdiff_t top, ptrdiff_t left) {
    const size_t out_c = w->out_c, in_row = (size_t)w->in_w * w->in_c;
    if (w->multiplier > 1) {
        return (found){{w->kernel_h, w->kernel_w, w->kernel_w * out_c, out_c, w->kernel_w * out_c, out_c}, 0, 0};
    }
    uint32_t row, col;
    uint32_t rows = inside(top, w->in_h, w->kernel_h, w->dilation_h, &row);
    uint32_t cols = inside(left, w->in_w, w->kernel_w, w->dilation_w, &col);
    if (!rows || !cols) return (found){{0, 0, 0, 0, 0, 0}, 0, 0};
    size_t y = (size_t)(top + (ptrdiff_t)row * (ptrdiff_t)w->dilation_h), x = (size_t)(left + (ptrdiff_t)col * (ptrdiff_t)w->dilation_w);
    return (found){{rows, cols, w->dilation_h * in_row, (size_t)w->dilation_w * w->in_c, w->kernel_w * out_c, out_c},
                   y * in_row + x * w->in_c,
                   ((size_t)row * w->kernel_w + col) * out_c};
}

void syn_run_f32_dwconv(const syn_op *op, syn_memory memory) {
    const syn_window *w = &op->window;
    const float *x = syn_in(op, memory, 0), *weights = syn_in(op, memory, 1), *bias = syn_in(op, memory, 2);
    float *y = syn_out(op, memory);
    for (uint32_t b = 0; b < w->batches; b++, x += (size_t)w->in_h * w->in_w * w->in_c) {
        for (uint32_t pixel = 0; pixel < w->out_h * w->out_w; pixel++, y += w->out_c) {
            const ptrdiff_t top = begin(pixel / w->out_w, w->stride_h, w->pad_top);
            const ptrdiff_t left = begin(pixel % w->out_w, w->stride_w, w->pad_left);
            const found at = look(w, top, left);
            const float *from = x;
            if (w->multiplier > 1) {
                float *patch = syn_scratch(op, memory, 5);
                gather(w, (const uint8_t *)x, sizeof *x, top, left, 0, (uint8_t *)patch);
                from = patch;
            }
            syn_kernels.f32_dwconv(w->out_c, &at.taps, from + at.x, weights + at.w, bias, op->f32_low, op->f32_high, y);
        }
    }
}

void syn_run_s8_dwconv(const syn_op *op, syn_memory memory) {
    const syn_window *w = &op->window;
    const int8_t *x = syn_in(op, memory, 0), *weights = syn_in(op, memory, 1);
    const syn_requant requant = syn_requant_of(op, memory);
    int8_t *y = syn_out(op, memory);
    for (uint32_t b = 0; b < w->batches; b++, x += (size_t)w->in_h * w->in_w * w->in_c) {
        for (uint32_t pixel = 0; pixel < w->out_h * w->out_w; pixel++, y += w->out_c) {
            const ptrdiff_t top = begin(pixel / w->out_w, w->stride_h, w->pad_top);
            const ptrdiff_t left = begin(pixel % w->out_w, w->stride_w, w->pad_left);
            const found at = look(w, top, left);
            const int8_t *from = x;
            if (w->multiplier > 1) {
                int8_t *patch = syn_scratch(op, memory, 5);
                gather(w, (const uint8_t *)x, 1, top, left, op->zero[0], (uint8_t *)patch);
                from = patch;
            }
            syn_kernels.s8_dwconv(w->out_c, &at.taps, from + at.x, weights + at.w, op->zero[0], &requant, y);
        }
    }
}
