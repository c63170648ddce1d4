"""Builds `edge.nn._kernels`: our own C, bound in cffi's API mode. Only `edge.nn.kernels` imports the result
and, for training, `train`, `cascade` and `recurrent` beside it, and `streams`.

What Python sees are the marked parts of plan.h, population.h, idle.h, train.h, bptt.h and streams.h in
include/synedge and the few names below. Switches as in setup.py.
"""

import os
import sys
from pathlib import Path

from cffi import FFI

_HERE = Path(__file__).parent


def _cdef(name: str) -> str:
    """The part of a header that is meant for cffi."""
    text = (_HERE / "include" / "synedge" / name).read_text()
    return text[text.index("/* cdef begins */") : text.index("/* cdef ends */")]


# setuptools wants sources relative to setup.py, which is where builds run.
SOURCES = sorted(str(path.relative_to(_HERE.parent)) for path in (_HERE / "src").rglob("*.c"))
# No traps: nobody looks at the processor's exception flags, and a loop that has a choice in it becomes vectors. Hidden:
# calls among our own files go straight, not through a table that somebody else could bend.
FLAGS = ["-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
FLAGS += ["-O0", "-g3"] if os.environ.get("SYNEDGE_DEBUG") else ["-O3", "-g0"]
SANITIZERS = ["-fsanitize=address,undefined"] if os.environ.get("SYNEDGE_SANITIZE") else []

ffi = FFI()
ffi.set_source(
    "edge.nn._kernels",
    "".join(f'#include "synedge/{name}.h"\n' for name in ("kernels", "population", "idle", "bptt", "streams")),
    sources=SOURCES,
    include_dirs=[str(_HERE.relative_to(_HERE.parent) / "include")],
    depends=sorted(str(path.relative_to(_HERE.parent)) for path in _HERE.rglob("*.h")),
    extra_compile_args=[*FLAGS, *SANITIZERS],
    extra_link_args=SANITIZERS,
    libraries=["m"],
)
ffi.cdef(
    _cdef("plan.h")
    + _cdef("population.h")
    + _cdef("idle.h")
    + _cdef("train.h")
    + _cdef("bptt.h")
    + _cdef("streams.h")
    + """
    enum { SYN_OK = 0, SYN_UNKNOWN = 1, SYN_NOT_BUILT = 2, SYN_CPU_LACKS = 3 };
    int syn_select(const char *variant);
    int syn_can(const char *variant);
    const char *syn_selected(const char *kernel);
    const char *syn_variant(size_t index);
    """
)

if __name__ == "__main__":
    # For another machine's compiler: the binding as C.
    ffi.emit_c_code(sys.argv[1])
