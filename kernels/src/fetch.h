/* Cache lines that the next call will read. */
#ifndef SYNEDGE_FETCH_H
#define SYNEDGE_FETCH_H

#include <stdint.h>

/* x86 brings lines in pairs. */
#if defined(__x86_64__)
enum { SYN_LINE = 64, SYN_FETCHED = 2 * SYN_LINE };
#else
enum { SYN_LINE = 64, SYN_FETCHED = SYN_LINE };
#endif

/* As many lines from `ahead` on, in whole turns of four: one a turn costs three instructions each, which is a tenth of the
 * time of the smallest networks. Answers where it ended. */
static inline const uint8_t *syn_fetch(const uint8_t *ahead, uint32_t lines) {
    for (const uint8_t *end = ahead + lines * SYN_LINE; ahead < end; ahead += 4 * SYN_FETCHED) {
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + SYN_FETCHED);
        __builtin_prefetch(ahead + 2 * SYN_FETCHED);
        __builtin_prefetch(ahead + 3 * SYN_FETCHED);
    }
    return ahead;
}

#endif
