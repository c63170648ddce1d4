"""A node that keeps everything: the same node as everywhere, with a store behind it."""
