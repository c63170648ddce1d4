"""The node: wires the machines. Input in, effects out; no clock, no thread, no file."""

from edge.node.node import Node, NodeOptions

__all__ = ["Node", "NodeOptions"]
