"""What the tests of the journal share: a small log on a disk that writes down what is done to it."""

from random import Random

from edge.dag.journal import Journal, JournalOptions, Place, Record
from edge.dag.records import segment_name
from edge.sim.disk import SimDisk

SMALL = JournalOptions(segment_bytes=4096, max_bytes=64 * 1024)
FIRST = segment_name(1)


class TracedDisk(SimDisk):
    """Writes down what is done to it, in order."""

    def __init__(self) -> None:
        super().__init__(Random(1))
        self.trace: list[str] = []

    def create(self, name: str, allocate: int) -> None:
        self.trace.append(f"create {name}")
        super().create(name, allocate)

    def write(self, name: str, offset: int, data: bytes) -> None:
        self.trace.append(f"write {name}")
        super().write(name, offset, data)

    def sync(self, name: str) -> None:
        self.trace.append(f"sync {name}")
        super().sync(name)

    def sync_dir(self) -> None:
        self.trace.append("sync_dir")
        super().sync_dir()


def opened(disk: SimDisk, options: JournalOptions = SMALL) -> Journal:
    return recovered(disk, options)[0]


def recovered(disk: SimDisk, options: JournalOptions = SMALL) -> tuple[Journal, list[tuple[Place, Record]]]:
    journal = Journal(disk, options)
    found = list(journal.recover())
    return journal, found
