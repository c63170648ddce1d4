/* Page-Hinkley: E. S. Page, Continuous Inspection Schemes, Biometrika 41, 1954, on distances from the running mean, both ways
 * and with a factor that forgets. Order of sums, first values and a new beginning after each drift are those of river. */
#include "streams.h"

static const double HIGHEST_FIRST = -1;

static void forget(syn_page_hinkley *test) {
    test->count = 0;
    test->mean = test->recent = test->up = test->down = test->lowest = 0;
    test->highest = HIGHEST_FIRST;
}

void syn_page_hinkley_open(void *state, uint32_t instances, double delta, double threshold, double alpha, uint32_t mode) {
    syn_page_hinkley *test = state;
    memset(test, 0, sizeof *test);
    test->magic = SYN_PAGE_HINKLEY_MAGIC;
    test->bytes = sizeof *test;
    test->instances = instances;
    test->delta = delta;
    test->threshold = threshold;
    test->alpha = alpha;
    test->mode = mode;
    forget(test);
}

static int rises(const syn_page_hinkley *test) { return test->mode != SYN_DOWN && test->up - test->lowest > test->threshold; }

static int falls(const syn_page_hinkley *test) { return test->mode != SYN_UP && test->highest - test->down > test->threshold; }

static int is_drift(const syn_page_hinkley *test) { return test->count >= test->instances && (rises(test) || falls(test)); }

/* ---- a state from elsewhere */

static const char *numbers_fault(const syn_page_hinkley *test) {
    const double bound = (double)test->count * (2.0 * FLT_MAX + test->delta) + 1;
    if (test->count > UINT64_C(1) << 53) return "a count that is too large";
    if (!syn_is_value(test->mean) || !syn_is_value(test->recent)) return "a mean that is no number";
    if (!syn_is_within(test->up, bound) || !syn_is_within(test->down, bound)) return "a sum that is no number";
    if (!syn_is_within(test->lowest, bound) || !syn_is_within(test->highest, bound)) return "an extreme that is no number";
    return NULL;
}

static int is_new(const syn_page_hinkley *test) {
    syn_page_hinkley other = *test;
    forget(&other);
    return memcmp(&other, test, sizeof other) == 0;
}

const char *syn_page_hinkley_fault(const void *state, size_t bytes) {
    const syn_page_hinkley *test = state;
    if (bytes < sizeof *test) return "too short";
    if (test->magic != SYN_PAGE_HINKLEY_MAGIC) return "no Page-Hinkley of this version";
    if (bytes != sizeof *test || test->bytes != sizeof *test) return "of another size than it says";
    if (test->instances < 1 || test->instances > SYN_STREAM_VALUES_MAX || test->mode > SYN_DOWN) return "options out of bounds";
    if (!(test->alpha > 0 && test->alpha <= 1)) return "an alpha that is not above 0 and up to 1";
    if (!(test->delta >= 0 && test->delta <= FLT_MAX)) return "a delta out of bounds";
    if (!(test->threshold > 0 && test->threshold <= DBL_MAX)) return "a threshold out of bounds";
    const char *wrong = numbers_fault(test);
    if (wrong) return wrong;
    if (!test->count) return is_new(test) ? NULL : "sums of nothing";
    if (test->lowest > test->up || test->highest < test->down) return "a sum beyond its extreme";
    if (test->highest < HIGHEST_FIRST) return "an extreme below its first value";
    if (is_drift(test)) return "a drift that was not told";
    return NULL;
}

/* ---- running */

static void insert(syn_page_hinkley *test, double value) {
    test->count++;
    test->mean += (1 / (double)test->count) * (value - test->mean);
    const double among = (double)(test->count < test->instances ? test->count : test->instances);
    test->recent += (value - test->recent) / among;
    const double distance = value - test->mean;
    test->up = test->alpha * test->up + distance - test->delta;
    test->down = test->alpha * test->down + distance + test->delta;
    if (test->count == 1 || test->up < test->lowest) test->lowest = test->up;
    if (test->down > test->highest) test->highest = test->down;
}

uint32_t syn_page_hinkley_run(void *state, const double *values, uint32_t count, double *answers) {
    syn_page_hinkley *test = state;
    for (uint32_t done = 0; done < count; done++, answers += SYN_DRIFT_ANSWERS) {
        if (!syn_is_value(values[done])) return done;
        insert(test, values[done]);
        const int drift = is_drift(test);
        answers[0] = drift;
        answers[1] = test->mean;
        answers[2] = test->recent;
        if (drift) forget(test);
    }
    return count;
}
