"""What many nodes are handed, and read again at their starts, is decoded once: decoders are functions of bytes, and
values never change.

A test holds that no trace differs by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from edge.dag import evidence
from edge.node import custody, exchange, intake, mending, readback, recovery, rescue
from edge.sim import checkers, store

FRAMES_MAX = 4_096
"""Of each kind; more than a small site says in a minute or two."""
_SHARED: dict[str, tuple[Any, ...]] = {
    "decode_vertex": (intake, exchange, recovery, readback, mending, rescue, store, checkers),
    "decode_header": (intake, recovery, readback, custody, mending, rescue, evidence, store, checkers),
    "decode_frontier": (exchange,),
}
"""By the name of a decoder, who uses it on what others have decoded already."""


@contextmanager
def shared_decoding() -> Iterator[None]:
    """Until it ends, all nodes of this process share what they decode."""
    usual = [(module, name, getattr(module, name)) for name, modules in _SHARED.items() for module in modules]
    shared: dict[Callable[..., Any], Callable[..., Any]] = {}
    try:
        for module, name, decode in usual:
            setattr(module, name, shared.setdefault(decode, lru_cache(FRAMES_MAX)(decode)))
        yield
    finally:
        for module, name, decode in usual:
            setattr(module, name, decode)
