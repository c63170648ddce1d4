"""A power cut in the sync of an own vertex may leave it without what it stands on: then it was never sent."""

from collections import Counter

from edge.dag.records import SIGNATURE, VERTEX, Record
from edge.dag.verify import verify_log
from edge.wire.frame import decode_vertex
from edge.wire.items import Vote
from edge.wire.vertex import BodyRef, Header, body_events, decode_header
from tests.builders import AUTHORITY, Machine, World, event

AUTHOR, LIAR = 0, 1


def header_of(record: Record) -> Header | None:
    return decode_header(decode_vertex(record.payload).header) if record.type == VERTEX else None


def cut_in_sync(machine: Machine) -> Header:
    """The newest own vertex is the last record that is left, and what it names of others is not; the vertex."""
    log = machine.log
    at = max(at for at, record in enumerate(log) if (one := header_of(record)) and one.author == machine.index)
    own = header_of(log[at])
    assert own is not None and own.parents
    del log[at + 1 :]
    for parent in own.parents:
        machine.rot(parent.key)
    machine.kill()
    return own


def held(machine: Machine, header: Header) -> bool:
    return machine.node.graph.holds(header.key, header.id)


def events(machine: Machine) -> Counter[float]:
    """What the graph of a machine has of the author's events, from its log."""
    found: Counter[float] = Counter()
    for record in machine.log:
        header = header_of(record)
        if header is not None and header.author == AUTHOR and held(machine, header):
            assert isinstance(header.body, BodyRef)
            found.update(one.values[0] for one in body_events(decode_vertex(record.payload).body))
    return found


def shown_to_the_author_alone() -> tuple[World, Header]:
    """Its newest vertex names one that a liar has shown to nobody else, and the power went in the sync of both."""
    world = World(["author", "liar", "late"])
    author, liar = world.boot("author"), world.boot("liar")
    author.submit(event(1), urgent=True)
    world.run(2)
    world.fate = lambda sender, to, channel: int(sender == LIAR)
    liar.submit(event(9), urgent=True)
    world.deliver()
    author.submit(event(2), urgent=True)
    liar.is_up = False
    world.ms += 5000
    return world, cut_in_sync(author)


def test_what_it_says_is_recorded_anew_at_once_and_its_line_reaches_everyone() -> None:
    world, lost = shown_to_the_author_alone()
    assert lost.parents[0].author == LIAR
    author = world.boot("author", link=False)
    assert not held(author, lost) and author.node.counts()["own_unsent"] == 1
    assert events(author) == Counter([1.0, 2.0]), "without waiting for anybody"
    said = [dict(one.fields) for one in author.reports if one.event == "own-line-unsent"]
    assert said == [{"vertex": "/".join(map(str, lost.key)), "readable": 1}]
    world.fate = lambda sender, to, channel: 1
    author.do(author.node.linked(True, world.now))
    late = world.boot("late")
    world.run(5)
    assert events(late) == Counter([1.0, 2.0])
    assert late.frontier() == author.frontier() and len(late.frontier()) == 1
    assert verify_log(late.log, world.roster, AUTHORITY.public_key, own=2)[0].faults == ()


def test_it_stays_out_when_what_it_stood_on_comes_and_over_the_next_starts() -> None:
    world, lost = shown_to_the_author_alone()
    author = world.boot("author")
    world.fate = lambda sender, to, channel: 1
    world.boot("liar")
    world.run(10)
    assert author.node.graph.holds(lost.parents[0].key, lost.parents[0].id)
    for _ in range(2):
        assert not held(author, lost) and events(author) == Counter([1.0, 2.0])
        author.kill()
        world.ms += 5000
        author = world.boot("author")
        world.run(1)
    ids = [record.payload[:32] for record in author.log if record.type == SIGNATURE]
    assert lost.id not in ids, "never signed either: a signature would say that it was sent"
    assert not [one for one in author.reports if one.event == "own-line-unsent"], "its events have another place"


def test_with_its_signature_in_the_log_it_was_sent_and_stays() -> None:
    world = World(["author", "liar", "late"])
    author, liar, late = world.boot_all()
    liar.submit(event(9), urgent=True)
    world.run(1)
    for number in (1, 2):
        author.submit(event(number), urgent=True)
        world.run(1)
    own = [one for record in author.log if (one := header_of(record)) and one.author == AUTHOR]
    assert own[0].parents and own[1].prev == own[0].id
    first = next(at for at, one in enumerate(author.log) if one.type == SIGNATURE and one.payload[:32] == own[0].id)
    author.rotten[first] = None  # that of the one above it says enough
    author.rot(own[0].parents[0].key)
    author.kill()
    liar.is_up = late.is_up = False
    world.ms += 5000
    author = world.boot("author")
    assert all(held(author, header) for header in own) and author.node.counts()["own_unsent"] == 0
    author.submit(event(3), urgent=True)
    assert author.log[-1].type == SIGNATURE
    newest = [one for record in author.log if (one := header_of(record)) and one.author == AUTHOR][-1]
    assert newest.prev == own[1].id


def votes(world: World, index: int) -> list[tuple[bytes, int, int, bytes | None]]:
    """Of a member, as anybody holds them, each once."""
    found = {}
    for machine in world.machines.values():
        for record in machine.log:
            header = header_of(record)
            if header is not None and header.author == index and held(machine, header):
                found |= {one: None for one in header.items if isinstance(one, Vote)}
    return [tuple(vote) for vote in found]


def test_a_vote_that_was_never_sent_binds_nobody() -> None:
    """A liar proposes to one member alone; that one votes, and its power goes in the sync of the vote."""
    world = World(["a", "b", "c", "liar"], voting=("a", "b", "c", "liar"))
    a, b, c, liar = world.boot_all()
    world.deliver()
    world.fate = lambda sender, to, channel: int((sender, to) == (3, 0))
    liar.do(liar.node.propose("site", "model", b"a lie", world.now)[1])
    world.deliver()
    world.run(0.2)
    liar.is_up = False
    lost = cut_in_sync(a)
    cast = [one for one in lost.items if isinstance(one, Vote)]
    assert cast and lost.parents[0].author == 3
    world.ms += 5000
    a = world.boot("a")
    assert not held(a, lost) and not a.node.voting.abstains, "it has lost nothing that anybody knows"
    world.fate = lambda sender, to, channel: 1
    b.do(b.node.propose("site", "model", b"true", world.now)[1])
    world.run(5)
    finals = [one.node.voting.agreement.registers.get("site", "model") for one in (a, b, c)]
    assert [final and final.value for final in finals] == [b"true"] * 3
    liar = world.boot("liar")
    world.run(5)
    a.kill()
    world.ms += 5000
    a = world.boot("a")
    world.run(5)
    for machine in (a, b, c, liar):
        assert not machine.node.voting.agreement.voted_twice and not held(machine, lost)
    said = votes(world, 0)
    assert not {tuple(vote) for vote in cast} & set(said) and len({vote[:3] for vote in said}) == len(said)
    assert not any(record.type == SIGNATURE and record.payload[:32] == lost.id for record in a.log)
