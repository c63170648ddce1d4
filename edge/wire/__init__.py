"""Bytes to values and back: the strict codec, the formats of docs/WIRE.md, and the one door to signatures."""
