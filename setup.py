"""Only the compiled extensions; everything else is in pyproject.toml."""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

EXTENSIONS = {
    "edge.wire._cbor": "cython/cbor.pyx",
}

debug = bool(os.environ.get("SYNEDGE_DEBUG"))
flags = ["-O0", "-g3"] if debug else ["-O3", "-g0"]

setup(
    ext_modules=cythonize(
        [Extension(name, [source], extra_compile_args=[*flags, "-Wall"]) for name, source in EXTENSIONS.items()],
        build_dir="build/cython",
        include_path=["cython"],
    ),
)
