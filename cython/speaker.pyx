# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Who a frame says it is by (docs/WIRE.md §2, §6), from its first bytes: asked of everything that anyone says."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_READ_CHAR
from heads cimport ARRAY, BYTES, OK, UNSIGNED, Head, Reader, read_head
from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    SITE_BYTES = 8
    FRAME_FIELDS = 3
    HEADER_FIELDS = 12
    HINT_FIELDS = 5
    STATE_FIELDS = 4  # of a request for the state at a checkpoint
    FINALS_FIELDS = 6  # of a frontier that says what is final, and of a request for that


cdef inline bint takes(Reader* reader, uint8_t major, uint64_t arg) noexcept nogil:
    """Whether this head comes next."""
    cdef Head head
    return read_head(reader, &head) == OK and head.major == major and head.arg == arg


cdef inline bint skips(Reader* reader, uint8_t major, Head* head) noexcept nogil:
    return read_head(reader, head) == OK and head.major == major


cdef inline bint finds(Reader* reader, uint8_t channel, Head* head) noexcept nogil:
    if channel == c"v":
        if not (takes(reader, ARRAY, FRAME_FIELDS) and skips(reader, BYTES, head)):
            return False
        reader.end = reader.at + head.arg
        if not (takes(reader, ARRAY, HEADER_FIELDS) and skips(reader, UNSIGNED, head)):
            return False
    elif not (skips(reader, ARRAY, head) and STATE_FIELDS <= head.arg <= FINALS_FIELDS):
        return False
    if not takes(reader, BYTES, SITE_BYTES):
        return False
    reader.at += SITE_BYTES
    if channel != c"r" and not skips(reader, UNSIGNED, head):  # the epoch
        return False
    return skips(reader, UNSIGNED, head)


def claimed_speaker(channel, bytes raw not None):
    """Which member a vertex (v), frontier (f) or request (rq) says it is by, from its first bytes alone; None if it is
    none.

    The rest is not looked at: this is for whoever has to choose what to decode. What a decoder takes has a speaker.
    """
    if not isinstance(channel, str) or len(channel) == 0:
        raise TypeError("a channel is the word in its topic")
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(raw)
    cdef Reader reader = Reader(data, data + PyBytes_GET_SIZE(raw))
    cdef Head head
    if not finds(&reader, <uint8_t>PyUnicode_READ_CHAR(channel, 0), &head):
        return None
    return head.arg
