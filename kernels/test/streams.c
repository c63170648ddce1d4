/* Detectors on streams at random: what they come to is a state that is taken back, a spoilt one is refused or harmless, and
 * the answers are those of every other machine. Built with the sanitizers.
 *
 *   streams COUNT SEED        prints a digest of all answers
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synedge/streams.h"

enum { INPUTS = 3, ROWS = 300 };

typedef struct {
    const char *name;
    size_t (*made)(uint8_t *);
    const char *(*fault)(const void *, size_t);
    uint32_t (*run)(void *, const double *, uint32_t, double *);
    uint32_t inputs, answers;
} kind;


static uint64_t chance_state;
static uint32_t chance(uint32_t below) {
    chance_state = chance_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(chance_state >> 33) % below;
}

static void require(int condition, const char *what, const char *why) {
    if (condition) return;
    printf("FAIL: %s: %s\n", what, why ? why : "nothing");
    exit(1);
}

/* Steps and slopes, some of them still. */
static void stream(double *values, uint32_t count) {
    double level = 0, noise = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!chance(60)) {
            level = ((double)chance(2001) - 1000) / 7;
            noise = chance(3) ? chance(100) / 9.0 : 0;
        }
        values[i] = level + noise * ((double)chance(1000) - 500) / 500;
    }
}

/* Draws stand on lines of their own: compilers take the arguments of a call in any order. */
static size_t made_forest(uint8_t *state) {
    const double range[2 * INPUTS] = {-100, 100, -1, 1, 0, 50};
    const uint32_t trees = 1 + chance(5), height = 1 + chance(5), window = 1 + chance(40);
    const double *given = chance(2) ? range : NULL;
    syn_forest_open(state, trees, height, INPUTS, window, given, chance(1000));
    return syn_forest_bytes(trees, height, INPUTS);
}

static size_t made_adwin(uint8_t *state) {
    const uint32_t buckets = 2 + chance(5), clock = 1 + chance(8), shortest = 1 + chance(6), grace = chance(12);
    syn_adwin_open(state, 0.001 + chance(300) / 1000.0, clock, buckets, shortest, grace);
    return syn_adwin_bytes(buckets);
}

static size_t made_page_hinkley(uint8_t *state) {
    const uint32_t instances = 1 + chance(40), mode = chance(3);
    const double delta = chance(100) / 1000.0, threshold = 1 + chance(60);
    syn_page_hinkley_open(state, instances, delta, threshold, 1 - chance(3) / 1000.0, mode);
    return sizeof(syn_page_hinkley);
}

static const kind KINDS[] = {
    {"forest", made_forest, syn_forest_fault, syn_forest_run, INPUTS, 1},
    {"adwin", made_adwin, syn_adwin_fault, syn_adwin_run, 1, SYN_DRIFT_ANSWERS},
    {"page_hinkley", made_page_hinkley, syn_page_hinkley_fault, syn_page_hinkley_run, 1, SYN_DRIFT_ANSWERS},
};

/* A byte, a word or a number is another one. */
static void spoil(uint8_t *state, size_t bytes) {
    static const double STRANGE[] = {0, -1, 1e-300, 1e300, 0.5, 3e38, INFINITY, NAN};
    const double strange = STRANGE[chance(8)];
    const uint32_t word = chance(4) ? chance(64) : 0xffffffffu - chance(3);
    const uint32_t head = chance(2) ? 128 : (uint32_t)bytes;
    const size_t at = chance(head < bytes ? head : (uint32_t)bytes);
    const uint32_t how = chance(3);
    if (how == 0) state[at] ^= (uint8_t)(1u << chance(8));
    if (how == 1 && at + 4 <= bytes) memcpy(state + at / 4 * 4, &word, 4);
    if (how == 2 && at / 8 * 8 + 8 <= bytes) memcpy(state + at / 8 * 8, &strange, 8);
}

static uint64_t digest = UINT64_C(14695981039346656037);
static void note(const double *answers, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &answers[i], 8);
        digest = (digest ^ bits) * UINT64_C(1099511628211);
    }
}

int main(int argc, char **argv) {
    const long count = argc > 1 ? atol(argv[1]) : 300;
    chance_state = argc > 2 ? (uint64_t)atol(argv[2]) : 1;
    static double values[ROWS * INPUTS], answers[ROWS * SYN_DRIFT_ANSWERS];
    long refused = 0, lived = 0;
    for (long i = 0; i < count; i++) {
        const kind *what = &KINDS[i % 3];
        uint8_t *scratch = calloc(1, 1 << 20);
        const size_t bytes = what->made(scratch);
        uint8_t *state = malloc(bytes), *copy = malloc(bytes); /* to the byte, so that nothing beyond is touched unseen */
        require(scratch && state && copy, what->name, "no memory");
        memcpy(state, scratch, bytes);
        require(!what->fault(state, bytes), what->name, what->fault(state, bytes));
        for (int part = 0; part < 3; part++) {
            const uint32_t rows = 1 + chance(ROWS);
            stream(values, rows * what->inputs);
            require(what->run(state, values, rows, answers) == rows, what->name, "takes every row");
            note(answers, rows * what->answers);
            const char *why = what->fault(state, bytes);
            require(!why, what->name, why);
            require(what->fault(state, bytes - 1) != NULL, what->name, "a state that is cut short");
            memcpy(copy, state, bytes);
            for (uint32_t times = 1 + chance(2); times > 0; times--) spoil(copy, bytes);
            if (what->fault(copy, bytes)) {
                refused++;
            } else {
                lived++;
                what->run(copy, values, rows, answers);
            }
        }
        values[0] = chance(2) ? NAN : 1e39;
        require(what->run(state, values, 1, answers) == 0, what->name, "no number is refused");
        require(!what->fault(state, bytes), what->name, "and changes nothing");
        free(scratch);
        free(state);
        free(copy);
    }
    printf("%ld detectors, digest %016llx\n", count, (unsigned long long)digest);
    fprintf(stderr, "%ld spoilt states refused, %ld lived\n", refused, lived);
    return 0;
}
