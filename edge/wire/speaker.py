"""Who a vertex, frontier or request says it is by, from its first bytes: for whoever has to choose what to decode."""

from edge.wire._speaker import claimed_speaker

__all__ = ["claimed_speaker"]
