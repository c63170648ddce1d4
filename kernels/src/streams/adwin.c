/* ADWIN2: Bifet, Gavalda, Learning from Time-Changing Data with Adaptive Windowing, SDM 2007. The window is kept as buckets
 * whose sizes are powers of two, with their variance (Babcock and others, PODS 2003). The order of sums, the bound with the
 * shortest part taken off, and a new window after each drift are those of river. */
#include "streams.h"

static const uint64_t TICKS_MAX = UINT64_C(1) << 53;
static const double SQUARE_MAX = 4.0 * FLT_MAX * FLT_MAX, DELTA_MIN = 1e-100;

static syn_bucket *row_of(const syn_adwin *adwin, uint32_t row) {
    return (syn_bucket *)(uintptr_t)(adwin + 1) + (size_t)row * (adwin->buckets + 1);
}

static double size_of(uint32_t row) { return (double)(UINT64_C(1) << row); }

size_t syn_adwin_bytes(uint32_t buckets) {
    if (buckets < 2 || buckets > SYN_ADWIN_BUCKETS_MAX) return 0;
    return sizeof(syn_adwin) + SYN_ADWIN_ROWS * (buckets + 1) * sizeof(syn_bucket);
}

void syn_adwin_open(void *state, double delta, uint32_t clock, uint32_t buckets, uint32_t shortest, uint32_t grace) {
    syn_adwin *adwin = state;
    const size_t bytes = syn_adwin_bytes(buckets);
    memset(state, 0, bytes);
    adwin->magic = SYN_ADWIN_MAGIC;
    adwin->bytes = (uint32_t)bytes;
    adwin->clock = clock;
    adwin->buckets = buckets;
    adwin->shortest = shortest;
    adwin->grace = grace;
    adwin->rows = 1;
    adwin->delta = delta;
}

/* ---- a state from elsewhere */

/* Counts of buckets: none beyond the rows in use, none of those empty, and together the window. */
static int counts_fit(const syn_adwin *adwin) {
    uint64_t width = 0;
    for (uint32_t row = 0; row < SYN_ADWIN_ROWS; row++) {
        if (adwin->counts[row] > (row < adwin->rows ? adwin->buckets : 0)) return 0;
        if (adwin->rows > 1 && row < adwin->rows && !adwin->counts[row]) return 0;
        width += (uint64_t)adwin->counts[row] << row;
    }
    return width == adwin->width && width <= adwin->ticks && (width > 0 || !adwin->ticks) && adwin->ticks <= TICKS_MAX;
}

/* What is in each bucket can have come from so many values; what lies behind the last of a row is zero. */
static int buckets_fit(const syn_adwin *adwin) {
    for (uint32_t row = 0; row < SYN_ADWIN_ROWS; row++) {
        const double size = size_of(row);
        for (uint32_t i = 0; i <= adwin->buckets; i++) {
            const syn_bucket bucket = row_of(adwin, row)[i];
            const int is_there = i < adwin->counts[row];
            if (!syn_is_within(bucket.total, is_there ? size * FLT_MAX : 0)) return 0;
            if (!(bucket.spread >= 0 && bucket.spread <= (is_there && row ? size * SQUARE_MAX : 0))) return 0;
        }
    }
    return 1;
}

/* What the buckets say of the whole window. */
static syn_bucket sums_of(const syn_adwin *adwin) {
    const double width = (double)adwin->width;
    syn_bucket sums = {0, 0};
    for (uint32_t row = 0; row < adwin->rows; row++) {
        for (uint32_t i = 0; i < adwin->counts[row]; i++) sums.total += row_of(adwin, row)[i].total;
    }
    for (uint32_t row = 0; row < adwin->rows; row++) {
        for (uint32_t i = 0; i < adwin->counts[row]; i++) {
            const syn_bucket bucket = row_of(adwin, row)[i];
            const double apart = bucket.total / size_of(row) - sums.total / width;
            sums.spread += bucket.spread + size_of(row) * apart * apart;
        }
    }
    return sums;
}

/* The window's own sums are those, as far as rounding lets them differ: all squares together bound what cancels. */
static int sums_fit(const syn_adwin *adwin) {
    if (!isfinite(adwin->total) || !isfinite(adwin->spread) || adwin->spread < 0) return 0;
    if (!adwin->width) return adwin->total == 0 && adwin->spread == 0;
    const syn_bucket sums = sums_of(adwin);
    const double width = (double)adwin->width, mean = sums.total / width, squares = sums.spread + width * mean * mean;
    const double total_slack = 1e-9 * sqrt(width * squares), spread_slack = 1e-6 * sums.spread + 1e-12 * squares;
    return fabs(sums.total - adwin->total) <= total_slack && fabs(sums.spread - adwin->spread) <= spread_slack;
}

const char *syn_adwin_fault(const void *state, size_t bytes) {
    const syn_adwin *adwin = state;
    if (bytes < sizeof *adwin) return "too short";
    if (adwin->magic != SYN_ADWIN_MAGIC) return "no ADWIN of this version";
    const size_t size = syn_adwin_bytes(adwin->buckets);
    if (!size || adwin->clock < 1 || adwin->clock > SYN_STREAM_VALUES_MAX || adwin->shortest < 1 ||
        adwin->shortest > SYN_STREAM_VALUES_MAX || adwin->grace > SYN_STREAM_VALUES_MAX) {
        return "options out of bounds";
    }
    if (!(adwin->delta >= DELTA_MIN && adwin->delta < 1)) return "a delta that is not between 0 and 1";
    if (bytes != size || adwin->bytes != size) return "of another size than its options say";
    if (adwin->rows < 1 || adwin->rows > SYN_ADWIN_ROWS || adwin->unused) return "a count out of bounds";
    if (!counts_fit(adwin)) return "counts of buckets that do not fit the window";
    if (!buckets_fit(adwin)) return "a bucket that no values can have made";
    if (!sums_fit(adwin)) return "sums that do not fit the buckets";
    return NULL;
}

/* ---- running */

static void forget(syn_adwin *adwin) {
    for (uint32_t row = 0; row < adwin->rows; row++) adwin->counts[row] = 0;
    memset(adwin + 1, 0, adwin->bytes - sizeof *adwin);
    adwin->rows = 1;
    adwin->ticks = adwin->width = 0;
    adwin->total = adwin->spread = 0;
}

static void append(syn_adwin *adwin, uint32_t row, syn_bucket bucket) { row_of(adwin, row)[adwin->counts[row]++] = bucket; }

/* The oldest ones of a row are gone; what lies behind the last is zero. */
static void shift(syn_adwin *adwin, uint32_t row, uint32_t gone) {
    syn_bucket *buckets = row_of(adwin, row);
    const uint32_t left = adwin->counts[row] - gone;
    memmove(buckets, buckets + gone, left * sizeof *buckets);
    memset(buckets + left, 0, gone * sizeof *buckets);
    adwin->counts[row] = left;
}

static void drop_oldest(syn_adwin *adwin) {
    const uint32_t row = adwin->rows - 1;
    const syn_bucket oldest = *row_of(adwin, row);
    const double size = size_of(row);
    adwin->width -= UINT64_C(1) << row;
    adwin->total -= oldest.total;
    const double width = (double)adwin->width, apart = oldest.total / size - adwin->total / width;
    adwin->spread -= oldest.spread + size * width * apart * apart / (size + width);
    if (adwin->spread < 0) adwin->spread = 0; /* what rounding left of nothing */
    shift(adwin, row, 1);
    while (adwin->rows > 1 && !adwin->counts[adwin->rows - 1]) adwin->rows--;
}

/* Where a row is over-full its two oldest become one of the next; behind the last row the oldest is forgotten. */
static void merge(syn_adwin *adwin) {
    for (uint32_t row = 0; row < adwin->rows && adwin->counts[row] > adwin->buckets; row++) {
        if (row + 1 == SYN_ADWIN_ROWS) {
            drop_oldest(adwin);
            const syn_bucket sums = sums_of(adwin);
            adwin->total = sums.total;
            adwin->spread = sums.spread;
            return;
        }
        const syn_bucket one = row_of(adwin, row)[0], other = row_of(adwin, row)[1];
        const double size = size_of(row), apart = one.total / size - other.total / size;
        const double between = size * size * apart * apart / (size + size);
        if (row + 1 == adwin->rows) adwin->rows++;
        append(adwin, row + 1, (syn_bucket){one.total + other.total, one.spread + other.spread + between});
        shift(adwin, row, 2);
    }
}

static void insert(syn_adwin *adwin, double value) {
    if (adwin->width) {
        const double width = (double)adwin->width, apart = value - adwin->total / width;
        adwin->spread += width * apart * apart / (width + 1);
    }
    adwin->width++;
    adwin->total += value;
    append(adwin, 0, (syn_bucket){value, 0});
    merge(adwin);
}

/* The natural logarithm, the same on every machine: of a number in 0.7..1.42 by the series of atanh, and its exponent. */
static double logarithm(double x) {
    int exponent;
    double fraction = frexp(x, &exponent);
    if (fraction < 0.70710678118654752) {
        fraction *= 2;
        exponent--;
    }
    const double s = (fraction - 1) / (fraction + 1), square = s * s;
    double sum = 0;
    for (int k = 23; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
    return 2 * s * sum + exponent * 0.69314718055994531;
}

/* Whether the older part of the window has another mean than the newer one, at an edge between buckets. */
static int is_cut(const syn_adwin *adwin) {
    const double width = (double)adwin->width, shortest = adwin->shortest;
    const double chance = logarithm(2 * logarithm(width) / adwin->delta), variance = adwin->spread / width;
    double size = 0, total = 0;
    for (uint32_t row = adwin->rows; row-- > 0;) {
        const syn_bucket *buckets = row_of(adwin, row);
        for (uint32_t i = 0; i < adwin->counts[row]; i++) {
            size += size_of(row);
            total += buckets[i].total;
            const double rest = width - size;
            if (size < shortest || rest < shortest) continue;
            const double harmonic = 1 / (size - shortest + 1) + 1 / (rest - shortest + 1);
            const double bound = sqrt(2 * harmonic * variance * chance) + 2.0 / 3 * chance * harmonic;
            if (fabs(total / size - (adwin->total - total) / rest) > bound) return 1;
        }
    }
    return 0;
}

uint32_t syn_adwin_run(void *state, const double *values, uint32_t count, double *answers) {
    syn_adwin *adwin = state;
    for (uint32_t done = 0; done < count; done++, answers += SYN_DRIFT_ANSWERS) {
        if (!syn_is_value(values[done])) return done;
        insert(adwin, values[done]);
        const uint64_t width = adwin->width;
        const double total = adwin->total;
        if (++adwin->ticks % adwin->clock == 0) {
            while (adwin->width > adwin->grace && is_cut(adwin)) drop_oldest(adwin);
        }
        const int is_drift = adwin->width < width;
        answers[0] = is_drift;
        answers[2] = adwin->total / (double)adwin->width;
        answers[1] = is_drift ? (total - adwin->total) / (double)(width - adwin->width) : answers[2];
        if (is_drift) forget(adwin);
    }
    return count;
}
