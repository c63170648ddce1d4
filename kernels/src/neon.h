/* NEON on both ARM architectures. On 32 bits it is an attribute of the function and a question to the CPU (with VFPv4, for
 * fused multiply-add); on 64 bits it is always there. */
#ifndef SYNEDGE_NEON_H
#define SYNEDGE_NEON_H

#if defined(__aarch64__)
#define SYN_NEON 1
#define SYN_NEON_TARGET
#elif defined(__arm__) && defined(__ARM_ARCH) && __ARM_ARCH >= 7 && defined(__ARM_PCS_VFP)
#define SYN_NEON 1
#define SYN_NEON_TARGET __attribute__((target("fpu=neon-vfpv4")))
#pragma GCC push_options
#pragma GCC target("fpu=neon-vfpv4")
#else
#define SYN_NEON 0
#endif

#if SYN_NEON
#include <arm_neon.h>
#endif

#if SYN_NEON && defined(__arm__)
#pragma GCC pop_options
#endif

#endif
