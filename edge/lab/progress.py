"""A bar for people who wait, on a terminal alone: stdout stays what the command has to say."""

from __future__ import annotations

import sys


class Bar:
    """How much of `whole` is done."""

    def __init__(self, whole: int, *, as_json: bool) -> None:
        self._is_shown = not as_json and sys.stderr.isatty()
        self._whole = whole

    def show(self, done: int, text: str) -> None:
        if self._is_shown:
            filled = 30 * min(done, self._whole) // max(1, self._whole)
            bar = f"[{'=' * filled}{' ' * (30 - filled)}]"
            print(f"\r{bar} {done}/{self._whole} {text}  ", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._is_shown:
            print("\r" + " " * 78 + "\r", end="", file=sys.stderr)
