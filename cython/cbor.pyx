# cython: language_level=3, boundscheck=False, wraparound=False
# The CBOR profile of docs/WIRE.md §1: one accepted encoding per value, nothing else decodes.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsUnsignedLongLong
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from heads cimport (
    ARRAY, BYTES, DEPTH, DOUBLE, FALSE, HALF, MAP, MAPPING, NEGATIVE, NOT_MINIMAL, NULL_VALUE, OK, SIMPLE, SINGLE,
    STRING, TEXT, TRAILING, TRUE, TYPE, UNSIGNED,
    Head, Reader, float_of, half_of, read_head, single_of,
)
from libc.math cimport isfinite
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef tuple FAULTS = (
    "", "cbor-truncated", "cbor-trailing", "cbor-not-minimal", "cbor-indefinite", "cbor-type", "cbor-depth",
    "cbor-text", "cbor-not-finite", "cbor-map",
)

ENCODE_DEPTH_MAX = 8
cdef int encode_depth_max = ENCODE_DEPTH_MAX


class Malformed(ValueError):
    """Bytes that are not one canonical item of the profile; `reason` is one of `refusal.CBOR_REASONS`."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


# --- encoding

cdef struct Buffer:
    uint8_t* data
    size_t size
    size_t room


cdef int reserve(Buffer* out, size_t more) except -1:
    cdef size_t room
    cdef uint8_t* data
    if out.room - out.size >= more:
        return 0
    room = out.room * 2
    if room < out.size + more:
        room = out.size + more
    data = <uint8_t*>PyMem_Realloc(out.data, room)
    if data == NULL:
        raise MemoryError()
    out.data = data
    out.room = room
    return 0


cdef int put_head(Buffer* out, uint8_t major, uint64_t arg) except -1:
    cdef int width, i
    cdef uint8_t* at
    reserve(out, 9)
    at = out.data + out.size
    if arg < 24:
        at[0] = (major << 5) | <uint8_t>arg
        out.size += 1
        return 0
    if arg <= 0xFF:
        width = 1
        at[0] = (major << 5) | 24
    elif arg <= 0xFFFF:
        width = 2
        at[0] = (major << 5) | 25
    elif arg <= 0xFFFFFFFFu:
        width = 4
        at[0] = (major << 5) | 26
    else:
        width = 8
        at[0] = (major << 5) | 27
    put_wide(at + 1, arg, width)
    out.size += 1 + <size_t>width
    return 0


cdef void put_wide(uint8_t* at, uint64_t arg, int width) noexcept:
    cdef int i
    for i in range(width):
        at[i] = <uint8_t>(arg >> (8 * (width - 1 - i)))


cdef int put_string(Buffer* out, uint8_t major, const char* data, size_t size) except -1:
    put_head(out, major, size)
    reserve(out, size)
    memcpy(out.data + out.size, data, size)
    out.size += size
    return 0


cdef int put_float(Buffer* out, double value) except -1:
    cdef uint64_t bits
    cdef uint32_t single
    cdef uint16_t half
    if not isfinite(value):
        raise ValueError("only finite floats have an encoding")
    reserve(out, 9)
    if single_of(value, &single):
        if half_of(single, &half):
            out.data[out.size] = (SIMPLE << 5) | HALF
            put_wide(out.data + out.size + 1, half, 2)
            out.size += 3
        else:
            out.data[out.size] = (SIMPLE << 5) | SINGLE
            put_wide(out.data + out.size + 1, single, 4)
            out.size += 5
    else:
        memcpy(&bits, &value, 8)
        out.data[out.size] = (SIMPLE << 5) | DOUBLE
        put_wide(out.data + out.size + 1, bits, 8)
        out.size += 9
    return 0


cdef int put_int(Buffer* out, object value) except -1:
    try:
        if value >= 0:
            return put_head(out, UNSIGNED, PyLong_AsUnsignedLongLong(value))
        return put_head(out, NEGATIVE, PyLong_AsUnsignedLongLong(-1 - value))
    except OverflowError:
        raise ValueError("an integer beyond 64 bits has no encoding") from None


def key_order(key):
    """Bytewise order of encoded integer keys (RFC 8949 §4.2.1): 0, 1, 2 … then -1, -2 …"""
    return (key < 0, key if key >= 0 else -1 - key)


cdef int put_map(Buffer* out, dict value, int depth) except -1:
    for key in value:
        if not isinstance(key, int) or isinstance(key, bool):
            raise ValueError("map keys are integers")
    put_head(out, MAPPING, len(value))
    for key in sorted(value, key=key_order):
        put_int(out, key)
        put(out, value[key], depth + 1)
    return 0


cdef int put(Buffer* out, object value, int depth) except -1:
    cdef Py_ssize_t size
    cdef const char* text
    if isinstance(value, bytes):
        return put_string(out, BYTES, PyBytes_AS_STRING(value), <size_t>PyBytes_GET_SIZE(value))
    if isinstance(value, str):
        try:
            text = PyUnicode_AsUTF8AndSize(value, &size)
        except UnicodeEncodeError:
            raise ValueError("text with a lone surrogate has no encoding") from None
        return put_string(out, STRING, text, <size_t>size)
    if value is None:
        return put_head(out, SIMPLE, NULL_VALUE)
    if isinstance(value, bool):
        return put_head(out, SIMPLE, TRUE if value else FALSE)
    if isinstance(value, int):
        return put_int(out, value)
    if isinstance(value, float):
        return put_float(out, value)
    if depth >= encode_depth_max:
        raise ValueError("nested too deep")
    if isinstance(value, (list, tuple)):
        put_head(out, ARRAY, len(value))
        for element in value:
            put(out, element, depth + 1)
        return 0
    if isinstance(value, dict):
        return put_map(out, value, depth)
    raise ValueError(f"no encoding for {type(value).__name__}")


def encode(value):
    """The one encoding of `value`; ValueError for what the profile cannot say."""
    cdef Buffer out
    out.room = 256
    out.size = 0
    out.data = <uint8_t*>PyMem_Malloc(out.room)
    if out.data == NULL:
        raise MemoryError()
    try:
        put(&out, value, 0)
        return PyBytes_FromStringAndSize(<char*>out.data, <Py_ssize_t>out.size)
    finally:
        PyMem_Free(out.data)


# --- decoding

cdef struct Rules:
    int depth_max
    bint maps


cdef object fail(int fault):
    raise Malformed(FAULTS[fault])


cdef object take_map(Reader* reader, uint64_t count, int depth, const Rules* rules):
    cdef dict result = {}
    cdef Head head
    cdef uint64_t i, last_arg = 0
    cdef int last_major = -1
    cdef int fault
    for i in range(count):
        fault = read_head(reader, &head)
        if fault != OK:
            fail(fault)
        if head.major > NEGATIVE:
            fail(MAP)
        if head.major < last_major or (head.major == last_major and head.arg <= last_arg):
            fail(MAP)
        last_major = head.major
        last_arg = head.arg
        key = head.arg if head.major == UNSIGNED else -1 - <object>head.arg
        result[key] = take(reader, depth + 1, rules)
    return result


cdef object take_simple(const Head* head):
    cdef double value
    cdef int fault
    if head.info == NULL_VALUE:
        return None
    if head.info == TRUE:
        return True
    if head.info == FALSE:
        return False
    fault = float_of(head, &value)
    if fault != OK:
        fail(fault)
    return value


cdef object take(Reader* reader, int depth, const Rules* rules):
    cdef Head head
    cdef uint64_t i
    cdef const char* start
    cdef list elements
    cdef int fault = read_head(reader, &head)
    if fault != OK:
        fail(fault)
    if head.major == UNSIGNED:
        return head.arg
    if head.major == NEGATIVE:
        return -1 - <object>head.arg
    if head.major == BYTES:
        start = <const char*>reader.at
        reader.at += head.arg
        return PyBytes_FromStringAndSize(start, <Py_ssize_t>head.arg)
    if head.major == STRING:
        start = <const char*>reader.at
        reader.at += head.arg
        try:
            return PyUnicode_DecodeUTF8(start, <Py_ssize_t>head.arg, NULL)
        except UnicodeDecodeError:
            fail(TEXT)
    if head.major == SIMPLE:
        return take_simple(&head)
    if head.major == MAPPING and not rules.maps:
        fail(TYPE)
    if depth >= rules.depth_max:
        fail(DEPTH)
    if head.major == MAPPING:
        return take_map(reader, head.arg, depth, rules)
    elements = []
    for i in range(head.arg):
        elements.append(take(reader, depth + 1, rules))
    return elements


def decode(bytes data not None, *, int depth_max=8, bint maps=False):
    """The value of `data`; Malformed unless it is exactly one canonical item nested at most `depth_max` deep.

    Arrays come back as lists. Maps (integer keys only) are read where `maps` says so.
    """
    cdef Reader reader
    cdef Rules rules
    rules.depth_max = depth_max
    rules.maps = maps
    reader.at = <const uint8_t*>PyBytes_AS_STRING(data)
    reader.end = reader.at + PyBytes_GET_SIZE(data)
    value = take(&reader, 0, &rules)
    if reader.at != reader.end:
        fail(TRAILING)
    return value
