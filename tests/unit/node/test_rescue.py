"""An own record that rots before anybody has it: a new line at once, and what is still readable is recorded again."""

from collections import Counter

import pytest

from edge.dag.records import VERTEX
from edge.dag.verify import verify_log
from edge.limits import ORPHANS_MAX, PENDING_PER_AUTHOR_MAX
from edge.node import recovery
from edge.wire.frame import Channel, decode_vertex
from edge.wire.vertex import BodyRef, body_events, decode_header
from tests.builders import AUTHORITY, Machine, World, event

AUTHOR = 0


def alone(count: int = 6, names: tuple[str, ...] = ("author", "late", "gw"), own_only: tuple[str, ...] = ()) -> World:
    """An author that nobody has heard yet."""
    world = World([*names], ("gw",), own_only=own_only)
    author = world.boot("author")
    for number in range(1, count + 1):
        author.submit(event(number), urgent=True)
        world.run(0.1)
    return world


def events(machine: Machine) -> Counter[float]:
    """What the author's vertices say that this one holds, from the intact part of its log."""
    found: Counter[float] = Counter()
    seen: dict[bytes, None] = {}
    for number, record in enumerate(machine.log, machine.dropped):
        if record.type != VERTEX or number in machine.rotten:
            continue
        frame = decode_vertex(record.payload)
        header = decode_header(frame.header)
        if header.author == AUTHOR and header.id not in seen and machine.node.graph.holds(header.key, header.id):
            seen[header.id] = None
            assert isinstance(header.body, BodyRef)
            found.update(one.values[0] for one in body_events(frame.body))
    return found


def own(machine: Machine, seq: int) -> tuple[int, int, int]:
    return (machine.index, machine.node.incarnation, seq)


def said(machine: Machine, name: str) -> list[dict[str, object]]:
    return [dict(report.fields) for report in machine.reports if report.event == name]


def test_the_line_goes_on_below_the_hole_and_what_is_readable_comes_along() -> None:
    world = alone()
    author = world.machines["author"]
    before = author.node.incarnation
    author.rot(own(author, 3))
    noted: list[int] = []
    author.node.note_lives(noted.append)
    late = world.boot("late")
    world.run(15)
    assert noted == [author.node.incarnation], "should the log be lost next"
    assert events(late) == events(author) == Counter([1.0, 2.0, 4.0, 5.0, 6.0])
    assert late.frontier() == author.frontier() and len(author.frontier()) == 1
    assert author.node.incarnation > before
    assert said(author, "own-line-broken") == [{"vertex": f"0/{before}/3", "lost": 1, "readable": 3}]
    assert said(author, "own-line-mended") == [{"rescued": 3, "lost": 1}]
    status = author.node.status(world.now)
    assert (status["own_lost"], status["own_rescued"], status["own_orphans"]) == (1, 3, 0)
    author.submit(event(7), urgent=True)
    world.run(1)
    assert author.recorded[-1][0] == (AUTHOR, author.node.incarnation, 6), "no name is used twice"
    assert events(late)[7.0] == 1
    assert len(author.recorded) == 7, "people are not told again"
    assert verify_log(late.log, world.roster, AUTHORITY.public_key, own=1)[0].faults == ()
    assert not said(author, "key-in-use")


def test_without_anything_above_the_hole_the_loss_is_said_all_the_same() -> None:
    world = alone()
    author = world.machines["author"]
    author.rot(own(author, 6))
    late = world.boot("late")
    world.run(15)
    assert late.frontier() == author.frontier()
    assert author.node.status(world.now)["own_lost"] == 1
    assert said(author, "own-line-broken")[0]["readable"] == 0


def test_a_first_vertex_that_is_gone_begins_a_history_anew() -> None:
    world = alone()
    author = world.machines["author"]
    author.rot(own(author, 1))
    late = world.boot("late")
    world.run(15)
    assert events(late) == Counter([2.0, 3.0, 4.0, 5.0, 6.0])
    assert author.node.status(world.now)["seq"] == 5


def test_a_hole_in_an_earlier_life_takes_the_later_ones_along() -> None:
    world = alone()
    author = world.machines["author"]
    lost = own(author, 3)
    author.kill()
    world.ms += 5000
    author = world.boot("author")
    author.submit(event(7), urgent=True)
    author.rot(lost)
    late = world.boot("late")
    world.run(15)
    assert events(late) == Counter([1.0, 2.0, 4.0, 5.0, 6.0, 7.0])
    assert late.frontier() == author.frontier() and len(author.frontier()) == 1


@pytest.mark.parametrize("kept", range(12))
def test_a_crash_on_the_way_neither_loses_nor_repeats(kept: int) -> None:
    """Whatever the power cut leaves of the log after the line was begun anew."""
    world = alone()
    author = world.machines["author"]
    author.rot(own(author, 3))
    before = len(author.log)
    world.boot("late")
    world.run(15)
    del author.log[before + kept :]
    author.kill()
    world.machines.pop("late")
    world.ms += 5000
    again = world.boot("author")
    late = world.boot("late")
    world.run(40)
    assert events(late) == events(again) == Counter([1.0, 2.0, 4.0, 5.0, 6.0])
    assert late.frontier() == again.frontier()
    assert again.node.counts()["pending"] == again.node.counts()["own_orphans"] == 0


def test_a_start_rescues_more_than_may_wait_for_parents() -> None:
    count = PENDING_PER_AUTHOR_MAX + 60
    world = alone(count)
    author = world.machines["author"]
    author.rot(own(author, 2))
    author.kill()
    world.ms += 5000
    author = world.boot("author")
    late = world.boot("late")
    world.run(60)
    assert events(late) == Counter(float(number) for number in range(1, count + 1) if number != 2)
    assert said(author, "own-line-mended") == [{"rescued": count - 2, "lost": 0}]
    assert author.node.counts()["pending"] == 0


def test_a_start_remembers_so_many_and_keeps_the_segments_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ORPHANS_MAX > PENDING_PER_AUTHOR_MAX
    monkeypatch.setattr(recovery, "ORPHANS_MAX", 20)
    count = PENDING_PER_AUTHOR_MAX + 60
    world = alone(count)
    author = world.machines["author"]
    author.rot(own(author, 2))
    author.kill()
    world.ms += 5000
    author = world.boot("author")
    late = world.boot("late")
    world.run(30)
    assert events(late) == Counter([1.0, *(float(number) for number in range(3, 23))])
    assert author.node.counts()["own_orphans_beyond"] == count - 22
    assert author.node.recovery.pinned_segment == 1, "nothing of it is dropped"


def test_what_a_peer_has_is_taken_from_there_and_no_line_is_begun() -> None:
    world = World(["author", "keeper", "late"])
    author, keeper = world.boot("author"), world.boot("keeper")
    for number in range(1, 7):
        author.submit(event(number), urgent=True)
        world.run(0.5)
    before = author.node.incarnation
    author.rot(own(author, 3))
    world.fate = lambda sender, to, channel: int(to != 2 or sender == AUTHOR)
    late = world.boot("late")
    world.run(20)
    assert author.node.incarnation == before and not said(author, "own-line-broken")
    assert late.frontier() == keeper.frontier() == author.frontier()
    assert author.node.counts()["records_mended"] == 1


def test_what_a_gateway_keeps_is_waited_for_however_long() -> None:
    world = alone(3)
    author, gw = world.machines["author"], world.boot("gw")
    world.run(5)
    assert author.node.custody.acked_seq == 3
    before = author.node.incarnation
    gw.is_up = False
    author.rot(own(author, 3))
    late = world.boot("late")
    world.run(60)
    assert author.node.incarnation == before and author.node.counts()["records_lacking"] == 1
    gw.is_up = True
    gw.do(gw.node.linked(True, world.now))
    world.run(70)
    assert author.node.counts()["records_lacking"] == 0
    assert late.frontier() == author.frontier() == gw.frontier()


def test_a_start_waits_while_a_peer_says_that_it_has_more() -> None:
    world = alone(40)
    author = world.machines["author"]
    keeper = world.boot("late")
    world.run(10)
    author.rot(own(author, 3))
    author.kill()
    world.ms += 5000
    world.fate = lambda sender, to, channel: int(world.random.random() < 0.6)
    author = world.boot("author")
    world.run(90)
    assert events(author) == Counter(float(number) for number in range(1, 41))
    assert author.node.counts()["own_rescued"] == 0
    assert author.frontier() == keeper.frontier()


def test_a_device_that_keeps_its_own_line_heals_it_too() -> None:
    world = alone(names=("author", "gw"), own_only=("author",))
    author = world.machines["author"]
    author.rot(own(author, 2))
    gw = world.boot("gw")
    world.run(40)
    assert events(gw) == Counter([1.0, 3.0, 4.0, 5.0, 6.0])
    assert author.node.custody.acked_seq == author.node.status(world.now)["seq"] == 5


def test_a_copy_that_rots_in_its_turn_is_made_once_more() -> None:
    world = alone()
    author = world.machines["author"]
    author.rot(own(author, 3))
    world.fate = lambda sender, to, channel: int(channel not in (Channel.REPLY, Channel.VERTEX))
    late = world.boot("late")
    while len(said(author, "own-line-mended")) < 1 and world.ms < 90_000:
        world.run(1)
    author.rot(own(author, 4))
    while len(said(author, "own-line-mended")) < 2 and world.ms < 90_000:
        world.run(1)
    world.fate = lambda sender, to, channel: 1
    world.run(30)
    assert events(late) == Counter([1.0, 2.0, 4.0, 5.0, 6.0])
    assert author.node.counts()["own_lost"] == 1


@pytest.mark.parametrize("hole", [1, 2])
def test_a_question_above_the_hole_is_asked_once_more(hole: int) -> None:
    """Nobody else knows of it, and it would stay open here for good. The hole is its own vertex, or the one below."""
    names = ("author", "b", "c", "d")
    world = World([*names], voting=names)
    author = world.boot("author")
    author.submit(event(1), urgent=True)
    world.run(0.1)
    _, effects = author.node.propose("site", "model", b"one", world.now)
    author.do(effects)
    world.run(0.1)
    author.rot(own(author, hole))
    for name in names[1:]:
        world.boot(name)
    world.run(25)
    finals = [machine.node.voting.agreement.registers.get("site", "model") for machine in world.up()]
    assert [final and final.value for final in finals] == [b"one"] * 4
    assert [machine.node.counts()["sets_open"] for machine in world.up()] == [0] * 4
