"""Deterministic CBOR (RFC 8949 §4.2), the profile of docs/WIRE.md: every value has one encoding and only that decodes.

`encode` takes int, bytes, str, None, bool, float, list, tuple and dict with int keys; ValueError for anything else.
`decode` raises Malformed(reason), a ValueError; arrays come back as lists. It neither recurses deeper than `depth_max`
nor allocates by a length that the input does not back with bytes.
"""

from edge.wire._cbor import Malformed, decode, encode

__all__ = ["Malformed", "decode", "encode"]
