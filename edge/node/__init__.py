"""The node: wires the machines. Input in, effects out; no clock, no thread, no file."""

from edge.node.node import Node
from edge.node.options import NodeOptions

__all__ = ["Node", "NodeOptions"]
