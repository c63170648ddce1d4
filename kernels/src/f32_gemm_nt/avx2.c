#if defined(__x86_64__)
#include "../lanes_avx2.h"
#include "body.h"
#else
typedef int syn_nothing_here;
#endif
