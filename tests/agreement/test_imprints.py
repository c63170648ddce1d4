"""How committees came to be is known without the vertices: who has dropped them judges what lies above as before."""

from collections.abc import Callable
from functools import reduce
from operator import or_
from random import Random

import pytest

from edge.consensus.agreement import Agreement
from edge.consensus.committee import Seats
from edge.consensus.cuts import Followed
from edge.consensus.epochs import CHANGE_KEY
from edge.consensus.past import Past
from edge.consensus.registers import Final
from edge.dag.floor import FloorLine
from edge.dag.graph import Graph
from edge.limits import COMMITTEE_MAX
from edge.wire.cbor import encode
from edge.wire.items import Proposal
from edge.wire.vertex import Header
from tests.agreement.council import SITE, Council, Member
from tests.agreement.test_recovering import make as make_recovery
from tests.agreement.test_succession import FOUR, LIARS, SHAPES, make, outcome
from tests.unit.consensus.test_cuts import OLD, Scene


def floors(headers: list[Header], member: Member) -> list[FloorLine]:
    """Of a log that has dropped these."""
    lines: dict[tuple[int, int], FloorLine] = {}
    for header in headers:
        branch = member.graph.branch(*header.key[:2])
        assert branch is not None
        base = branch.base.incarnation if branch.base is not None else 0
        lines[header.key[:2]] = FloorLine(*header.key, header.id, branch.first_seq, base)
    return list(lines.values())


def start(
    member: Member, listed: list[Seats], dropped: int, imprints: bytes | None, finals: list[Final] | None = None
) -> Agreement:
    """What the agreement of a member knows after a start with a log that has dropped so many vertices."""
    headers, graph = list(member.headers.values()), Graph()
    for line in floors(headers[:dropped], member):
        graph.set_floor(line)
    agreement = Agreement(SITE, member.index, graph)
    if imprints is not None:
        assert agreement.imprints.restore(imprints)
    agreement.seat(listed, ())
    for final in member.finals if finals is None else finals:
        agreement.recall(final)
    for header in headers[dropped:]:
        prev = member.headers[header.prev].key if header.prev else None
        graph.insert(header.key, header.id, prev)
        agreement.heard(header, prev, b"signed", 0.0)
    return agreement


def unneeded(member: Member) -> int:
    """How many of its vertices the agreement of a member needs no more."""
    needed = member.agreement.imprints.needed()
    return next((at for at, header in enumerate(member.headers.values()) if header.key in needed), len(member.headers))


def compare(member: Member, listed: list[Seats], pasts: Callable[[Agreement], dict[str, Past]], seed: int) -> int:
    """Drop any part that is not needed: every vertex of all, dropped ones too, stands for the same."""
    imprints, most = member.agreement.imprints.dump(), unneeded(member)
    dropped = Random(seed).choice((most, most // 2, Random(seed).randint(0, most)))
    again = start(member, listed, dropped, imprints)
    known, held = pasts(again), pasts(member.agreement)
    assert known and known.keys() <= held.keys()
    for name, past in known.items():
        for key in (header.key for header in member.headers.values()):
            assert past.mark(key) == held[name].mark(key), f"seed {seed}: {name} at {key}"
    for scope in again.epochs.scopes:
        assert again.epochs.current(scope) == member.agreement.epochs.current(scope)
        assert again.epochs.handover(scope) == member.agreement.epochs.handover(scope)
    assert "vote-early" not in again.refused.keys() - member.agreement.refused.keys()
    return dropped


def changes(agreement: Agreement) -> dict[str, Past]:
    return {f"change {epoch}": change.past for (_, epoch), change in agreement.epochs.changes.items()}


@pytest.mark.parametrize("kind", ["mute", "babble", "mix"])
@pytest.mark.parametrize("shape", SHAPES)
def test_of_a_change_every_vertex_stands_for_the_same(shape: str, kind: str) -> None:
    seed = 100 * list(SHAPES).index(shape) + len(kind)
    site = make(shape, seed, kind, LIARS[shape])
    outcome(site)
    dropped = [compare(member, site.listed(site.newest), changes, seed) for member in site.members.values()]
    assert max(dropped) > 0


def crossings(agreement: Agreement) -> dict[str, Past]:
    return {f"cut {name}": crossing.past for name, crossing in agreement.epochs.cuts.crossings.items()}


@pytest.mark.parametrize("kind", ["mute", "echo", "turncoat"])
def test_of_a_cut_every_vertex_stands_for_the_same(kind: str) -> None:
    site = make_recovery(len(kind), kind, (0, 1, 2))
    site.settle("night", 120_000.0)
    dropped = [compare(site.members[index], site.listed(2), crossings, len(kind)) for index in site.alive()]
    assert max(dropped) > 0


def test_without_them_the_votes_above_count_nowhere() -> None:
    site = make("all are replaced", 2, "mute")
    outcome(site)
    member = site.members[0]
    finals = [final for final in member.finals if final.question.key == CHANGE_KEY]
    first_above = next(
        at
        for at, header in enumerate(member.headers.values())
        if any(isinstance(item, Proposal) and item.question.key == "night" for item in header.items)
    )
    with_them, without = (
        start(member, site.listed(2), first_above, imprints, finals)
        for imprints in (member.agreement.imprints.dump(), None)
    )
    assert with_them.registers.get("site", "night") is not None and "vote-early" not in with_them.refused
    assert without.registers.get("site", "night") is None and without.refused["vote-early"] > 0


def test_what_is_restored_before_its_committee_is_listed_waits_and_is_not_lost() -> None:
    site = make("two changes", 1, "mute")
    outcome(site)
    member = site.members[0]
    imprints = member.agreement.imprints.dump()
    assert imprints is not None
    again = Agreement(SITE, 0, Graph())
    assert again.imprints.restore(imprints) and again.imprints.dump() == imprints
    again.seat(site.listed(3), ())
    assert all(change.decided is not None for change in again.epochs.changes.values())
    assert again.imprints.dump() == imprints
    assert again.imprints.needed() == [], "and nothing of it has to stay in the log"


def tell(agreement: Agreement, graph: Graph, member: Member, headers: list[Header]) -> None:
    """What a member holds, in its order."""
    for header in headers:
        prev = member.headers[header.prev].key if header.prev else None
        graph.insert(header.key, header.id, prev)
        agreement.heard(header, prev, b"signed", 0.0)


def again_after(agreement: Agreement, member: Member, listed: list[Seats], dropped: list[Header]) -> Agreement:
    """After a start of a node whose log has dropped all that it was told."""
    assert agreement.imprints.needed() == []
    graph = Graph()
    for line in floors(dropped, member):
        graph.set_floor(line)
    again, imprints = Agreement(SITE, 9, graph), agreement.imprints.dump()
    assert imprints is not None and again.imprints.restore(imprints)
    again.seat(listed, ())
    for final in agreement.registers:
        again.recall(final)
    again.naming.begin(again.epochs.members)
    return again


def test_who_knows_the_next_change_by_its_certificate_alone_counts_its_votes_when_they_come() -> None:
    """They stand on the change before, although nothing that is held does."""
    site = make("two changes", 1, "mute")
    outcome(site)
    member, listed = site.members[0], site.listed(3)
    headers = list(member.headers.values())
    of_second = (
        at
        for at, header in enumerate(headers)
        if any(isinstance(item, Proposal) and item.question[2:4] == (CHANGE_KEY, 2) for item in header.items)
    )
    early, graph = headers[: next(of_second)], Graph()
    agreement = Agreement(SITE, 9, graph)
    agreement.seat(listed, ())
    tell(agreement, graph, member, early)
    for final in member.finals:
        if final.question.key in (CHANGE_KEY, "model"):
            agreement.decide(final)
    again = again_after(agreement, member, listed, early)
    tell(again, again._graph, member, headers[len(early) :])
    assert again.registers.get("site", "night") is not None and "vote-early" not in again.refused


def test_who_has_not_entered_yet_can_name_what_lets_it_in_though_that_was_dropped() -> None:
    site = make("all are replaced", 2, "mute")
    outcome(site)
    member, listed = site.members[0], site.listed(2)
    closed: dict[bytes, Header] = {}
    for header in member.headers.values():
        below = [parent.id for parent in header.parents] + ([header.prev] if header.prev else [])
        if header.author in FOUR and all(id in closed for id in below):
            closed[header.id] = header
    early, graph = list(closed.values()), Graph()
    agreement = Agreement(SITE, 9, graph)
    agreement.seat(listed, ())
    tell(agreement, graph, member, early)
    for final in member.finals:
        agreement.decide(final)
    again = again_after(agreement, member, listed, early)
    names = [parent.key for parent in again.naming.parents(31)]

    def sees(one: Followed) -> int:
        return reduce(or_, map(one.view, names), 0)

    assert again.epochs.is_entered(listed[1], sees)


def test_what_a_line_had_of_a_cut_through_another_one_stays_when_that_forks() -> None:
    scene = Scene()
    heads = [scene.say(author) for author in (0, 1, 2)]
    seats = scene.replace(*heads)
    through = scene.say(3, above=tuple(heads), epoch=2)
    honest = scene.say(4, above=(through,), epoch=2)
    imprints, graph = scene.agreement.imprints.dump(), Graph()
    assert imprints is not None
    for header in (*heads, scene.say(3, epoch=2)):
        graph.set_floor(FloorLine(*header.key, header.id, 1, 0))
    again = Agreement(SITE, 9, graph, {3: None})
    assert again.imprints.restore(imprints)
    again.seat([OLD, seats], ())
    graph.insert(honest.key, honest.id, None)
    again.heard(honest, None, b"signed", 0.0)
    assert again.epochs.cuts.crossings["site", 2].view(honest.key) == 0b111


BAD = [b"", b"\x01", *map(encode, ([1, []], [3, [], []], [2, [[]], []], [1, [[]], []], [1, [], [["site", 2, 7]]]))]
NO_HEAD = [0, 1, 1, [[1, [COMMITTEE_MAX], -1, 1, None, False]]]
BAD += [encode([1, [], [[["site"], 2, []]]]), encode([1, [], [["site", 2, [NO_HEAD]]]])]


@pytest.mark.parametrize("bad", BAD)
def test_what_was_not_dumped_is_refused(bad: bytes) -> None:
    agreement = Agreement(SITE, 0, Graph())
    assert not agreement.imprints.restore(bad) and agreement.imprints.dump() is None


def test_nothing_is_kept_where_the_first_committee_decides() -> None:
    site = Council(4, 1, 0)
    site.at(0.0, site.members[0].proposing("model", b"a"))
    site.run(60_000.0, ("model", 1))
    assert site.decided("model").keys() == {0, 1, 2, 3}
    assert all(member.agreement.imprints.dump() is None for member in site.members.values())
