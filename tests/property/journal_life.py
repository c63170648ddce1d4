"""A journal's life on a faulty disk, and the checker that stands outside of it."""

from collections.abc import Callable
from random import Random

from edge.dag.journal import CLEAN, GAP, VERTEX, Journal, JournalOptions, Place, Record
from edge.errors import DiskFullError, StorageError
from edge.sim.disk import PowerCut, SimDisk, Tail

OPTIONS = JournalOptions(segment_bytes=4096, max_bytes=1 << 20)

Step = tuple[str, int]
MakeJournal = Callable[[SimDisk, JournalOptions], Journal]


def script(rng: Random, steps: int) -> list[Step]:
    """A seeded mix: records from empty to half a segment, commits, killed processes, full disks, failing syncs."""
    made: list[Step] = []
    for _ in range(steps):
        chance = rng.random()
        if chance < 0.60:
            made.append(("append", rng.choice((0, 1, 40, 200, 503, 900, rng.randrange(2000)))))
        elif chance < 0.86:
            made.append(("commit", 0))
        elif chance < 0.92:
            made.append(("kill", 0))
        elif chance < 0.95:
            made.append(("clean", 0))
        elif chance < 0.98:
            made.append(("full", rng.randrange(1500)))
        else:
            made.append(("sync fails", 0))
    return [*made, ("append", 100), ("commit", 0)]


class Life:
    """Appends to a journal, remembers what was promised, and holds recovery to it."""

    def __init__(self, disk: SimDisk, seed: int, make: MakeJournal = Journal) -> None:
        self.disk = disk
        self._rng = Random(seed)
        self._make = make
        self._serial = 0
        self.appended: list[tuple[Place | None, Record]] = []
        """Every record the journal was given since it last recovered, behind those that it recovered."""
        self.promised = 0
        """So many of them are durable."""

    def fork(self, disk: SimDisk) -> "Life":
        twin = Life(disk, self._rng.randrange(1 << 30), self._make)
        twin._serial = self._serial
        twin.appended = self.appended[:]
        twin.promised = self.promised
        return twin

    def live(self, steps: list[Step]) -> None:
        """Run the steps; ends early by PowerCut only."""
        self.boot()
        for act, amount in steps:
            try:
                self._step(act, amount)
            except DiskFullError:
                self._give_room()
            except StorageError:  # final: the process ends and another one starts
                self.boot()

    def power_cut(self, tail: Tail, rng: Random) -> None:
        """What must hold whatever the cut left: checked twice, with records appended in between."""
        self.disk.failing_syncs = 0
        self._give_room()
        self.disk.crash(tail, rng)
        self.boot()
        for size in (0, 700, 30):
            self.append(size)
        self.commit()
        before = self.appended[:]
        self.disk.crash(Tail.NONE, rng)
        self.boot()
        assert self.appended == before, "what recovery kept and what was committed since is durable"

    def boot(self) -> None:
        """A new process: recovery, then the check."""
        self.journal = self._make(self.disk, OPTIONS)
        found = list(self.journal.recover())
        failing = self.journal.failure
        if failing:  # the device refused the repair: nothing new is promised, the next start tries again
            self.check(found)
            self.boot()
            return
        self.check(found)
        ours = [(place, record) for place, record in found if record.type != GAP]
        self.appended = list(ours)
        self.promised = len(ours)

    def check(self, found: list[tuple[Place, Record]]) -> None:
        at: dict[Record, int] = {record: index for index, (_, record) in enumerate(self.appended)}
        places = [place for place, _ in found]
        assert places == sorted(places), "records come in the order of their places"
        kept = [-1]
        for place, record in found:
            if record.type == GAP:
                continue
            assert record in at, f"recovered a record that was never appended: {record}"
            index = at[record]
            assert index > kept[-1], "records come in the order of their append, each once"
            assert self.appended[index][0] in (place, None), "a place is for life"
            assert self.journal.read(place) == record, "what is recovered can be read back"
            kept.append(index)
        lost = sorted({*range(self.promised)} - {*kept})
        assert not lost, f"acknowledged records are lost: {lost} of {self.promised}"

    def append(self, size: int, type: int = VERTEX) -> None:
        self._serial += 1
        payload = self._serial.to_bytes(4, "big") + self._rng.randbytes(size)
        record = Record(type, payload)
        self.appended.append((None, record))  # it may be on the disk although the append never returned
        try:
            place = self.journal.append(type, payload)
        except DiskFullError:
            self.appended.pop()
            raise
        self.appended[-1] = (place, record)

    def commit(self) -> None:
        count = len(self.appended)
        self.journal.commit()
        self.promised = count

    def _step(self, act: str, amount: int) -> None:
        if act == "append":
            self.append(amount)
        elif act == "commit":
            self.commit()
        elif act == "kill":
            self.boot()
        elif act == "clean":
            self.append(0, CLEAN)
            self.commit()
            self.boot()
            assert self.journal.clean or self.journal.quarantined
        elif act == "full":
            self.disk.room = amount
            self.disk.thin = bool(amount % 2)
        elif act == "sync fails":
            self.disk.failing_syncs = 1

    def _give_room(self) -> None:
        self.disk.room = None
        self.disk.thin = False


def run_until(cut_at: int, seed: int, make: MakeJournal, disk: SimDisk, steps: list[Step]) -> Life | None:
    """The life up to a power cut in operation `cut_at`; None if it ends before."""
    disk.cut_at = cut_at
    life = Life(disk, seed, make)
    try:
        life.live(steps)
    except PowerCut:
        return life
    return None
