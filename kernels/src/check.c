/* Proves a plan once, so that running it needs no checks: every operand inside its region, every size and count one that
 * the kernels take. A plan comes from our own lowering, but of a file that anybody may have written. */
#include <math.h>

#include "synedge/kernels.h"
#include "synedge/plan.h"

/* Above every region, below every overflow of the sums made of it. */
#define TOO_MUCH (INT64_C(1) << 32)

/* A stretch of the arena that the operation reads or writes. */
typedef struct {
    int64_t start, end;
    int is_written;
} stretch;

typedef struct {
    const syn_plan *plan;
    const uint8_t *constants;
    const syn_op *op;
    int ok;
    stretch seen[SYN_INPUTS + 1];
    size_t seen_count;
} checker;

static void require(checker *check, int condition) { check->ok = check->ok && condition; }

static int64_t times(int64_t a, int64_t b) { return a && b > TOO_MUCH / a ? TOO_MUCH : a * b; }
static int64_t whole_panels(int64_t cols) { return (cols + SYN_PANEL - 1) / SYN_PANEL * SYN_PANEL; }

static void lies(checker *check, uint32_t where, int64_t bytes, uint32_t align, int is_written) {
    if (where == SYN_NONE) {
        check->ok = 0;
        return;
    }
    const int is_constant = (where & SYN_CONSTANT) != 0;
    const int64_t start = where & ~(uint32_t)SYN_CONSTANT;
    const int64_t end = is_constant ? check->plan->constants_bytes : check->plan->arena_bytes;
    require(check, !(is_written && is_constant) && start % align == 0 && bytes >= 0 && bytes <= end && start <= end - bytes);
    if (check->ok && !is_constant) check->seen[check->seen_count++] = (stretch){start, start + bytes, is_written};
}

/* Kernels take it that what they write lies apart from everything else. */
static void apart(checker *check) {
    for (size_t i = 0; i < check->seen_count; i++) {
        for (size_t j = 0; j < i; j++) {
            const stretch *a = &check->seen[i], *b = &check->seen[j];
            require(check, !(a->is_written || b->is_written) || a->end <= b->start || b->end <= a->start);
        }
    }
}

static void reads(checker *check, int number, int64_t count, uint32_t size) {
    lies(check, check->op->in[number], times(count, size), size == 4 ? 4 : 1, 0);
}
static void keeps(checker *check, int number, int64_t count, uint32_t size) {
    lies(check, check->op->in[number], times(count, size), size == 4 ? 4 : 1, 1);
}
static void writes(checker *check, int64_t count, uint32_t size) {
    lies(check, check->op->out, times(count, size), size == 4 ? 4 : 1, 1);
}

static void scale_in_range(checker *check, int32_t multiplier, int32_t shift) {
    require(check, multiplier >= 0 && shift >= -31 && shift <= 30);
}

/* The clamp and the zero points of an operation on int8. */
static void int8(checker *check) {
    const syn_op *op = check->op;
    require(check, op->low >= INT8_MIN && op->high <= INT8_MAX && op->low <= op->high);
    for (int i = 0; i < 3; i++) require(check, op->zero[i] >= INT8_MIN && op->zero[i] <= INT8_MAX);
}

static const void *constant(checker *check, int number) {
    return check->constants + (check->op->in[number] ^ SYN_CONSTANT);
}

/* Multipliers and shifts of `cols` outputs, or float64 scales: constants, whose values are looked at. */
static void requant(checker *check, int64_t cols) {
    const syn_op *op = check->op;
    const int is_float = op->in[4] == SYN_NONE;
    int8(check);
    reads(check, 2, whole_panels(cols), 4);
    lies(check, op->in[3], times(whole_panels(cols), is_float ? 8 : 4), is_float ? 8 : 4, 0);
    if (!is_float) reads(check, 4, whole_panels(cols), 4);
    require(check, (op->in[3] & SYN_CONSTANT) && (op->in[4] & SYN_CONSTANT)); /* SYN_NONE has the bit */
    for (int64_t i = 0; check->ok && i < whole_panels(cols); i++) {
        if (is_float) {
            const double scale = ((const double *)constant(check, 3))[i];
            require(check, isfinite(scale) && scale >= 0);
        } else {
            scale_in_range(check, ((const int32_t *)constant(check, 3))[i], ((const int32_t *)constant(check, 4))[i]);
        }
    }
}

static void weights(checker *check, int number, int64_t cols, int64_t depth, uint32_t size) {
    const int64_t padded = size == 1 ? (depth + SYN_QUAD - 1) / SYN_QUAD * SYN_QUAD : depth;
    reads(check, number, times(whole_panels(cols), padded), size);
}

static void gemm(checker *check, uint32_t size) {
    const syn_op *op = check->op;
    require(check, op->rows >= 1 && op->cols >= 1 && op->depth >= 1);
    reads(check, 0, times(op->rows, op->depth), size);
    weights(check, 1, op->cols, op->depth, size);
    writes(check, times(op->rows, op->cols), size);
    if (size == 1) requant(check, op->cols);
    else reads(check, 2, whole_panels(op->cols), 4);
}

static int sizes(const uint32_t *first, size_t count) {
    int64_t all = 1;
    for (size_t i = 0; i < count; i++) all = times(all, first[i]);
    return all >= 1 && all < TOO_MUCH;
}

static int64_t image(const syn_window *w) { return times(times(w->batches, w->in_h), times(w->in_w, w->in_c)); }
static int64_t result(const syn_window *w) { return times(times(w->batches, w->out_h), times(w->out_w, w->out_c)); }

static void window(checker *check, uint32_t size) {
    const syn_window *w = &check->op->window;
    const uint32_t most = 1u << 24;
    const uint32_t all[] = {w->batches, w->in_h, w->in_w, w->in_c, w->out_h, w->out_w, w->out_c, w->kernel_h, w->kernel_w,
                            w->stride_h, w->stride_w, w->dilation_h, w->dilation_w, w->multiplier};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) require(check, all[i] >= 1 && all[i] <= most);
    require(check, w->pad_top <= most && w->pad_left <= most);
    require(check, times(w->out_h, w->out_w) < (1 << 30));
    /* Where the last window ends: the kernels count in 32 bits. */
    require(check, times(w->out_h - 1, w->stride_h) + times(w->kernel_h - 1, w->dilation_h) < 1 << 30);
    require(check, times(w->out_w - 1, w->stride_w) + times(w->kernel_w - 1, w->dilation_w) < 1 << 30);
    reads(check, 0, image(w), size);
    writes(check, result(w), size);
}

static void conv(checker *check, uint32_t size) {
    const syn_window *w = &check->op->window;
    window(check, size);
    const int64_t depth = times(times(w->kernel_h, w->kernel_w), w->in_c);
    require(check, w->multiplier == 1);
    weights(check, 1, w->out_c, depth, size);
    keeps(check, 5, depth, size);
    if (size == 1) requant(check, w->out_c);
    else reads(check, 2, whole_panels(w->out_c), 4);
}

static void dwconv(checker *check, uint32_t size) {
    const syn_window *w = &check->op->window;
    window(check, size);
    const int64_t taps = times(times(w->kernel_h, w->kernel_w), w->out_c);
    require(check, times(w->in_c, w->multiplier) == w->out_c);
    reads(check, 1, taps, size);
    if (w->multiplier > 1) keeps(check, 5, taps, size);
    if (size == 1) requant(check, w->out_c);
    else reads(check, 2, whole_panels(w->out_c), 4);
}

/* Every window covers at least one pixel: there is no mean of nothing. */
static void pool(checker *check, uint32_t size) {
    const syn_window *w = &check->op->window;
    window(check, size);
    require(check, w->in_c == w->out_c && w->dilation_h == 1 && w->dilation_w == 1);
    require(check, w->kernel_h > w->pad_top && w->kernel_w > w->pad_left);
    require(check, times(w->out_h - 1, w->stride_h) < (int64_t)w->in_h + w->pad_top);
    require(check, times(w->out_w - 1, w->stride_w) < (int64_t)w->in_w + w->pad_left);
    require(check, times(w->kernel_h, w->kernel_w) < (1 << 23)); /* times 255 it stays an int32 */
    if (size == 1) int8(check);
}

static int is_walk(const syn_walk *walk, uint32_t rank_min) {
    if (walk->rank < rank_min || walk->rank > SYN_RANK || walk->split > walk->rank) return 0;
    return walk->rank == 0 || sizes(walk->dims, walk->rank);
}

/* An operand along a walk, `beyond` elements from its last step on. */
static void along(checker *check, uint32_t where, const int32_t *steps, int64_t start, int64_t beyond, uint32_t size,
                  uint32_t align, int is_written) {
    const syn_walk *walk = &check->op->walk;
    int64_t low = start, high = start;
    for (uint32_t i = 0; check->ok && i < walk->rank; i++) {
        int64_t far = ((int64_t)walk->dims[i] - 1) * steps[i];
        if (far < 0) low += far;
        else high += far;
    }
    require(check, low >= 0 && high < TOO_MUCH);
    lies(check, where, check->ok ? times(high + beyond, size) : TOO_MUCH, align, is_written);
}

static int64_t walked(const syn_walk *walk, uint32_t from, uint32_t to) {
    int64_t all = 1;
    for (uint32_t i = from; i < to; i++) all = times(all, walk->dims[i]);
    return all;
}

static void binary(checker *check, uint32_t size) {
    const syn_op *op = check->op;
    require(check, is_walk(&op->walk, 1));
    if (!check->ok) return;
    along(check, op->in[0], op->walk.a, 0, 1, size, size, 0);
    along(check, op->in[1], op->walk.b, 0, 1, size, size, 0);
    writes(check, walked(&op->walk, 0, op->walk.rank), size);
    if (size != 1) return;
    int8(check);
    require(check, op->left_shift >= 0 && op->left_shift <= 30);
    for (int i = 0; i < 3; i++) scale_in_range(check, op->multiplier[i], op->shift[i]);
}

static void mean(checker *check, uint32_t size) {
    const syn_op *op = check->op;
    require(check, is_walk(&op->walk, 0));
    if (!check->ok) return;
    along(check, op->in[0], op->walk.a, 0, 1, size, size, 0);
    writes(check, walked(&op->walk, 0, op->walk.split), size);
    require(check, walked(&op->walk, op->walk.split, op->walk.rank) == op->depth && op->depth < (1 << 23));
    if (size != 1) return;
    int8(check);
    scale_in_range(check, op->multiplier[2], op->shift[2]);
}

static void copy(checker *check) {
    const syn_op *op = check->op;
    require(check, is_walk(&op->walk, 1) && op->depth >= 1 && op->depth <= 8);
    if (!check->ok) return;
    along(check, op->in[0], op->walk.a, op->walk.a_start, 1, op->depth, 1, 0);
    along(check, op->out, op->walk.out, op->walk.out_start, 1, op->depth, 1, 1);
}

static void matmul(checker *check, uint32_t size) {
    const syn_op *op = check->op;
    require(check, is_walk(&op->walk, 0) && sizes(&op->rows, 1) && sizes(&op->cols, 1) && sizes(&op->depth, 1));
    for (int i = 0; i < 2; i++) require(check, op->a_step[i] >= 0 && op->b_step[i] >= 0);
    if (!check->ok) return;
    const int64_t a = (int64_t)(op->rows - 1) * op->a_step[0] + (int64_t)(op->depth - 1) * op->a_step[1];
    const int64_t b = (int64_t)(op->depth - 1) * op->b_step[0] + (int64_t)(op->cols - 1) * op->b_step[1];
    along(check, op->in[0], op->walk.a, 0, a + 1, size, size, 0);
    along(check, op->in[1], op->walk.b, 0, b + 1, size, size, 0);
    writes(check, times(walked(&op->walk, 0, op->walk.rank), times(op->rows, op->cols)), size);
    if (size != 1) return;
    int8(check);
    scale_in_range(check, op->multiplier[2], op->shift[2]);
}

/* A sequence at `where`, of vectors of `values` numbers. */
static void sequence(checker *check, uint32_t where, const int32_t step[2], int64_t values, uint32_t size, int is_written) {
    const syn_op *op = check->op;
    require(check, step[0] >= 0 && step[1] >= 0);
    const int64_t last = ((int64_t)op->rows - 1) * step[0] + ((int64_t)op->window.batches - 1) * step[1];
    lies(check, where, last < TOO_MUCH ? times(last + values, size) : TOO_MUCH, size, is_written);
}

/* Of an LSTM of bytes, whose eight scales are looked at. */
static void integer_lstm(checker *check) {
    const syn_op *op = check->op;
    const int64_t units = op->cols, cells = times(op->window.batches, units), padded = whole_panels(4 * units);
    weights(check, 1, 4 * units, op->depth, 1);
    weights(check, 2, 4 * units, units, 1);
    reads(check, 3, 2 * padded + 16, 4);
    keeps(check, 4, cells, 1);
    lies(check, op->in[5], times(cells, 2), 2, 1);
    lies(check, op->in[6], 4 * padded + 8 * units, 4, 1);
    require(check, op->low >= INT16_MIN && op->high <= INT16_MAX && op->low <= op->high);
    require(check, op->zero[2] >= INT8_MIN && op->zero[2] <= INT8_MAX && op->left_shift >= 0 && op->left_shift <= 6);
    scale_in_range(check, op->multiplier[2], op->shift[2]);
    require(check, (op->in[3] & SYN_CONSTANT) != 0);
    const int32_t *scales = check->ok ? (const int32_t *)constant(check, 3) + 2 * padded : NULL;
    for (int i = 0; check->ok && i < 16; i += 2) scale_in_range(check, scales[i], scales[i + 1]);
}

static void recurrent(checker *check) {
    const syn_op *op = check->op;
    const uint32_t size = op->kind == SYN_OP_S8_LSTM ? 1 : 4;
    const int64_t units = op->cols, streams = op->window.batches;
    require(check, op->rows >= 1 && units >= 1 && units < 1 << 24 && op->depth >= 1 && op->depth < 1 << 24 && streams >= 1);
    if (!check->ok) return;
    sequence(check, op->in[0], op->a_step, op->depth, size, 0);
    sequence(check, op->out, op->b_step, units, size, 1);
    if (size == 1) {
        integer_lstm(check);
        return;
    }
    if (op->kind == SYN_OP_F32_LSTM) {
        weights(check, 1, 4 * units, op->depth + units, 4);
        reads(check, 2, whole_panels(4 * units), 4);
        keeps(check, 3, times(streams, units), 4);
        keeps(check, 4, times(streams, units), 4);
        keeps(check, 5, op->depth + 5 * units, 4);
        return;
    }
    weights(check, 1, 3 * units, op->depth, 4);
    reads(check, 2, whole_panels(3 * units), 4);
    weights(check, 3, 3 * units, units, 4);
    reads(check, 4, whole_panels(3 * units), 4);
    keeps(check, 5, times(streams, units), 4);
    keeps(check, 6, 6 * units, 4);
}

static void softmax(checker *check, uint32_t size) {
    const syn_op *op = check->op;
    const int64_t count = times(op->rows, op->cols);
    require(check, op->cols >= 1 && op->cols < 4096 * 1024);
    reads(check, 0, count, size);
    writes(check, count, size);
    if (size == 4) return;
    require(check, op->left_shift >= 0 && op->left_shift <= 31 && op->multiplier[0] >= 0 && op->low <= 0);
    require(check, op->cols < 4096); /* the sum of exponentials has twelve bits before its point */
}

static void elements(checker *check, uint32_t from, uint32_t to) {
    reads(check, 0, check->op->rows, from);
    writes(check, check->op->rows, to);
}

static void quantise(checker *check) {
    const syn_op *op = check->op;
    elements(check, 4, 1);
    require(check, isfinite(op->scale) && op->scale > 0 && op->low >= INT8_MIN && op->high <= UINT8_MAX);
    require(check, op->zero[2] >= INT8_MIN && op->zero[2] <= UINT8_MAX);
}

static void operation(checker *check) {
    const syn_op *op = check->op;
    switch (op->kind) {
        case SYN_OP_F32_GEMM: gemm(check, 4); break;
        case SYN_OP_S8_GEMM: gemm(check, 1); break;
        case SYN_OP_F32_CONV: conv(check, 4); break;
        case SYN_OP_S8_CONV: conv(check, 1); break;
        case SYN_OP_F32_DWCONV: dwconv(check, 4); break;
        case SYN_OP_S8_DWCONV: dwconv(check, 1); break;
        case SYN_OP_F32_AVGPOOL:
        case SYN_OP_F32_MAXPOOL: pool(check, 4); break;
        case SYN_OP_S8_AVGPOOL:
        case SYN_OP_S8_MAXPOOL: pool(check, 1); break;
        case SYN_OP_S8_ADD:
        case SYN_OP_S8_SUB:
        case SYN_OP_S8_MUL:
        case SYN_OP_S8_SQDIFF: binary(check, 1); break;
        case SYN_OP_TABLE8: elements(check, 1, 1); reads(check, 1, 256, 1); break;
        case SYN_OP_QUANTISE: quantise(check); break;
        case SYN_OP_DEQUANTISE: elements(check, 1, 4); reads(check, 1, 256, 4); break;
        case SYN_OP_F32_SOFTMAX: softmax(check, 4); break;
        case SYN_OP_S8_SOFTMAX: softmax(check, 1); break;
        case SYN_OP_F32_MEAN: mean(check, 4); break;
        case SYN_OP_S8_MEAN: mean(check, 1); break;
        case SYN_OP_COPY: copy(check); break;
        case SYN_OP_FILL: writes(check, op->rows, 1); break;
        case SYN_OP_F32_MATMUL: matmul(check, 4); break;
        case SYN_OP_S8_MATMUL: matmul(check, 1); break;
        case SYN_OP_F32_LSTM:
        case SYN_OP_F32_GRU:
        case SYN_OP_S8_LSTM: recurrent(check); break;
        default:
            if (op->kind >= SYN_OP_F32_ADD && op->kind <= SYN_OP_F32_MIN) binary(check, 4);
            else if (op->kind >= SYN_OP_F32_LOGISTIC && op->kind <= SYN_OP_F32_EXP) elements(check, 4, 4);
            else check->ok = 0;
    }
}

uint32_t syn_is_chain(const syn_plan *plan) {
    uint32_t at = plan->input;
    uint64_t bytes = plan->input_bytes;
    for (const syn_op *op = plan->ops, *end = op + plan->ops_count; op < end; op++) {
        if (op->kind != SYN_OP_F32_GEMM || op->rows != 1 || op->in[0] != at) return 0;
        if (!(op->in[1] & SYN_CONSTANT) || !(op->in[2] & SYN_CONSTANT) || bytes != op->depth * (uint64_t)4) return 0;
        at = op->out;
        bytes = op->cols * (uint64_t)4;
    }
    return plan->ops_count > 0 && at == plan->output && bytes == plan->output_bytes;
}

uint32_t syn_plan_check(const syn_plan *plan, const uint8_t *constants) {
    checker check = {.plan = plan, .constants = constants};
    check.ok = plan->constants_bytes < SYN_CONSTANT && plan->arena_bytes < SYN_CONSTANT;
    lies(&check, plan->input, plan->input_bytes, 1, 1);
    lies(&check, plan->output, plan->output_bytes, 1, 1);
    require(&check, !plan->is_chain || syn_is_chain(plan));
    if (!check.ok) return plan->ops_count + 1;
    for (uint32_t i = 0; i < plan->ops_count; i++) {
        check.op = &plan->ops[i];
        check.seen_count = 0;
        operation(&check);
        apart(&check);
        if (!check.ok) return i + 1;
    }
    return 0;
}
