"""The slow twin of `edge.sense.window`: all readings are kept, windows are slices."""

from typing import Any


def windows(readings: list[Any], size: int, step: int) -> list[list[Any]]:
    """Every full window, oldest first."""
    return [readings[start : start + size] for start in range(0, len(readings) - size + 1, step)]


def fates(count: int, size: int, step: int) -> tuple[int, int, int]:
    """Of `count` readings: those retired by a full window, those skipped between windows, those still held.

    Reading i belongs to the window that starts at the last multiple of `step` up to i; it is that window's to retire.
    """
    full = len(windows(list(range(count)), size, step))
    retired = skipped = held = 0
    for reading in range(count):
        window, place = divmod(reading, step)
        if place >= size:
            skipped += 1
        elif window < full:
            retired += 1
        else:
            held += 1
    return retired, skipped, held
