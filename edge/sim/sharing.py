"""What a broker hands to a thousand nodes is decoded once: decoders are functions of bytes, and values never change.

For large sites alone. A test holds that no trace differs by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from edge.node import exchange, intake

FRAMES_MAX = 512
_SHARED = ((intake, "decode_vertex"), (intake, "decode_header"), (exchange, "decode_frontier"))


@contextmanager
def shared_decoding() -> Iterator[None]:
    """Until it ends, all nodes of this process share what they decode."""
    usual = [getattr(module, name) for module, name in _SHARED]
    try:
        for (module, name), decode in zip(_SHARED, usual, strict=True):
            setattr(module, name, lru_cache(FRAMES_MAX)(decode))
        yield
    finally:
        for (module, name), decode in zip(_SHARED, usual, strict=True):
            setattr(module, name, decode)
