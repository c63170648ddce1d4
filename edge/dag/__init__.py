"""What is true: vertices, causality, and their bytes on a disk."""
