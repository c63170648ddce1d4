"""Synedge: the edge agent of the Synaptic Neural Mesh."""

__version__ = "0.1.0"
