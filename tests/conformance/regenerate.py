"""Shows how the golden vectors would change: `python -m tests.conformance.regenerate [--write]`.

Without --write nothing is touched, and the exit code is 1 if anything differs. A vector that changes is a new wire
format: peers in the field refuse what they accepted, so `--write` is for new vectors.
"""

import difflib
import sys

from tests.conformance.build import FOLDER, build


def differences() -> list[str]:
    lines: list[str] = []
    for name, text in build().items():
        path = FOLDER / name
        old = path.read_text() if path.exists() else ""
        changes = difflib.unified_diff(old.splitlines(), text.splitlines(), f"now/{name}", f"new/{name}", "", "", 1, "")
        lines += [line if len(line) < 200 else f"{line[:200]}…" for line in changes]
    return lines


def main(arguments: list[str]) -> int:
    lines = differences()
    print("\n".join(lines) if lines else "the vectors are as they were")
    if arguments == ["--write"]:
        for name, text in build().items():
            (FOLDER / name).write_text(text)
        return 0
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
