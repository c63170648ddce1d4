# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""MQTT packets out of a stream (MQTT 3.1.1 §2.2, §3.3): who floods a broker is heard by everyone who subscribes, and this
is the part of that which nobody can refuse."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t

cdef enum:
    PUBLISH = 0x30
    TYPE_AND_QOS = 0xF6
    RETAINED = 0x01
    LENGTH_BYTES_MAX = 4


def cut(bytes buffer not None, Py_ssize_t packet_bytes_max):
    """The whole packets at the start of `buffer`, as (topic, payload, retained?) of each PUBLISH of QoS 0 and (None,
    packet, False) of every other; how many bytes they took; and how many bytes are still to come of a packet larger than
    allowed that follows them, which takes all the rest. What is no MQTT comes as one packet to the end."""
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(buffer)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(buffer)
    cdef Py_ssize_t at = 0, body, end, length, place, topic_end
    cdef list found = []
    while at < size:
        length = place = 0
        while True:
            body = at + 1 + place
            if body >= size:
                return found, at, 0
            length |= <Py_ssize_t>(data[body] & 0x7F) << (7 * place)
            place += 1
            if data[body] < 0x80:
                break
            if place == LENGTH_BYTES_MAX:
                found.append((None, buffer[at:], False))
                return found, size, 0
        body += 1
        end = body + length
        if end > size:
            if length <= packet_bytes_max:
                return found, at, 0
            return found, size, end - size
        topic_end = end + 1
        if length >= 2:
            topic_end = body + 2 + ((<Py_ssize_t>data[body] << 8) | data[body + 1])
        if data[at] & TYPE_AND_QOS != PUBLISH or topic_end > end:
            found.append((None, buffer[at:end], False))
        else:
            found.append((
                PyBytes_FromStringAndSize(<const char*>data + body + 2, topic_end - body - 2),
                PyBytes_FromStringAndSize(<const char*>data + topic_end, end - topic_end),
                bool(data[at] & RETAINED),
            ))
        at = end
    return found, at, 0
