/* Which variant of each kernel runs here. */
#include <string.h>

#include "neon.h"
#include "synedge/kernels.h"

#if defined(__arm__) || defined(__aarch64__)
#include <sys/auxv.h>
#endif

/* A variant's function where this build has it: those of other architectures have no code. */
#define BUILT_scalar(function) (any *)function
#if defined(__x86_64__)
#define BUILT_avx2(function) (any *)function
#define BUILT_avx512vnni(function) (any *)function
#else
#define BUILT_avx2(function) NULL
#define BUILT_avx512vnni(function) NULL
#endif
#if SYN_NEON
#define BUILT_neon(function) (any *)function
#else
#define BUILT_neon(function) NULL
#endif
#if defined(__aarch64__)
#define BUILT_neondot(function) (any *)function
#else
#define BUILT_neondot(function) NULL
#endif

/* Declared by the contract's type: a variant that departs from it does not link to its callers' idea of it. */
#define X(kernel, variant) syn_##kernel##_fn syn_##kernel##__##variant;
SYN_VARIANTS(X)
#undef X

typedef void any(void);

static const struct entry {
    const char *kernel, *variant, *name;
    any *function;
} ENTRIES[] = {
#define X(kernel, variant) {#kernel, #variant, #kernel "__" #variant, BUILT_##variant(syn_##kernel##__##variant)},
    SYN_VARIANTS(X)
#undef X
};
enum { ENTRIES_COUNT = sizeof ENTRIES / sizeof ENTRIES[0] };

syn_table syn_kernels = {
#define X(kernel) syn_##kernel##__scalar,
    SYN_KERNELS(X)
#undef X
};

/* linux/arch: asm/hwcap.h of both architectures; the numbers are part of the kernel's interface. */
static int cpu_has(const char *variant) {
    if (!strcmp(variant, "scalar")) return 1;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (!strcmp(variant, "avx2")) return has_avx2;
    return has_avx2 && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__)
    const unsigned long dotprod = 1ul << 20;
    return !strcmp(variant, "neon") || (getauxval(AT_HWCAP) & dotprod) != 0;
#elif defined(__arm__)
    const unsigned long neon_and_vfpv4 = 1ul << 12 | 1ul << 16;
    return (getauxval(AT_HWCAP) & neon_and_vfpv4) == neon_and_vfpv4;
#else
    return 0;
#endif
}

int syn_can(const char *variant) {
    int answer = SYN_UNKNOWN;
    for (size_t i = 0; i < ENTRIES_COUNT; i++) {
        if (strcmp(ENTRIES[i].variant, variant)) continue;
        if (ENTRIES[i].function) return cpu_has(variant) ? SYN_OK : SYN_CPU_LACKS;
        answer = SYN_NOT_BUILT;
    }
    return answer;
}

/* The named variant of a kernel or its scalar one; without a name the last that this CPU runs. */
static const struct entry *chosen(const char *kernel, const char *variant) {
    const struct entry *best = NULL;
    for (size_t i = 0; i < ENTRIES_COUNT; i++) {
        const struct entry *entry = &ENTRIES[i];
        if (strcmp(entry->kernel, kernel)) continue;
        if (!best) best = entry; /* the scalar one stands first */
        if (variant ? !strcmp(entry->variant, variant) : entry->function && cpu_has(entry->variant)) best = entry;
    }
    return best;
}

int syn_select(const char *variant) {
    if (variant && !*variant) variant = NULL;
    int answer = variant ? syn_can(variant) : SYN_OK;
    if (answer != SYN_OK) return answer;
#define X(kernel) syn_kernels.kernel = (syn_##kernel##_fn *)chosen(#kernel, variant)->function;
    SYN_KERNELS(X)
#undef X
    return SYN_OK;
}

const char *syn_selected(const char *kernel) {
    any *function = NULL;
#define X(name) \
    if (!strcmp(kernel, #name)) function = (any *)syn_kernels.name;
    SYN_KERNELS(X)
#undef X
    for (size_t i = 0; i < ENTRIES_COUNT; i++) {
        if (function && ENTRIES[i].function == function) return ENTRIES[i].variant;
    }
    return NULL;
}

const char *syn_variant(size_t index) { return index < ENTRIES_COUNT ? ENTRIES[index].name : NULL; }
