"""Gives every buffer its place in the arena: those that are needed at the same time never overlap."""

from collections.abc import Sequence

from edge.nn.lowering.build import Buffer

ALIGNMENT = 64


def settle(buffers: Sequence[Buffer]) -> tuple[int, int]:
    """Sets every offset; the bytes that are kept, which lie first, and the bytes of all.

    Largest first, each at the lowest place that is free for as long as it lives: within a few percent of the best for
    networks, which are mostly chains.
    """
    kept = 0
    for buffer in buffers:
        if buffer.keeps:
            buffer.offset, kept = kept, _aligned(kept + buffer.size)
    total = kept
    placed: list[Buffer] = []
    for buffer in sorted((one for one in buffers if not one.keeps), key=lambda one: -one.size):
        buffer.offset = kept
        for other in placed:  # by offset
            if other.first <= buffer.last and buffer.first <= other.last:
                if buffer.offset + buffer.size <= other.offset:
                    break
                buffer.offset = max(buffer.offset, _aligned(other.offset + other.size))
        placed.append(buffer)
        placed.sort(key=lambda one: one.offset)
        total = max(total, _aligned(buffer.offset + buffer.size))
    return kept, total


def _aligned(size: int) -> int:
    return size + -size % ALIGNMENT
