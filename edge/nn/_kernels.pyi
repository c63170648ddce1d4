"""What cffi makes of kernels/build_kernels.py; edge.nn.kernels, train, cascade, recurrent and streams import it."""

from typing import Any

ffi: Any
lib: Any
