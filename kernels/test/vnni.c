/* The AVX-512 VNNI variant on a CPU with AVX2 alone: its one instruction in plain C, all else as it is, against the scalar
 * variant. */
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synedge/kernels.h"
#include "synedge/plan.h"

/* VPDPBUSD: four unsigned bytes times four signed ones, added to a lane without saturation. */
__attribute__((target("avx2"))) static __m256i in_plain_c(__m256i sum, __m256i a, __m256i b) {
    uint8_t x[32];
    int8_t y[32];
    int32_t lanes[8];
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    memcpy(lanes, &sum, sizeof lanes);
    for (int i = 0; i < 32; i++) lanes[i / 4] += x[i] * y[i];
    memcpy(&sum, lanes, sizeof lanes);
    return sum;
}

#define TARGET __attribute__((target("avx2")))
#undef _mm256_dpbusd_epi32
#define _mm256_dpbusd_epi32 in_plain_c
#define syn_s8_gemm__avx512vnni emulated
#define syn_s8_sums__avx512vnni emulated_sums
#include "../src/s8_gemm/avx512vnni.c"

syn_s8_gemm_fn syn_s8_gemm__scalar;
syn_s8_sums_fn syn_s8_sums__scalar;

enum { SHAPES = 2000, COLS = 40, DEPTH = 50 };

int main(void) {
    static int8_t x[DEPTH], w[COLS * DEPTH], packed[(COLS + 8) * (DEPTH + 4)], y[2][COLS];
    static int32_t bias[COLS + 8], multiplier[COLS + 8], shift[COLS + 8], sums[2][COLS + 8];
    srand(1);
    for (int i = 0; i < SHAPES; i++) {
        const size_t cols = 1 + (size_t)rand() % COLS, depth = 1 + (size_t)rand() % DEPTH;
        for (size_t j = 0; j < sizeof x; j++) x[j] = (int8_t)(rand() % 256 - 128);
        for (size_t j = 0; j < sizeof w; j++) w[j] = (int8_t)(rand() % 256 - 128);
        for (size_t j = 0; i % 2 && j < sizeof w; j++) w[j] = w[j] == -128 ? -127 : w[j]; /* every other one is narrow */
        for (size_t j = 0; j < COLS + 8; j++) {
            bias[j] = rand() % 20000 - 10000;
            multiplier[j] = (1 << 30) + rand() % (1 << 30);
            shift[j] = -(rand() % 12);
        }
        const syn_requant requant = {bias, multiplier, shift, NULL, 3, -128, 127};
        int narrow = (int)syn_s8_pack(cols, depth, w, packed);
        syn_s8_gemm__scalar(1, cols, depth, x, depth, packed, narrow, &requant, y[0], cols);
        emulated(1, cols, depth, x, depth, packed, narrow, &requant, y[1], cols);
        syn_s8_sums__scalar(cols, depth, x, packed, narrow, sums[0]);
        emulated_sums(cols, depth, x, packed, narrow, sums[1]);
        if (memcmp(y[0], y[1], cols) != 0 || memcmp(sums[0], sums[1], cols * sizeof sums[0][0]) != 0) {
            printf("shape %d: %zu by %zu differs\n", i, cols, depth);
            return 1;
        }
    }
    printf("%d shapes agree\n", SHAPES);
    return 0;
}
