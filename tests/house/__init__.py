"""Taste as tests: floors, imports, size, documents."""
