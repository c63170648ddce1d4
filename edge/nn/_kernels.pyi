"""What cffi makes of kernels/build_kernels.py; only edge.nn.kernels imports it."""

from typing import Any

ffi: Any
lib: Any
