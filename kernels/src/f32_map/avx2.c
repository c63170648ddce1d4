/* The same source for eight lanes; multiplications and additions stay apart, so it gives the scalar bits. */
#if defined(__x86_64__)
#define VARIANT avx2
#define TARGET __attribute__((target("avx2")))
#include "body.h"
#else
typedef int syn_nothing_here;
#endif
