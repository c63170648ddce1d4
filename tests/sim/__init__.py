"""The simulator: its parts, its worlds, and that its checkers see."""
