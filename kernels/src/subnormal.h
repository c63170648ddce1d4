/* Subnormal numbers cost fifty times a normal one on x86, and 32-bit NEON cannot represent them: they count as zero while
 * kernels run. The mode belongs to the thread, so it is put back. */
#ifndef SYNEDGE_SUBNORMAL_H
#define SYNEDGE_SUBNORMAL_H

#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
typedef unsigned int syn_float_mode;
static inline syn_float_mode syn_flush_subnormals(void) {
    const syn_float_mode flush_and_zero = 0x8040, before = _mm_getcsr(); /* FTZ and DAZ */
    _mm_setcsr(before | flush_and_zero);
    return before;
}
static inline void syn_restore_subnormals(syn_float_mode before) { _mm_setcsr(before); }
#elif defined(__aarch64__)
typedef uint64_t syn_float_mode;
static inline syn_float_mode syn_flush_subnormals(void) {
    syn_float_mode before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (UINT64_C(1) << 24)));
    return before;
}
static inline void syn_restore_subnormals(syn_float_mode before) { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#elif defined(__arm__) && defined(__ARM_PCS_VFP)
typedef uint32_t syn_float_mode;
static inline syn_float_mode syn_flush_subnormals(void) {
    syn_float_mode before;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(before));
    __asm__ volatile("vmsr fpscr, %0" : : "r"(before | (UINT32_C(1) << 24)));
    return before;
}
static inline void syn_restore_subnormals(syn_float_mode before) { __asm__ volatile("vmsr fpscr, %0" : : "r"(before)); }
#else
typedef int syn_float_mode;
static inline syn_float_mode syn_flush_subnormals(void) { return 0; }
static inline void syn_restore_subnormals(syn_float_mode before) { (void)before; }
#endif

#endif
