/* Half-space trees: Tan, Ting, Liu, Fast Anomaly Detection for Streaming Data, IJCAI 2011, algorithms 1 to 3. The choice of
 * splits, the padding around them and the scale of the score are those of river. */
#include "streams.h"

#include "../chance.h"

static const double PADDING = 0.15, SIZE_LIMIT = 0.1; /* both as in river, the latter from the paper */

static uint32_t splits_of(uint32_t height) { return (UINT32_C(1) << height) - 1; }

static uint32_t nodes_of(uint32_t height) { return (UINT32_C(2) << height) - 1; }

static double *range_of(const syn_forest *forest) { return (double *)(uintptr_t)(forest + 1); }

static syn_split *splits(const syn_forest *forest) { return (syn_split *)(range_of(forest) + 2 * (size_t)forest->inputs); }

static syn_mass *masses(const syn_forest *forest) {
    return (syn_mass *)(splits(forest) + (size_t)forest->trees * splits_of(forest->height));
}

size_t syn_forest_bytes(uint32_t trees, uint32_t height, uint32_t inputs) {
    if (trees < 1 || trees > SYN_FOREST_TREES_MAX || height < 1 || height > SYN_FOREST_HEIGHT_MAX) return 0;
    if (inputs < 1 || inputs > SYN_FOREST_INPUTS_MAX || trees * nodes_of(height) > SYN_FOREST_NODES_MAX) return 0;
    const size_t tree = splits_of(height) * sizeof(syn_split) + nodes_of(height) * sizeof(syn_mass);
    return sizeof(syn_forest) + 2 * inputs * sizeof(double) + trees * tree;
}

/* ---- growing */

typedef struct {
    double low[SYN_FOREST_INPUTS_MAX], high[SYN_FOREST_INPUTS_MAX];
} box;

/* The space that splits divide: the given range, or 0..1 where rows are scaled to that. */
static void whole(const syn_forest *forest, box *space) {
    const double *range = range_of(forest);
    for (uint32_t i = 0; i < forest->inputs; i++) {
        space->low[i] = forest->learns_range ? 0 : range[i];
        space->high[i] = forest->learns_range ? 1 : range[forest->inputs + i];
    }
}

static double chance(uint64_t *seed) { return (double)(syn_random(seed) >> 11) * 0x1p-53; }

/* An input, the likelier the wider what is left of it. */
static uint32_t drawn(const box *space, uint32_t inputs, uint64_t *seed) {
    double sum = 0;
    for (uint32_t i = 0; i < inputs; i++) sum += space->high[i] - space->low[i];
    double place = chance(seed) * sum;
    for (uint32_t i = 0; i + 1 < inputs; i++) {
        place -= space->high[i] - space->low[i];
        if (place < 0) return i;
    }
    return inputs - 1;
}

static void grow(syn_split *tree, uint32_t count, uint32_t node, box *space, uint32_t inputs, uint64_t *seed) {
    if (node >= count) return;
    const uint32_t input = drawn(space, inputs, seed);
    const double low = space->low[input], high = space->high[input], padding = PADDING * (high - low);
    const double first = low + padding, last = high - padding, at = first + chance(seed) * (last - first);
    tree[node] = (syn_split){.at = at, .input = input};
    space->high[input] = at;
    grow(tree, count, 2 * node + 1, space, inputs, seed);
    space->high[input] = high;
    space->low[input] = at;
    grow(tree, count, 2 * node + 2, space, inputs, seed);
    space->low[input] = low;
}

void syn_forest_open(void *state, uint32_t trees, uint32_t height, uint32_t inputs, uint32_t window, const double *range,
                     uint64_t seed) {
    syn_forest *forest = state;
    const size_t bytes = syn_forest_bytes(trees, height, inputs);
    memset(state, 0, bytes);
    forest->magic = SYN_FOREST_MAGIC;
    forest->bytes = (uint32_t)bytes;
    forest->trees = trees;
    forest->height = height;
    forest->inputs = inputs;
    forest->window = window;
    forest->learns_range = range == NULL;
    for (uint32_t i = 0; range && i < inputs; i++) {
        range_of(forest)[i] = range[2 * i];
        range_of(forest)[inputs + i] = range[2 * i + 1];
    }
    box space;
    whole(forest, &space);
    const uint32_t count = splits_of(height);
    for (uint32_t tree = 0; tree < trees; tree++) grow(splits(forest) + (size_t)tree * count, count, 0, &space, inputs, &seed);
}

/* ---- a state from elsewhere */

/* Every split within the space that those above it leave. */
static int divides(const syn_split *tree, uint32_t count, uint32_t node, box *space, uint32_t inputs) {
    if (node >= count) return 1;
    const syn_split split = tree[node];
    if (split.input >= inputs || split.unused) return 0;
    const double low = space->low[split.input], high = space->high[split.input];
    if (!(split.at >= low && split.at <= high)) return 0;
    space->high[split.input] = split.at;
    int holds = divides(tree, count, 2 * node + 1, space, inputs);
    space->high[split.input] = high;
    space->low[split.input] = split.at;
    holds = holds && divides(tree, count, 2 * node + 2, space, inputs);
    space->low[split.input] = low;
    return holds;
}

/* Whoever comes by a node comes by one of its children, and everyone by the root. */
static int adds_up(const syn_forest *forest, const syn_mass *tree) {
    const uint32_t count = splits_of(forest->height);
    if (tree->now != forest->position || tree->usual != (forest->has_profile ? forest->window : 0)) return 0;
    for (uint32_t i = 0; i < count; i++) {
        const syn_mass left = tree[2 * i + 1], right = tree[2 * i + 2];
        if ((uint64_t)left.now + right.now != tree[i].now || (uint64_t)left.usual + right.usual != tree[i].usual) return 0;
    }
    return 1;
}

static const char *range_fault(const syn_forest *forest) {
    const int is_new = !forest->position && !forest->has_profile;
    for (uint32_t i = 0; i < forest->inputs; i++) {
        const double low = range_of(forest)[i], high = range_of(forest)[forest->inputs + i];
        if (!syn_is_value(low) || !syn_is_value(high)) return "a range that is no number";
        if (forest->learns_range ? low > high || (is_new && (low != 0 || high != 0)) : low >= high) return "a range that is none";
    }
    return NULL;
}

const char *syn_forest_fault(const void *state, size_t bytes) {
    const syn_forest *forest = state;
    if (bytes < sizeof *forest) return "too short";
    if (forest->magic != SYN_FOREST_MAGIC) return "no half-space trees of this version";
    const size_t size = syn_forest_bytes(forest->trees, forest->height, forest->inputs);
    if (!size || forest->window < 1 || forest->window > SYN_STREAM_VALUES_MAX) return "options out of bounds";
    if (bytes != size || forest->bytes != size) return "of another size than its options say";
    if (forest->has_profile > 1 || forest->learns_range > 1 || forest->unused) return "a flag that is neither 0 nor 1";
    if (forest->position >= forest->window) return "more rows than its window holds";
    const char *wrong = range_fault(forest);
    if (wrong) return wrong;
    box space;
    whole(forest, &space);
    const uint32_t count = splits_of(forest->height), nodes = nodes_of(forest->height);
    for (uint32_t tree = 0; tree < forest->trees; tree++) {
        if (!divides(splits(forest) + (size_t)tree * count, count, 0, &space, forest->inputs)) return "a split out of place";
        if (!adds_up(forest, masses(forest) + (size_t)tree * nodes)) return "masses that do not add up";
    }
    return NULL;
}

/* ---- running */

static int scaled(syn_forest *forest, const double *row, double *out) {
    double *low = range_of(forest), *high = low + forest->inputs;
    const int is_first = !forest->position && !forest->has_profile;
    for (uint32_t i = 0; i < forest->inputs; i++) {
        if (!syn_is_value(row[i])) return 0;
    }
    for (uint32_t i = 0; i < forest->inputs; i++) {
        out[i] = row[i];
        if (!forest->learns_range) continue;
        if (is_first || row[i] < low[i]) low[i] = row[i];
        if (is_first || row[i] > high[i]) high[i] = row[i];
        out[i] = high[i] > low[i] ? (row[i] - low[i]) / (high[i] - low[i]) : 0;
    }
    return 1;
}

/* From the root to a leaf, leaving a mark on the way; what is usual there, doubled with each step, until it is rare. */
static uint64_t walk(const syn_split *tree, syn_mass *mass, uint32_t height, const double *row, uint32_t rare) {
    uint64_t score = 0, is_scoring = ~UINT64_C(0);
    uint32_t node = 0;
    for (uint32_t depth = 0;; depth++) {
        const uint32_t usual = mass[node].usual;
        mass[node].now++;
        score += ((uint64_t)usual << depth) & is_scoring;
        is_scoring &= -(uint64_t)(usual >= rare);
        if (depth == height) return score;
        node = 2 * node + 1 + !(row[tree[node].input] < tree[node].at);
    }
}

static void turn(syn_forest *forest) {
    syn_mass *mass = masses(forest);
    const uint32_t count = forest->trees * nodes_of(forest->height);
    for (uint32_t i = 0; i < count; i++) mass[i] = (syn_mass){.usual = mass[i].now};
    forest->position = 0;
    forest->has_profile = 1;
}

uint32_t syn_forest_run(void *state, const double *rows, uint32_t count, double *answers) {
    syn_forest *forest = state;
    const uint32_t height = forest->height, tree_splits = splits_of(height), nodes = nodes_of(height);
    const uint32_t rare = (uint32_t)ceil(SIZE_LIMIT * forest->window);
    const double usual = (double)((uint64_t)forest->trees * forest->window * nodes);
    double row[SYN_FOREST_INPUTS_MAX];
    for (uint32_t done = 0; done < count; done++) {
        if (!scaled(forest, rows + (size_t)done * forest->inputs, row)) return done;
        uint64_t score = 0;
        const syn_split *split = splits(forest);
        syn_mass *mass = masses(forest);
        for (uint32_t tree = 0; tree < forest->trees; tree++, split += tree_splits, mass += nodes) {
            score += walk(split, mass, height, row, rare);
        }
        answers[done] = forest->has_profile ? 1 - (double)score / usual : 0;
        if (++forest->position == forest->window) turn(forest);
    }
    return count;
}
