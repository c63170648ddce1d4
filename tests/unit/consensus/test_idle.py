"""A member that has nothing to say is asked again once something has come that may change that, or its time has."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from edge.consensus.agreement import Agreement
from edge.consensus.checkpoint import Seal
from edge.consensus.committee import Committee, Seats
from edge.consensus.eviction import BY_HAND, Eviction, encode_eviction, eviction_key
from edge.consensus.lease import Term, encode_term
from edge.consensus.registers import Final
from edge.dag.floor import FloorLine
from edge.dag.graph import Graph
from edge.ids import VertexKey
from edge.wire.items import PREVOTE, Item, Proposal, Question, Vote, Witness
from tests.agreement.council import SITE, Line

COMMITTEE = Seats("site", 1, (0, 1, 2, 3), Committee(4, 1))
MODEL = Question("site", 1, "model", 1, None)
EVICTION = Question("site", 1, eviction_key(7), 1, None)
OTHERS = VertexKey(7, 1, 1)


class Idle:
    """A member whose vote on a question has gone out, and that waits for those of the others."""

    def __init__(self, *, evicts: bool = False) -> None:
        """`evicts`: somebody wants another one to be evicted besides, for whom we have no grounds."""
        self.graph = Graph()
        self.graph.insert(OTHERS, bytes(32), None)
        self.agreement = Agreement(SITE, 0, self.graph)
        self.agreement.seat([COMMITTEE], ())
        self.now_ms = 1_000.0
        self.own, self.other = Line(0), Line(1)
        if evicts:
            self.say(self.other, Proposal(EVICTION, encode_eviction(Eviction(7, BY_HAND, ()))))
        self.say(self.other, Proposal(MODEL, b"a"))
        assert self.ask() == []
        self.now_ms = self.agreement.deadline()
        (vote,) = self.ask()
        assert isinstance(vote, Vote) and vote.phase == PREVOTE
        self.say(self.own, vote)
        assert self.ask() == []
        assert not self.agreement.is_due(self.now_ms)

    def say(self, line: Line, *items: Item) -> None:
        below = line.head.key if line.head is not None else None
        parents = self.agreement.naming.parents(31) if line is self.own else []
        header = line.write(items, parents)
        self.graph.insert(header.key, header.id, below)
        self.agreement.heard(header, below, b"signed", self.now_ms)

    def ask(self) -> list[object]:
        assert self.agreement.is_due(self.now_ms)
        return list(self.agreement.due(self.agreement.naming.parents(31), self.now_ms))


def learn(agreement: Agreement) -> None:
    question = Question("site", 1, "lease/door", 1, None)
    agreement.recall(Final(question, encode_term(Term(5, 10_000)), 0, b""))


def conflict(agreement: Agreement) -> None:
    proven: dict[int, None] = {7: None}
    agreement.evictions.proven = proven  # type: ignore[assignment]


def state(agreement: Agreement) -> None:
    agreement.checkpoints.state = SimpleNamespace(changes=1)  # type: ignore[assignment]


NEWS: dict[str, Callable[[Agreement], None]] = {
    "committees": lambda agreement: agreement.seat([COMMITTEE], ()),
    "a value that is final": learn,
    "a checkpoint": lambda agreement: agreement.checkpoints.adopt("site", Seal(1, (), {})),
    "something in shared state": state,
    "a proof": conflict,
    "votes that our log lacks": lambda agreement: agreement.quiet.tell(),
}
HELD: dict[str, Callable[[Graph], None]] = {
    "a vertex of another": lambda graph: graph.insert(OTHERS._replace(seq=2), bytes(32), OTHERS),
    "vertices that leave the graph": lambda graph: graph.cut([OTHERS]),
    "a floor": lambda graph: graph.set_floor(FloorLine(8, 1, 5, bytes(32), 1, 0)),
    "vertices that the log drops": lambda graph: graph.forget(FloorLine(*OTHERS, bytes(32), 1, 0)),
}


@pytest.mark.parametrize("news", NEWS)
def test_it_is_asked_again_after(news: str) -> None:
    idle = Idle()
    NEWS[news](idle.agreement)
    assert idle.agreement.is_due(idle.now_ms)


@pytest.mark.parametrize("news", HELD)
def test_what_is_held_matters_while_somebody_is_to_be_evicted(news: str) -> None:
    idle, evicting = Idle(), Idle(evicts=True)
    for one in (idle, evicting):
        HELD[news](one.graph)
    assert evicting.agreement.is_due(evicting.now_ms) and not idle.agreement.is_due(idle.now_ms)


def test_it_is_asked_again_after_each_vertex_of_a_member_and_each_proposal() -> None:
    idle = Idle()
    idle.say(idle.other)
    assert idle.ask() == []
    device = Line(9)
    idle.say(device, Witness(7, 1, 1, bytes(32)))
    assert not idle.agreement.is_due(idle.now_ms), "what a device holds decides nothing"
    idle.say(Line(8), Proposal(Question("site", 1, "lease/door", 1, None), encode_term(Term(8, 10_000))))
    assert idle.agreement.is_due(idle.now_ms)


def test_it_is_asked_again_when_the_time_of_a_lease_begins_to_run() -> None:
    idle = Idle()
    learn(idle.agreement)
    assert idle.ask() == [] and not idle.agreement.is_due(idle.now_ms)
    idle.agreement.leases.turn(idle.now_ms)
    assert idle.agreement.is_due(idle.now_ms)


def test_it_is_asked_again_when_its_time_has_come() -> None:
    idle = Idle()
    due_ms = idle.agreement.deadline()
    assert idle.now_ms < due_ms < float("inf") and not idle.agreement.is_due(due_ms - 1)
    assert idle.agreement.is_due(due_ms)


def test_where_nothing_is_open_nothing_is_asked() -> None:
    agreement = Agreement(SITE, 0, Graph())
    agreement.seat([COMMITTEE], ())
    assert not agreement.is_due(0.0) and agreement.deadline() == float("inf")
