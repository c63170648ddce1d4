/* Networks that rest: weights of matrix products as int8 with a scale for each output, everything else as it is.
 *
 * Of each output's weights the largest becomes 127 or -127; each comes back within half a scale (and a rounding) of what it
 * was, and a network that rests again comes back the same to the bit. An output whose largest weight is below 127 times the
 * least normal float rests as zeros; one that holds what is no finite number comes back as NaN. cffi reads the part between
 * the marks.
 */
#ifndef SYNEDGE_IDLE_H
#define SYNEDGE_IDLE_H

#include <stddef.h>
#include <stdint.h>

/* cdef begins */
/* Packed float weights of one product: `panels` times `depth` times eight, at a byte offset of a network's slot. */
typedef struct {
    uint32_t offset, panels, depth;
} syn_rows;

/* Bytes of a network of `slot_bytes` that rests. The rows lie in it in the order of their offsets and do not overlap. */
size_t syn_idle_bytes(const syn_rows *rows, uint32_t count, size_t slot_bytes);

/* From a slot to so many bytes, and back. */
void syn_idle_rest(const syn_rows *rows, uint32_t count, size_t slot_bytes, const uint8_t *slot, uint8_t *resting);
void syn_idle_warm(const syn_rows *rows, uint32_t count, size_t slot_bytes, const uint8_t *resting, uint8_t *slot);
/* cdef ends */

#endif
