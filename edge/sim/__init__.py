"""The same node in a world made of seeds."""
