"""Only the compiled extensions; everything else is in pyproject.toml.

Switches: SYNEDGE_DEBUG=1 (no optimisation, debug symbols), SYNEDGE_SANITIZE=1 (address and undefined-behaviour
sanitizers; run Python with libasan preloaded). No -march anywhere: kernels choose by function attributes, so one build
serves a family.
"""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

# Where the binary goes (a private module of the room that owns it): its source.
EXTENSIONS = {
    "edge.wire._cbor": "cython/cbor.pyx",
    "edge.wire._event": "cython/event.pyx",
    "edge.wire._speaker": "cython/speaker.pyx",
    "edge.shell._packets": "cython/packets.pyx",
    "edge.dag._crc32c": "cython/crc32c.pyx",
    "edge.nn._call": "cython/call.pyx",
    "edge.lab._loop": "cython/loop.pyx",
}

# Builders of cffi modules, as path:variable.
CFFI_MODULES = [
    "kernels/build_kernels.py:ffi",
    "kernels/build_tflite_capi.py:ffi",
]

flags = ["-O0", "-g3"] if os.environ.get("SYNEDGE_DEBUG") else ["-O3", "-g0"]
link = []
if os.environ.get("SYNEDGE_SANITIZE"):
    flags += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
    link += ["-fsanitize=address,undefined"]
# Cython's C is not ours to mend: it leaves unused helpers, missing initializers and error paths the compiler cannot
# follow. Our own C is built with -Werror.
LENIENT = ("unused-function", "unused-parameter", "missing-field-initializers", "maybe-uninitialized")
GENERATED = ["-Wall", "-Wextra", *(f"-Wno-{warning}" for warning in LENIENT)]

setup(
    cffi_modules=CFFI_MODULES,
    ext_modules=cythonize(
        [
            Extension(name, [source], extra_compile_args=[*flags, *GENERATED], extra_link_args=link)
            for name, source in EXTENSIONS.items()
        ],
        build_dir="build/cython",
        include_path=["cython"],
    ),
)
