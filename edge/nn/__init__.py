"""Micro-networks. Tensors stay in this room; what crosses to others are handles, digests and plain floats."""
