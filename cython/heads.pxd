# Bounds-checked reading of canonical CBOR heads and floats (RFC 8949 §3, §4.2), shared by the compiled codecs.
# Every function answers a Fault; on OK the reader stands behind what it read, otherwise its place is undefined.

from libc.float cimport FLT_MAX
from libc.math cimport fabs, isfinite, ldexp
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum Fault:
    OK = 0
    TRUNCATED = 1
    TRAILING = 2
    NOT_MINIMAL = 3
    INDEFINITE = 4
    TYPE = 5
    DEPTH = 6
    TEXT = 7
    NOT_FINITE = 8
    MAP = 9

cdef enum Major:
    UNSIGNED = 0
    NEGATIVE = 1
    BYTES = 2
    STRING = 3
    ARRAY = 4
    MAPPING = 5
    TAG = 6
    SIMPLE = 7

cdef enum Simple:
    FALSE = 20
    TRUE = 21
    NULL_VALUE = 22
    HALF = 25
    SINGLE = 26
    DOUBLE = 27

cdef struct Reader:
    const uint8_t* at
    const uint8_t* end

cdef struct Head:
    uint8_t major
    uint8_t info
    uint64_t arg


cdef inline uint64_t big_endian(const uint8_t* at, int width) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(width):
        value = (value << 8) | at[i]
    return value


cdef inline int read_head(Reader* reader, Head* head) noexcept nogil:
    """One head. Strings are checked to lie within the input, arrays and maps to have a byte left for each element,
    so a caller may allocate by `arg` without being made to allocate more than it was sent."""
    cdef uint64_t left, arg
    cdef uint8_t info
    cdef int width
    head.major = head.info = 0
    head.arg = 0
    if reader.at >= reader.end:
        return TRUNCATED
    head.major = reader.at[0] >> 5
    info = reader.at[0] & 31
    head.info = info
    reader.at += 1
    left = <uint64_t>(reader.end - reader.at)
    if info < 24:
        arg = info
    elif info < 28:
        width = 1 << (info - 24)
        if <uint64_t>width > left:
            return TRUNCATED
        arg = big_endian(reader.at, width)
        reader.at += width
        left -= <uint64_t>width
        if head.major != SIMPLE and not (
            (width == 1 and arg >= 24)
            or (width == 2 and arg > 0xFF)
            or (width == 4 and arg > 0xFFFF)
            or (width == 8 and arg > 0xFFFFFFFFu)
        ):
            return NOT_MINIMAL
    elif info == 31:
        return INDEFINITE
    else:
        return TYPE
    head.arg = arg
    if head.major == BYTES or head.major == STRING or head.major == ARRAY:
        if arg > left:
            return TRUNCATED
    elif head.major == MAPPING:
        if arg > left // 2:
            return TRUNCATED
    elif head.major == TAG:
        return TYPE
    elif head.major == SIMPLE and not (FALSE <= info <= NULL_VALUE or HALF <= info <= DOUBLE):
        return TYPE
    return OK


cdef inline bint half_of(uint32_t single, uint16_t* half) noexcept nogil:
    """Whether a finite float32, given by its bits, is exactly a float16; if so the bits of that."""
    cdef uint32_t mantissa = single & 0x7FFFFF
    cdef int exponent = <int>((single >> 23) & 0xFF)
    cdef uint16_t sign = <uint16_t>((single >> 16) & 0x8000)
    cdef int shift
    if exponent == 0 and mantissa == 0:
        half[0] = sign
        return True
    if 113 <= exponent <= 142:  # 2^-14 … 2^15: a normal float16
        if mantissa & 0x1FFF:
            return False
        half[0] = sign | <uint16_t>((exponent - 112) << 10) | <uint16_t>(mantissa >> 13)
        return True
    if 103 <= exponent <= 112:  # 2^-24 … 2^-15: a subnormal float16
        mantissa |= 0x800000
        shift = 126 - exponent
        if mantissa & ((<uint32_t>1 << shift) - 1):
            return False
        half[0] = sign | <uint16_t>(mantissa >> shift)
        return True
    return False


cdef inline bint single_of(double value, uint32_t* single) noexcept nogil:
    """Whether a finite double is exactly a float32; if so the bits of that."""
    cdef float narrow
    if fabs(value) > FLT_MAX:
        return False
    narrow = <float>value
    if <double>narrow != value:
        return False
    memcpy(single, &narrow, 4)
    return True


cdef inline int float_of(const Head* head, double* value) noexcept nogil:
    """The value of a float head (HALF, SINGLE or DOUBLE), refused unless finite and in its shortest form."""
    cdef uint64_t bits = head.arg
    cdef uint32_t single
    cdef uint16_t half
    cdef float narrow
    cdef int exponent
    if head.info == HALF:
        exponent = <int>((bits >> 10) & 31)
        if exponent == 31:
            return NOT_FINITE
        if exponent == 0:
            value[0] = ldexp(<double>(bits & 0x3FF), -24)
        else:
            value[0] = ldexp(<double>((bits & 0x3FF) | 0x400), exponent - 25)
        if bits & 0x8000:
            value[0] = -value[0]
        return OK
    if head.info == SINGLE:
        single = <uint32_t>bits
        memcpy(&narrow, &single, 4)
        if not isfinite(narrow):
            return NOT_FINITE
        if half_of(single, &half):
            return NOT_MINIMAL
        value[0] = <double>narrow
        return OK
    memcpy(value, &bits, 8)
    if not isfinite(value[0]):
        return NOT_FINITE
    if single_of(value[0], &single):
        return NOT_MINIMAL
    return OK
