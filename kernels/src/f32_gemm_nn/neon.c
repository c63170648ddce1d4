#include "../neon.h"

#if SYN_NEON
#include "../lanes_neon.h"
#include "body.h"
#else
typedef int syn_nothing_here;
#endif
