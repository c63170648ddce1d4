/* Every variant of every kernel against the scalar one, over random shapes: int8 to the bit, floats to 1e-5, and nothing
 * written outside of the output. Products of floats also to the bit against the contract's order of additions, fused. The
 * digests of the int8 kernels are those of every machine.
 *
 *   agree [VARIANT]   exit 0: all agree; 1: some do not; 2: VARIANT cannot run here, with the reason
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synedge/kernels.h"
#include "synedge/plan.h"
#include "chance.h"

enum { SHAPES = 300, ROWS = 3, COLS = 70, DEPTH = 90, GUARD = 64 };

#define X(kernel, variant) syn_##kernel##_fn syn_##kernel##__##variant;
SYN_VARIANTS(X)
#undef X

static float real(void) { return (float)chance(20001) / 10000.0f - 1.0f; }

static void fill_s8(int8_t *x, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] = (int8_t)((int32_t)chance(256) - 128);
}
static void fill_f32(float *x, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] = real();
}

static int8_t x8[ROWS * (DEPTH + 8)], w8[COLS * DEPTH], packed8[(COLS + 8) * (DEPTH + 8)], y8[2][ROWS * (COLS + 8) + GUARD];
static float xf[ROWS * (DEPTH + 8)], wf[COLS * DEPTH], packedf[(COLS + 8) * DEPTH], yf[2][ROWS * (COLS + 8) + GUARD];
static float biasf[COLS + 8];
static int32_t bias[COLS + 8], multiplier[COLS + 8], shift[COLS + 8];
static double scale[COLS + 8];

static uint64_t digest;
static void digested(const int8_t *y, size_t count) {
    for (size_t i = 0; i < count; i++) digest = (digest ^ (uint8_t)y[i]) * UINT64_C(1099511628211);
}

static syn_requant any_requant(void) {
    for (size_t i = 0; i < COLS + 8; i++) {
        bias[i] = (int32_t)chance(20000) - 10000;
        multiplier[i] = (int32_t)((1u << 30) + chance(1u << 30));
        shift[i] = (int32_t)chance(14) - 12;
        scale[i] = ldexp(multiplier[i], shift[i] - 31);
    }
    int32_t low = (int32_t)chance(100) - 128;
    syn_requant requant = {bias, multiplier, shift, chance(2) ? scale : NULL, (int32_t)chance(256) - 128, low, 127};
    return requant;
}

static int same_s8(void) {
    digested(y8[0], sizeof y8[0]);
    return memcmp(y8[0], y8[1], sizeof y8[0]) == 0;
}
static int near_f32(void) {
    for (size_t i = 0; i < sizeof yf[0] / sizeof yf[0][0]; i++) {
        float bound = 1e-5f * fmaxf(1.0f, fabsf(yf[0][i]));
        if (!(fabsf(yf[0][i] - yf[1][i]) <= bound)) return 0;
    }
    return 1;
}
static void clear(void) {
    memset(y8, 0x55, sizeof y8);
    for (size_t i = 0; i < sizeof yf / sizeof yf[0][0]; i++) (&yf[0][0])[i] = 77.0f;
}

/* Sums that a scale takes to a half exactly, to the nearest double below one, and to either side of a whole number. */
static int agree_at_halves(syn_s8_gemm_fn *kernel) {
    static const double scales[] = {0.5, 0x1.fffffffffffffp-2, 0x1.0000000000001p-1, 1.5, 0.25, 1e12};
    const syn_requant requant = {bias, multiplier, shift, scale, 0, -128, 127};
    for (int c = 0; c < COLS + 8; c++) {
        bias[c] = c / 6 - 5;
        scale[c] = scales[c % 6];
    }
    clear();
    memset(x8, 0, sizeof x8);
    syn_s8_gemm__scalar(1, COLS, 1, x8, 1, packed8, 0, &requant, y8[0], COLS);
    kernel(1, COLS, 1, x8, 1, packed8, 0, &requant, y8[1], COLS);
    return memcmp(y8[0], y8[1], sizeof y8[0]) == 0;
}

static int agree_s8_gemm(syn_s8_gemm_fn *kernel) {
    size_t rows = 1 + chance(ROWS), cols = 1 + chance(COLS), depth = 1 + chance(DEPTH), stride = depth + chance(8);
    const syn_requant requant = any_requant();
    fill_s8(x8, sizeof x8);
    fill_s8(w8, sizeof w8);
    for (size_t i = 0, narrows = chance(2); narrows && i < sizeof w8; i++) w8[i] = w8[i] == -128 ? -127 : w8[i];
    int narrow = (int)syn_s8_pack(cols, depth, w8, packed8);
    syn_s8_gemm__scalar(rows, cols, depth, x8, stride, packed8, narrow, &requant, y8[0], cols);
    kernel(rows, cols, depth, x8, stride, packed8, narrow, &requant, y8[1], cols);
    return same_s8() && agree_at_halves(kernel);
}

static int agree_s8_sums(syn_s8_sums_fn *kernel) {
    static int32_t sums[2][COLS + 8 + GUARD];
    size_t cols = 1 + chance(COLS), depth = 1 + chance(DEPTH);
    fill_s8(x8, sizeof x8);
    fill_s8(w8, sizeof w8);
    for (size_t i = 0, narrows = chance(2); narrows && i < sizeof w8; i++) w8[i] = w8[i] == -128 ? -127 : w8[i];
    int narrow = (int)syn_s8_pack(cols, depth, w8, packed8);
    memset(sums, 0x55, sizeof sums);
    syn_s8_sums__scalar(cols, depth, x8, packed8, narrow, sums[0]);
    kernel(cols, depth, x8, packed8, narrow, sums[1]);
    digested((const int8_t *)sums[0], sizeof sums[0]);
    return memcmp(sums[0], sums[1], sizeof sums[0]) == 0;
}

/* One output as the contract has it, every multiplication fused with its addition. */
static float fused(size_t chains, size_t depth, const float *x, size_t c, float low) {
    float chain[8] = {biasf[c]};
    for (size_t d = 0; d < depth; d++) {
        float *one = &chain[d < depth / chains * chains ? d % chains : 0];
        *one = fmaf(x[d], wf[c * depth + d], *one);
    }
    const float four = (chain[0] + chain[1]) + (chain[2] + chain[3]);
    return fmaxf(low, chains == 2 ? chain[0] + chain[1] : four + ((chain[4] + chain[5]) + (chain[6] + chain[7])));
}

static int agree_f32_gemm(syn_f32_gemm_fn *kernel) {
    size_t rows = 1 + chance(ROWS), cols = 1 + chance(COLS), depth = 1 + chance(DEPTH), stride = depth + chance(8);
    float low = chance(2) ? 0.0f : -INFINITY;
    fill_f32(xf, sizeof xf / sizeof xf[0]);
    fill_f32(wf, sizeof wf / sizeof wf[0]);
    fill_f32(biasf, COLS + 8);
    syn_f32_pack(cols, depth, wf, packedf);
    syn_f32_gemm__scalar(rows, cols, depth, xf, stride, packedf, biasf, low, INFINITY, yf[0], cols);
    kernel(rows, cols, depth, xf, stride, packedf, biasf, low, INFINITY, yf[1], cols);
    int exact = 1;
    for (size_t i = 0; kernel != syn_f32_gemm__scalar && i < rows * cols; i++) {
        const size_t c = i % cols, chains = c < cols / SYN_BLOCK * SYN_BLOCK ? 2 : 8;
        exact = exact && yf[1][i] == fused(chains, depth, xf + i / cols * stride, c, low);
    }
    return near_f32() && exact;
}

/* A perceptron against the same variant's products, one layer after the other. */
static int agree_f32_chain(syn_f32_chain_fn *kernel) {
    enum { LAYERS = 3, HELD = LAYERS * (COLS + 8) * (DEPTH + 1) };
    static float constants[HELD], arena[LAYERS * (COLS + 8)];
    const uint32_t count = 1 + chance(LAYERS);
    uint32_t depth = 1 + chance(DEPTH), at = 0;
    syn_op ops[LAYERS];
    memset(ops, 0, sizeof ops);
    fill_f32(xf, sizeof xf / sizeof xf[0]);
    fill_f32(constants, HELD);
    const float *x = xf;
    float made[2][COLS + 8];
    for (uint32_t i = 0; i < count; i++) {
        syn_op *op = &ops[i];
        const uint32_t cols = 1 + chance(COLS), panels = (cols + SYN_PANEL - 1) / SYN_PANEL;
        *op = (syn_op){.kind = SYN_OP_F32_GEMM, .rows = 1, .cols = cols, .depth = depth, .f32_low = -1, .f32_high = 1};
        op->in[1] = SYN_CONSTANT | at * 4;
        op->in[2] = SYN_CONSTANT | (at + panels * SYN_PANEL * depth) * 4;
        op->out = i * (COLS + 8) * 4;
        float *y = i + 1 == count ? yf[0] : made[i % 2];
        const float *w = constants + at;
        syn_kernels.f32_gemm(1, cols, depth, x, depth, w, w + panels * SYN_PANEL * depth, -1, 1, y, cols);
        at += panels * SYN_PANEL * (depth + 1);
        depth = cols;
        x = y;
    }
    kernel(ops, count, (const uint8_t *)constants, (uint8_t *)arena, xf, yf[1]);
    return memcmp(yf[0], yf[1], sizeof yf[0]) == 0;
}

static syn_taps any_taps(size_t channels) {
    size_t cols = 1 + chance(3);
    syn_taps taps = {1 + chance(3), cols, cols * channels, channels, cols * channels, channels};
    return taps;
}

static int agree_s8_dwconv(syn_s8_dwconv_fn *kernel) {
    size_t channels = 1 + chance(30);
    const syn_taps taps = any_taps(channels);
    const syn_requant requant = any_requant();
    int32_t zero = (int32_t)chance(256) - 128;
    fill_s8(x8, sizeof x8);
    fill_s8(w8, sizeof w8);
    syn_s8_dwconv__scalar(channels, &taps, x8, w8, zero, &requant, y8[0]);
    kernel(channels, &taps, x8, w8, zero, &requant, y8[1]);
    return same_s8();
}

static int agree_f32_dwconv(syn_f32_dwconv_fn *kernel) {
    size_t channels = 1 + chance(30);
    const syn_taps taps = any_taps(channels);
    fill_f32(xf, sizeof xf / sizeof xf[0]);
    fill_f32(wf, sizeof wf / sizeof wf[0]);
    fill_f32(biasf, COLS);
    syn_f32_dwconv__scalar(channels, &taps, xf, wf, biasf, -1, 1, yf[0]);
    kernel(channels, &taps, xf, wf, biasf, -1, 1, yf[1]);
    return near_f32();
}

/* Maps against the C library, over what a network may meet. */
#define AGREE_MAP(name, truth)                                                                                         \
    static int agree_##name(syn_##name##_fn *kernel) {                                                                 \
        size_t count = 1 + chance(COLS);                                                                               \
        for (size_t i = 0; i < count; i++) xf[i] = real() * (chance(2) ? 1.0f : 100.0f);                               \
        for (size_t i = 0; i < count; i++) yf[0][i] = (float)(truth);                                                  \
        kernel(count, xf, yf[1]);                                                                                      \
        return near_f32();                                                                                             \
    }
AGREE_MAP(f32_logistic, 1.0 / (1.0 + exp(-(double)xf[i])))
AGREE_MAP(f32_tanh, tanh((double)xf[i]))

static int agree_f32_softmax(syn_f32_softmax_fn *kernel) {
    size_t count = 1 + chance(COLS);
    double most = -1e9, sum = 0;
    for (size_t i = 0; i < count; i++) xf[i] = real() * 20.0f;
    for (size_t i = 0; i < count; i++) most = fmax(most, (double)xf[i]);
    for (size_t i = 0; i < count; i++) sum += exp((double)xf[i] - most);
    for (size_t i = 0; i < count; i++) yf[0][i] = (float)(exp((double)xf[i] - most) / sum);
    kernel(count, 1.0f, xf, yf[1]);
    return near_f32();
}

/* Columns of a training set: whole panels side by side, what was there stays or is added to. */
static int agree_f32_gemm_nn(syn_f32_gemm_nn_fn *kernel) {
    size_t m = 1 + chance(7), n = 8 * (1 + chance(5)), k = 1 + chance(40), by_row = chance(2);
    const float *start = chance(2) ? biasf : NULL;
    fill_f32(xf, sizeof xf / sizeof xf[0]);
    fill_f32(wf, sizeof wf / sizeof wf[0]);
    fill_f32(biasf, COLS + 8);
    for (size_t i = 0; i < 2; i++) {
        syn_f32_gemm_nn_fn *one = i ? kernel : syn_f32_gemm_nn__scalar;
        one(m, n, k, xf, by_row ? k : 1, by_row ? 1 : m, wf, n, start, yf[i], n);
    }
    return near_f32();
}

static int agree_f32_gemm_nt(syn_f32_gemm_nt_fn *kernel) {
    size_t m = 1 + chance(7), n = 1 + chance(9), k = 8 * (1 + chance(5));
    fill_f32(xf, sizeof xf / sizeof xf[0]);
    fill_f32(wf, sizeof wf / sizeof wf[0]);
    syn_f32_gemm_nt__scalar(m, n, k, xf, k, wf, k, yf[0], n);
    kernel(m, n, k, xf, k, wf, k, yf[1], n);
    return near_f32();
}

static int failures;

static void report(const char *name, int good) {
    printf("%s %s: %d of %d shapes, digest %016llx\n", good == SHAPES ? "ok" : "FAIL", name, good, SHAPES,
           (unsigned long long)digest);
    failures += good != SHAPES;
}

#define RUN(kernel, variant)                                                                                           \
    if ((!wanted || !strcmp(wanted, #variant)) && syn_can(#variant) == SYN_OK) {                                       \
        int good = 0;                                                                                                  \
        chance_state = 2463534242u;                                                                                    \
        digest = UINT64_C(14695981039346656037);                                                                       \
        syn_select(#variant);                                                                                          \
        for (int i = 0; i < SHAPES; i++) {                                                                             \
            clear();                                                                                                   \
            good += agree_##kernel(syn_kernels.kernel);                                                                \
        }                                                                                                              \
        report(#kernel "__" #variant, good);                                                                           \
    } else if (!wanted) {                                                                                              \
        printf("skip %s: %s\n", #kernel "__" #variant, syn_can(#variant) == SYN_CPU_LACKS ? "CPU lacks it" : "not built"); \
    }

int main(int argc, char **argv) {
    const char *wanted = argc > 1 ? argv[1] : NULL;
    int answer = wanted ? syn_select(wanted) : SYN_OK;
    if (answer != SYN_OK) {
        const char *const reasons[] = {"", "unknown", "not built", "CPU lacks it"};
        printf("%s: %s\n", wanted, reasons[answer]);
        return 2;
    }
    SYN_VARIANTS(RUN)
    return failures != 0;
}
