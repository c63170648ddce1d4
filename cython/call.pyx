# cython: language_level=3, boundscheck=False, freethreading_compatible=False
"""One run of a plan as one call: bytes in, bytes out, and nothing between Python and `syn_plan_run` (plan.h), which cffi's
door hands over as an address. A small network computes in less time than cffi takes to call it."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uintptr_t

from edge.nn.errors import InferenceError

ctypedef void (*plan_run)(const void *, const void *, void *, const void *, void *) noexcept nogil


cdef class Call:
    cdef plan_run run
    cdef void *plan
    cdef void *constants
    cdef void *arena
    cdef Py_ssize_t input_bytes, output_bytes
    cdef bint is_long
    cdef object owners

    def __init__(self, addresses, Py_ssize_t input_bytes, Py_ssize_t output_bytes, bint is_long, owners):
        run, plan, constants, arena = addresses
        self.run = <plan_run><uintptr_t>run
        self.plan = <void *><uintptr_t>plan
        self.constants = <void *><uintptr_t>constants
        self.arena = <void *><uintptr_t>arena
        self.input_bytes, self.output_bytes, self.is_long = input_bytes, output_bytes, is_long
        self.owners = owners

    def __call__(self, stored):
        cdef Py_buffer given
        PyObject_GetBuffer(stored, &given, PyBUF_SIMPLE)
        try:
            if given.len != self.input_bytes:
                raise InferenceError(f"input of {given.len} bytes (allowed: {self.input_bytes})")
            answer = PyBytes_FromStringAndSize(NULL, self.output_bytes)
            out = <void *>PyBytes_AS_STRING(answer)
            if self.is_long:
                with nogil:
                    self.run(self.plan, self.constants, self.arena, given.buf, out)
            else:
                self.run(self.plan, self.constants, self.arena, given.buf, out)
            return answer
        finally:
            PyBuffer_Release(&given)
