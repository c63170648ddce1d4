"""What cffi makes of kernels/build_kernels.py; edge.nn.kernels and edge.nn.train import it."""

from typing import Any

ffi: Any
lib: Any
