# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Framing of journal records: seal one, walk a window of them, find the next one behind damage.

A record is length u32 | type u8 | crc u32 | payload, little-endian. The CRC32C (RFC 3720 §B.4, Castagnoli) covers
place u64 | length | type | payload: bound to its place, a record is valid nowhere else, so neither a misdirected write
nor a record that a peer wrote into a payload can pass for one of ours.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    HEADER = 9
    TYPE_MAX = 31
    ROSTER = 5  # types whose payload may be larger than the others'
    CERTIFICATE = 8

# Slice-by-8: table[k][b] is the CRC of byte b followed by k zero bytes.
cdef uint32_t[8][256] table


cdef void fill_table() noexcept:
    cdef uint32_t crc
    cdef int i, k
    for i in range(256):
        crc = <uint32_t>i
        for k in range(8):
            crc = (crc >> 1) ^ (0x82F63B78u if crc & 1 else 0u)
        table[0][i] = crc
    for i in range(256):
        for k in range(1, 8):
            table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xFF]


fill_table()


cdef inline uint32_t load32(const uint8_t* at) noexcept nogil:
    return <uint32_t>at[0] | (<uint32_t>at[1] << 8) | (<uint32_t>at[2] << 16) | (<uint32_t>at[3] << 24)


cdef inline void store32(uint8_t* at, uint32_t value) noexcept nogil:
    at[0] = <uint8_t>value
    at[1] = <uint8_t>(value >> 8)
    at[2] = <uint8_t>(value >> 16)
    at[3] = <uint8_t>(value >> 24)


cdef uint32_t update(uint32_t crc, const uint8_t* at, size_t length) noexcept nogil:
    cdef uint32_t low, high
    while length >= 8:
        low = load32(at) ^ crc
        high = load32(at + 4)
        crc = (
            table[7][low & 0xFF] ^ table[6][(low >> 8) & 0xFF] ^ table[5][(low >> 16) & 0xFF] ^ table[4][low >> 24]
            ^ table[3][high & 0xFF] ^ table[2][(high >> 8) & 0xFF] ^ table[1][(high >> 16) & 0xFF] ^ table[0][high >> 24]
        )
        at += 8
        length -= 8
    while length:
        crc = (crc >> 8) ^ table[0][(crc ^ at[0]) & 0xFF]
        at += 1
        length -= 1
    return crc


cdef uint32_t record_crc(uint64_t place, const uint8_t* header, const uint8_t* payload, uint32_t length) noexcept nogil:
    cdef uint8_t[8] where
    cdef uint32_t crc
    store32(where, <uint32_t>place)
    store32(where + 4, <uint32_t>(place >> 32))
    crc = update(0xFFFFFFFFu, where, 8)
    crc = update(crc, header, 5)
    return update(crc, payload, length) ^ 0xFFFFFFFFu


cdef enum Look:
    RECORD
    NOTHING  # no record begins here
    SHORT  # one may begin here, but the window ends before it does


cdef inline bint may_be_head(const uint8_t* at, uint32_t payload_max, uint32_t roster_max) noexcept nogil:
    if at[4] == 0 or at[4] > TYPE_MAX:
        return False
    return load32(at) <= (roster_max if at[4] in (ROSTER, CERTIFICATE) else payload_max)


cdef inline Look look(
    const uint8_t* at, size_t left, uint64_t place, uint32_t payload_max, uint32_t roster_max
) noexcept nogil:
    cdef uint32_t length
    if left < HEADER:
        return SHORT
    if not may_be_head(at, payload_max, roster_max):
        return NOTHING
    length = load32(at)
    if length > left - HEADER:
        return SHORT
    return RECORD if load32(at + 5) == record_crc(place, at, at + HEADER, length) else NOTHING


def crc32c(const uint8_t[::1] data not None):
    """The CRC32C of `data`."""
    if data.shape[0] == 0:
        return 0
    return update(0xFFFFFFFFu, &data[0], <size_t>data.shape[0]) ^ 0xFFFFFFFFu


def seal(uint64_t place, uint8_t type, bytes payload not None):
    """The bytes of one record as it stands at `place`."""
    cdef size_t length = <size_t>len(payload)
    if length > 0xFFFFFFFFu or not 1 <= type <= TYPE_MAX:
        raise ValueError("no such record")
    cdef bytes record = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(HEADER + length))
    cdef uint8_t* out = <uint8_t*>PyBytes_AS_STRING(record)
    cdef const uint8_t* source = <const uint8_t*>PyBytes_AS_STRING(payload)
    store32(out, <uint32_t>length)
    out[4] = type
    memcpy(out + HEADER, source, length)
    store32(out + 5, record_crc(place, out, out + HEADER, <uint32_t>length))
    return record


def walk(const uint8_t[::1] window not None, uint64_t place, uint32_t payload_max, uint32_t roster_max=0):
    """Consecutive records from the start of `window`, which stands at `place`.

    `roster_max` bounds the payload of a roster or certificate, `payload_max` all others. Answers (records as (offset in the window, type,
    payload), bytes they take, whether the rest may be the beginning of
    one more that the window cuts off).
    """
    cdef size_t size = <size_t>window.shape[0]
    cdef size_t position = 0
    cdef uint32_t length
    cdef const uint8_t* at
    cdef list records = []
    cdef Look found
    if size == 0:
        return records, 0, True
    while True:
        at = &window[0] + position
        found = look(at, size - position, place + position, payload_max, roster_max)
        if found != RECORD:
            return records, position, found == SHORT
        length = load32(at)
        records.append((position, at[4], PyBytes_FromStringAndSize(<const char*>at + HEADER, <Py_ssize_t>length)))
        position += HEADER + length


def find(
    const uint8_t[::1] window not None,
    size_t start,
    uint64_t place,
    uint32_t payload_max,
    uint64_t budget,
    uint32_t roster_max=0,
):
    """Where the next record begins in `window` at or after `start`.

    Answers (its offset or -1, the offset up to which no record begins, bytes checksummed on the way). It gives up once
    these exceed `budget`, because damage made for it can make every offset look like the head of a long record.
    """
    cdef size_t size = <size_t>window.shape[0]
    cdef size_t position = start
    cdef size_t clear = size
    cdef uint64_t spent = 0
    cdef bint hit = False
    cdef Look found
    cdef const uint8_t* at
    with nogil:
        while position < size and spent <= budget:
            at = &window[0] + position
            found = look(at, size - position, place + position, payload_max, roster_max)
            if found == RECORD:
                clear = position
                hit = True
                break
            if found == SHORT:
                if clear == size:
                    clear = position
            elif may_be_head(at, payload_max, roster_max):
                spent += load32(at)
            position += 1
    return (clear if hit else -1), clear, spent
