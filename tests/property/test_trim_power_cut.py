"""The power goes at every operation of a trim, with every kind of tail: what was above the floor is there and hangs
together, and what a restart must know was written again before its segment went."""

from pathlib import Path
from random import Random

import pytest

from edge.dag.floor import Floor, decode_floor
from edge.dag.frontier import named_tips
from edge.dag.journal import Journal, JournalOptions
from edge.dag.records import CLEAN, ROSTER, VERTEX, Record, segment_of
from edge.dag.trimming import trim
from edge.dag.verify import verify_log
from edge.effects import Persist, Trim
from edge.node import Node, NodeOptions
from edge.sense.senses import Senses
from edge.sim.disk import PowerCut, SimDisk, Tail
from tests.builders import AUTHORITY, SUITE, World, event
from tests.reference.verify_log import verify_directory

FLOOR = "floor.cbor"
OPTIONS = JournalOptions(segment_bytes=16 * 1024, max_bytes=320 * 1024)
TAILS = [*Tail, Tail.TORN, Tail.GARBLED]


@pytest.fixture(scope="module")
def history() -> tuple[World, list[Record]]:
    """A device's log of a morning with another device and a gateway, nothing dropped yet."""
    world = World(["a", "b", "gw"], ("gw",))
    a, b, _ = world.boot_all()
    for number in range(40):
        (a if number % 2 else b).submit(event(number, pad=60), urgent=True)
        world.run(0.2)
    a.submit(event(99), urgent=True)  # nobody has acknowledged this one
    a.stop()
    return world, [Record(ROSTER, world.roster_bytes), *a.log]


def save_floor(disk: SimDisk, data: bytes) -> None:
    """As edge/shell/files.py does it."""
    if "draft" in disk.names():
        disk.remove("draft")
    disk.create("draft", 0)
    disk.write("draft", 0, data)
    disk.sync("draft")
    disk.rename("draft", FLOOR)
    disk.sync_dir()


def load_floor(disk: SimDisk) -> Floor:
    if FLOOR not in disk.names():
        return Floor()
    floor = decode_floor(disk.read(FLOOR, 0, disk.size(FLOOR)))
    assert floor is not None, "a floor is there as a whole or not at all"
    return floor


def written(records: list[Record]) -> SimDisk:
    disk = SimDisk(Random(1))
    journal = Journal(disk, OPTIONS)
    assert not list(journal.recover())
    for record in records:
        journal.append(record.type, record.payload)
    journal.commit()
    return disk


class Booted:
    """A node recovered from a disk, through its first turn."""

    def __init__(self, world: World, disk: SimDisk) -> None:
        options = NodeOptions(0, SUITE, AUTHORITY.public_key)
        self.node = Node(options, world.roster, world.roster_bytes, Senses(()), Random(2).randbytes, 0.5)
        self.journal = Journal(disk, OPTIONS)
        self.floor = load_floor(disk)
        self.node.recovery.floor(self.floor)
        self.records = []
        for place, record in self.journal.recover():
            self.node.recovery.record(place, record)
            self.records.append(record)
        self.world = world
        for effect in self.node.start(0, world.now):
            if isinstance(effect, Persist):
                places = tuple(self.journal.append(*record) for record in effect.records)
                self.journal.commit()
                self.node.stored(effect.ticket, places, world.now)

    def trim_wanted(self) -> Trim | None:
        size = self.journal.options.max_bytes
        segments = tuple((number, used / size) for number, used in self.journal.segments())
        effects = self.node.log_share(self.journal.share, self.world.now, segments)
        return next((effect for effect in effects if isinstance(effect, Trim)), None)


def carry_out(booted: Booted, disk: SimDisk, effect: Trim) -> None:
    places = trim(booted.journal, lambda data: save_floor(disk, data), effect.floor, effect.records, effect.before)
    assert places is not None
    booted.node.trimmed(effect.ticket, places, booted.world.now)


def check(world: World, disk: SimDisk, frontier: list, unacknowledged: int) -> Booted:
    """What must hold after any cut."""
    after = Booted(world, disk)
    node = after.node
    assert named_tips(node.graph) == frontier
    assert node.recovery.detached == 0
    assert node.incarnation > max(tip[1] for tip in frontier if tip[0] == 0)
    assert any(record.type == ROSTER for record in after.records), "the newest roster is always in the log"
    for author in node.graph.authors():
        for branch in node.graph.branches(author):
            assert branch.first_seq == 1
            for seq in range(branch.held_from, branch.head_seq + 1):
                place = branch.places[seq - branch.start]
                assert place, "everything above the floor is on the disk"
                assert after.journal.read(place) is not None
    assert node.graph.branches(0)[0].held_from <= unacknowledged
    verdict, _ = verify_log(after.records, world.roster, AUTHORITY.public_key, own=0, floor=lambda: after.floor)
    assert not verdict.faults, verdict.faults[:3]
    assert [(*tip[:3], tip.id.hex()) for tip in verdict.frontier] == [tuple(tip) for tip in frontier]
    assert verdict.dropped == len(after.floor.lines)
    return after


def cut_everywhere(world: World, records: list[Record], carry=carry_out) -> int:
    disk = written(records)
    booted = Booted(world, disk)
    frontier = named_tips(booted.node.graph)
    unacknowledged = booted.node.custody.acked_seq + 1
    effect = booted.trim_wanted()
    assert effect is not None
    assert {record.type for record in effect.records} >= {ROSTER}
    first = disk.operations
    cases = 0
    for cut_at in range(first, first + 1000):
        again = written(records)
        life = Booted(world, again)
        assert again.operations == first
        effect = life.trim_wanted()
        again.cut_at = cut_at
        try:
            carry(life, again, effect)
        except PowerCut:
            pass
        else:
            again.cut_at = -1
            check(world, again, frontier, unacknowledged)
            return cases
        for number, tail in enumerate(TAILS):
            twin = again.clone()
            twin.crash(tail, Random(f"{cut_at} {number}"))
            after = check(world, twin, frontier, unacknowledged)
            wanted = after.trim_wanted()
            if wanted is not None:
                carry_out(after, twin, wanted)
            last = check(world, twin, frontier, unacknowledged)
            assert last.journal.share < 0.6
            cases += 1
    raise AssertionError("the trim does not end")


def test_a_power_cut_anywhere_in_a_trim_loses_nothing_above_the_floor(history: tuple[World, list[Record]]) -> None:
    assert cut_everywhere(*history) > 100


def test_the_checker_sees_segments_that_go_before_the_floor_is_written(history: tuple[World, list[Record]]) -> None:
    def hasty(booted: Booted, disk: SimDisk, effect: Trim) -> None:
        booted.journal.drop_before(effect.before)
        carry_out(booted, disk, effect)

    with pytest.raises(AssertionError):
        cut_everywhere(*history, carry=hasty)


def test_the_checker_sees_a_roster_that_went_with_its_segment(history: tuple[World, list[Record]]) -> None:
    def forgetful(booted: Booted, disk: SimDisk, effect: Trim) -> None:
        carry_out(booted, disk, effect._replace(records=()))

    with pytest.raises(AssertionError, match="newest roster"):
        cut_everywhere(*history, carry=forgetful)


def test_what_was_kept_is_what_the_slow_verifier_takes(history: tuple[World, list[Record]], tmp_path: Path) -> None:
    world, records = history
    disk = written(records)
    booted = Booted(world, disk)
    frontier = named_tips(booted.node.graph)
    carry_out(booted, disk, booted.trim_wanted())
    (tmp_path / "log").mkdir()
    for name in disk.names():
        place = tmp_path / name if name == FLOOR else tmp_path / "log" / name
        place.write_bytes(disk.read(name, 0, disk.size(name)))
    (tmp_path / "authority.pub").write_bytes(AUTHORITY.public_key)
    (tmp_path / "roster.cose").write_bytes(world.roster_bytes)
    told = verify_directory(tmp_path)
    assert told["bad"] == 0, told["faults"][:3]
    assert [tuple(tip) for tip in told["frontier"]] == [tuple(tip) for tip in frontier]
    assert told["dropped"] == len(load_floor(disk).lines) > 0
    assert told["vertices"] == booted.node.graph.vertices < sum(record.type == VERTEX for record in records)
    (tmp_path / FLOOR).unlink()
    assert verify_directory(tmp_path)["bad"] > 0, "without its floor the log has holes"


def test_a_trim_behind_a_clean_stop_is_clean_again(history: tuple[World, list[Record]]) -> None:
    world, records = history
    disk = written(records)
    booted = Booted(world, disk)
    carry_out(booted, disk, booted.trim_wanted())
    assert segment_of(booted.journal.append(CLEAN, b"")) > 1
    booted.journal.commit()
    assert Booted(world, disk).journal.clean
