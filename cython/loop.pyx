# cython: language_level=3
"""Times C functions in a C loop, whoever made them: what a call costs without Python around it."""

from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

ctypedef void *(*one)(void *) noexcept nogil
ctypedef void *(*two)(void *, void *) noexcept nogil
ctypedef void *(*five)(void *, void *, void *, void *, void *) noexcept nogil
ctypedef uint32_t (*many)(void *, void *, void *, uint32_t, void *, void *, void *) noexcept nogil
ctypedef uint32_t (*made)(void *, void *) noexcept nogil
ctypedef int (*ended)(void *, uint32_t) noexcept nogil


cdef inline uint64_t now_ns() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <uint64_t>at.tv_sec * 1000000000 + <uint64_t>at.tv_nsec


def loop(uintptr_t function, arguments, Py_ssize_t calls):
    """Nanoseconds of so many calls."""
    cdef uintptr_t a[7]
    cdef Py_ssize_t count = len(arguments), i
    cdef uint64_t begun
    if count not in (1, 2, 5, 7):
        raise ValueError(f"{count} arguments (allowed: 1, 2, 5 or 7)")
    for i in range(count):
        a[i] = arguments[i]
    with nogil:
        begun = now_ns()
        if count == 1:
            for i in range(calls):
                (<one>function)(<void *>a[0])
        elif count == 2:
            for i in range(calls):
                (<two>function)(<void *>a[0], <void *>a[1])
        elif count == 5:
            for i in range(calls):
                (<five>function)(<void *>a[0], <void *>a[1], <void *>a[2], <void *>a[3], <void *>a[4])
        else:
            for i in range(calls):
                (<many>function)(<void *>a[0], <void *>a[1], <void *>a[2], <uint32_t>a[3], <void *>a[4], <void *>a[5],
                                 <void *>a[6])
        begun = now_ns() - begun
    return begun


def in_turn(uintptr_t function, arguments, Py_ssize_t calls):
    """Nanoseconds of so many rounds in which the function is called once with each of the arguments."""
    cdef uintptr_t[::1] each = arguments
    cdef Py_ssize_t i, k, count = each.shape[0]
    cdef uint64_t begun
    with nogil:
        begun = now_ns()
        for i in range(calls):
            for k in range(count):
                (<one>function)(<void *>each[k])
        begun = now_ns() - begun
    return begun


def born_and_gone(uintptr_t spawn, uintptr_t evict, uintptr_t population, uintptr_t pattern, Py_ssize_t calls):
    """Nanoseconds of so many networks that are made and taken away again."""
    cdef Py_ssize_t i
    cdef uint64_t begun
    with nogil:
        begun = now_ns()
        for i in range(calls):
            (<ended>evict)(<void *>population, (<made>spawn)(<void *>population, <void *>pattern))
        begun = now_ns() - begun
    return begun


cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    /* Eight sums of wide registers keep every load unit busy; `bytes` is a multiple of 256. */
    typedef uint64_t syn_wide __attribute__((vector_size(32), aligned(8), may_alias));
    #define SWEEP(name, attributes)                                                                \
        attributes static uint64_t name(const void *memory, size_t bytes) {                         \
            syn_wide sums[8] = {{0}};                                                               \
            const syn_wide *at = (const syn_wide *)memory;                                          \
            for (const syn_wide *end = at + bytes / 32; at < end; at += 8)                          \
                for (int i = 0; i < 8; i++) sums[i] += at[i];                                       \
            for (int i = 1; i < 8; i++) sums[0] += sums[i];                                         \
            return sums[0][0] + sums[0][1] + sums[0][2] + sums[0][3];                               \
        }
    SWEEP(sweep_plain, )
    #if defined(__x86_64__)
    SWEEP(sweep_avx2, __attribute__((target("avx2"))))
    static uint64_t sweep(const void *memory, size_t bytes) {
        return __builtin_cpu_supports("avx2") ? sweep_avx2(memory, bytes) : sweep_plain(memory, bytes);
    }
    #else
    #define sweep sweep_plain
    #endif
    """
    uint64_t sweep(const void *memory, size_t bytes) noexcept nogil


def read(const uint64_t[::1] memory, Py_ssize_t passes):
    """Nanoseconds of reading all of it, less what is over 256 bytes, so many times; and a sum that keeps the compiler
    from leaving that out."""
    cdef Py_ssize_t k, size = memory.shape[0] * 8 // 256 * 256
    cdef uint64_t begun, found = 0
    with nogil:
        begun = now_ns()
        for k in range(passes):
            found = found * 3 + sweep(&memory[0], size)
        begun = now_ns() - begun
    return begun, found
