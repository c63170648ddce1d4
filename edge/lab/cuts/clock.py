"""A wall clock that can be set wrong while its process runs: `synedge` with a file beside it that says by how much.

    python -m edge.lab.cuts.clock FILE run --config …

FILE holds whole seconds ahead of everyone else, and is read again all the time. The monotonic clock goes on, as on a
device. libfaketime would do it between process and kernel, but makes `time.sleep` fail in the version that Debian has.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

READ_S = 0.2


class WallClock:
    """Of one device, as whoever sets it sees it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.skew(0)

    def skew(self, seconds: int) -> None:
        """So much ahead, or behind."""
        draft = self.file.with_suffix(".new")
        draft.write_text(str(seconds))
        draft.replace(self.file)  # it is read at any moment

    def command(self) -> tuple[str, ...]:
        """What stands for `synedge` in the command line of a process that lives by this clock."""
        return (sys.executable, "-m", "edge.lab.cuts.clock", str(self.file))


class _Skewed:
    """What the process takes for the time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._true_ns = time.time_ns
        self._skew_ns = 0
        self._read_s = float("-inf")

    def time_ns(self) -> int:
        now_s = time.monotonic()
        if now_s - self._read_s >= READ_S:
            self._read_s = now_s
            self._skew_ns = int(self._file.read_text()) * 1_000_000_000
        return self._true_ns() + self._skew_ns

    def time(self) -> float:
        return self.time_ns() / 1e9


def main(argv: list[str]) -> int:
    """Set the clock, and be `synedge`."""
    skewed = _Skewed(Path(argv[0]))
    time.time_ns, time.time = skewed.time_ns, skewed.time
    from edge.cli.main import main as synedge

    return synedge(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
