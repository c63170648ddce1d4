# cython: language_level=3, boundscheck=False, wraparound=False
# Validation of events and bodies without building them: admission runs this for every event of every peer.
# The rules are docs/WIRE.md §4 and §5; the limits come from edge.limits.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from heads cimport (
    ARRAY, BYTES, DOUBLE, HALF, NULL_VALUE, OK, SIMPLE, STRING, UNSIGNED,
    Head, Reader, float_of, read_head,
)
from libc.stdint cimport uint8_t, uint64_t

from edge import limits

cdef tuple CBOR = (
    "", "cbor-truncated", "cbor-trailing", "cbor-not-minimal", "cbor-indefinite", "cbor-type", "cbor-depth",
    "cbor-text", "cbor-not-finite", "cbor-map",
)
cdef uint64_t event_bytes_max = limits.EVENT_BYTES_MAX
cdef uint64_t events_max = limits.BATCH_EVENTS_MAX
cdef uint64_t values_max = limits.EVENT_VALUES_MAX
cdef uint64_t text_bytes_max = limits.TEXT_BYTES_MAX
cdef uint64_t counter_max = limits.COUNTER_MAX
cdef uint64_t name_bytes_max = limits.NAME_BYTES_MAX
cdef uint64_t salt_bytes = 16


cdef object text_fault(const uint8_t* at, uint64_t size):
    """Why these bytes are no text of an event: not UTF-8, or with a control character (Unicode category Cc)."""
    cdef uint64_t i
    cdef bint plain = True
    for i in range(size):
        if at[i] < 0x20 or at[i] == 0x7F:
            return "event-text"
        if at[i] >= 0x80:
            plain = False
            if at[i] == 0xC2 and i + 1 < size and 0x80 <= at[i + 1] <= 0x9F:
                return "event-text"
    if not plain:
        try:
            PyUnicode_DecodeUTF8(<const char*>at, <Py_ssize_t>size, NULL)
        except UnicodeDecodeError:
            return "cbor-text"
    return None


cdef bint is_name(const uint8_t* at, uint64_t size) noexcept:
    """[a-z0-9][a-z0-9-]{0,31}"""
    cdef uint64_t i
    if size < 1 or size > name_bytes_max or at[0] == c"-":
        return False
    for i in range(size):
        if not (c"a" <= at[i] <= c"z" or c"0" <= at[i] <= c"9" or at[i] == c"-"):
            return False
    return True


cdef object take_text(Reader* reader, const Head* head, uint64_t bytes_min):
    cdef const uint8_t* at = reader.at
    if head.arg < bytes_min or head.arg > text_bytes_max:
        return "event-text"
    reader.at += head.arg
    return text_fault(at, head.arg)


cdef object take_values(Reader* reader, uint64_t count):
    cdef Head head
    cdef double value
    cdef uint64_t i
    cdef int fault
    if count < 1 or count > values_max:
        return "event-values"
    for i in range(count):
        fault = read_head(reader, &head)
        if fault != OK:
            return CBOR[fault]
        if head.major == STRING:
            reason = take_text(reader, &head, 0)
            if reason is not None:
                return reason
        elif head.major == SIMPLE and HALF <= head.info <= DOUBLE:
            fault = float_of(&head, &value)
            if fault != OK:
                return CBOR[fault]
        else:
            return "event-shape"
    return None


cdef object take_confidence(const Head* head):
    cdef double value
    cdef int fault
    if head.major != SIMPLE or not (head.info == NULL_VALUE or HALF <= head.info <= DOUBLE):
        return "event-shape"
    if head.info == NULL_VALUE:
        return None
    fault = float_of(head, &value)
    if fault != OK:
        return CBOR[fault]
    return None if 0.0 <= value <= 1.0 else "event-confidence"


cdef object take_digest(Reader* reader, const Head* head):
    if head.major == SIMPLE and head.info == NULL_VALUE:
        return None
    if head.major != BYTES or head.arg != 32:
        return "event-shape"
    reader.at += 32
    return None


cdef object take_field(Reader* reader, int field, const Head* head):
    """Why the field of this index is refused, or None; its head has been read."""
    if field == 0:
        if head.major != STRING:
            return "event-shape"
        if not is_name(reader.at, head.arg):
            return "event-name"
        reader.at += head.arg
        return None
    if field == 1:
        return take_text(reader, head, 1) if head.major == STRING else "event-shape"
    if field == 2:
        return None if head.major == UNSIGNED and head.arg <= counter_max else "event-shape"
    if field == 3:
        return take_values(reader, head.arg) if head.major == ARRAY else "event-shape"
    if field == 4:
        if head.major == SIMPLE and head.info == NULL_VALUE:
            return None
        return take_text(reader, head, 1) if head.major == STRING else "event-shape"
    if field == 5:
        return take_confidence(head)
    if field == 6 or field == 7:
        return take_digest(reader, head)
    if head.major != UNSIGNED:
        return "event-shape"
    return None if head.arg <= 3 else "event-flags"


cdef object fault_of(const uint8_t* at, uint64_t size):
    cdef Reader reader
    cdef Head head
    cdef int fault, field
    if size > event_bytes_max:
        return "event-too-large"
    reader.at = at
    reader.end = at + size
    fault = read_head(&reader, &head)
    if fault != OK:
        return CBOR[fault]
    if head.major != ARRAY or head.arg != 9:
        return "event-shape"
    for field in range(9):
        fault = read_head(&reader, &head)
        if fault != OK:
            return CBOR[fault]
        reason = take_field(&reader, field, &head)
        if reason is not None:
            return reason
    return None if reader.at == reader.end else "cbor-trailing"


def event_fault(bytes event not None):
    """Why these bytes are not one canonical event, or None."""
    return fault_of(<const uint8_t*>PyBytes_AS_STRING(event), <uint64_t>PyBytes_GET_SIZE(event))


def is_text(str text not None, int bytes_max):
    """Whether the text has at most `bytes_max` bytes of UTF-8 and no control character (Unicode category Cc)."""
    cdef bytes raw
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return False
    return len(raw) <= bytes_max and text_fault(<const uint8_t*>PyBytes_AS_STRING(raw), <uint64_t>len(raw)) is None


def leaves(bytes body not None):
    """The leaves of a body whose every event is canonical, or the reason why it is refused."""
    cdef Reader reader
    cdef Head head
    cdef uint64_t i, count
    cdef int fault
    cdef list result = []
    reader.at = <const uint8_t*>PyBytes_AS_STRING(body)
    reader.end = reader.at + PyBytes_GET_SIZE(body)
    fault = read_head(&reader, &head)
    if fault != OK:
        return CBOR[fault]
    if head.major != ARRAY:
        return "body-shape"
    count = head.arg
    if count < 1 or count > events_max:
        return "body-count"
    for i in range(count):
        fault = read_head(&reader, &head)
        if fault != OK:
            return CBOR[fault]
        if head.major != BYTES or head.arg <= salt_bytes:
            return "body-shape"
        reason = fault_of(reader.at + salt_bytes, head.arg - salt_bytes)
        if reason is not None:
            return reason
        result.append(PyBytes_FromStringAndSize(<const char*>reader.at, <Py_ssize_t>head.arg))
        reader.at += head.arg
    return result if reader.at == reader.end else "cbor-trailing"
