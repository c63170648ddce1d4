"""A process that appends and commits as fast as it can, and says which records are durable: DIRECTORY FIRST_NUMBER."""

import sys
from pathlib import Path
from random import Random

from edge.dag.journal import VERTEX, Journal, JournalOptions
from edge.shell.disk import DirectoryDisk

OPTIONS = JournalOptions(segment_bytes=64 * 1024)


def payload(number: int) -> bytes:
    rng = Random(number)
    return number.to_bytes(8, "big") + rng.randbytes(rng.choice((0, 30, 300, 3000, 20000)))


def main(directory: str, first: str) -> None:
    journal = Journal(DirectoryDisk(Path(directory)), OPTIONS)
    for _ in journal.recover():
        pass
    number = int(first)
    rng = Random(number)
    while True:
        for _ in range(rng.randint(1, 6)):
            journal.append(VERTEX, payload(number))
            number += 1
        journal.commit()
        print(number - 1, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
