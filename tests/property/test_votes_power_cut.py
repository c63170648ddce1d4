"""The power of a validator goes at every operation of its disk, while a committee of four decides contended questions.

One world, made again for each operation: the same seed, no fault but this, restart, quiet. Everything is judged from
outside of the nodes, by what was sent and what lies on the disks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING

import pytest

from edge.consensus.registers import Final
from edge.dag.records import VERTEX
from edge.effects import Decided
from edge.sim.breaks import BREAKS
from edge.sim.cluster import Cluster
from edge.sim.disk import Tail
from edge.sim.profiles import Profile
from edge.wire.frame import VERTICES, Channel
from edge.wire.items import Vote
from edge.wire.vertex import Header
from edge.wire.voters import SITE_SCOPE

if TYPE_CHECKING:
    from edge.sim.machine import Machine

VICTIM = 1
"""It proposes, votes, is locked, and coordinates the second ballot of the first question."""
BACK_MS = 300.0
QUESTIONS = ((300.0, "config/night", (1, 2, 3)), (4_600.0, "model", (0, 1)), (5_600.0, "model", (3, 1)))
"""When, which key, and who proposes a value at once: the first before anybody is linked, so it takes two ballots."""
COUNCIL = Profile(
    "council", "four members", minutes=7 / 60, nodes=4, gateways=0, committee=4, rate_per_minute=0.0, quiet_s=60.0
)
CASES = int(os.environ.get("SYNEDGE_VOTE_CUTS", "0"))
"""So many operations are tried; 0: what fits the time of a default run, all of them with SYNEDGE_SLOW."""


class Council(Cluster):
    """Four real nodes; the victim's power goes at these operations, one a life, each counted from its start.

    `rule` of `edge.sim.breaks` is taken away from all of them.
    """

    def __init__(self, cuts: tuple[int, ...] = (), tail: Tail = Tail.TORN, *, rule: str = "") -> None:
        super().__init__(7, COUNCIL, [], genuine=False)
        self.victim = self.machines[VICTIM]
        self.victim.keys = self.victim.disk  # one card for both: whatever is written to it is an operation
        self._missing_rule = rule
        self.faults_found: list[str] = []
        self.cuts = 0
        self.sent: list[Header] = []
        """Vertices with votes, as they left their devices."""
        self.lives: list[tuple[int, int]] = []
        """(member, incarnation) of every start that got as far as noting it."""
        self.told: list[tuple[int, Final]] = []
        self._tail = tail
        self._rest = list(cuts)
        self._publish = self.network.publish
        self.network.publish = self._published  # type: ignore[method-assign]
        self._cut_next()

    def _cut_next(self) -> None:
        disk = self.victim.disk
        disk.cut_at = disk.operations + self._rest.pop(0) if self._rest else -1

    def power_gone(self, machine: Machine) -> None:
        assert machine is self.victim
        self.cuts += 1
        machine.cut_power(self._tail, BACK_MS)
        self._cut_next()

    def _start(self) -> None:
        for machine in self.machines:
            self.time.at(machine.index * 40.0, machine.boot)
        for at_ms, key, proposers in QUESTIONS:
            for index in proposers:
                machine = self.machines[index]
                chance = self.chance(f"{key} {at_ms} {index}")
                self.time.at(at_ms, self.checkers.ledger.propose, machine, key, chance, SITE_SCOPE)

    # ---- what is seen from outside

    def breaks(self, machine: Machine) -> None:
        """A start has read its log, and has not said anything yet."""
        if self._missing_rule:
            BREAKS[self._missing_rule].apply(machine)
            self.checkers.violated = lambda *args: None  # type: ignore[method-assign]  # what is judged here is to see it
        graph = machine.node.graph
        for header in self.sent:
            if header.author == machine.index and not graph.holds(header.key, header.id):
                self.faults_found.append(f"{machine.name} was heard to vote in {tuple(header.key)} and does not know")
        note_lives = machine.node.note_lives

        def noted(note: Callable[[int], None]) -> None:
            self.lives.append((machine.index, machine.node.incarnation))
            note_lives(note)

        machine.node.note_lives = noted  # type: ignore[method-assign]
        decided = machine._carry[Decided]

        def tell(effect: Decided) -> None:
            self.told.append((machine.index, Final(effect.question, effect.value, effect.ballot, b"")))
            decided(effect)  # type: ignore[operator]

        machine._carry[Decided] = tell
        for index, final in self.told:
            if index == machine.index and not self._is_known(machine, final):
                self.faults_found.append(f"{machine.name} has forgotten {final.question.key} {final.question.version}")

    def _published(self, sender: Machine, channel: Channel, to: int, payload: bytes) -> None:
        if channel in VERTICES and any(isinstance(item, Vote) for item in self.checkers.header(payload).items):
            self.sent.append(self.checkers.header(payload))
        self._publish(sender, channel, to, payload)

    def _is_known(self, machine: Machine, final: Final) -> bool:
        held = machine.node.voting.agreement.registers.get(SITE_SCOPE, final.question.key)
        if held is None or held.question.version < final.question.version:
            return False
        return held.question.version > final.question.version or held.value == final.value

    # ---- the verdict

    def judge(self) -> list[str]:
        """What went wrong; empty if nothing did."""
        self.run()
        found = [*self.faults_found, *map(str, self.checkers.violations)]
        found += _votes_descend(self.sent) + _votes_differ(self._voted())
        found += [f"{index} lives in {life} after {lives[-1]}" for index, life, lives in self._falls()]
        for key, versions in (("model", 2), ("config/night", 1)):
            finals = [machine.node.voting.agreement.registers.get(SITE_SCOPE, key) for machine in self.machines]
            values = {(final.question.version, final.value) if final else None for final in finals}
            if len(values) != 1 or None in values:
                found.append(f"{key}: {values}")
            elif not self.cuts and finals[0] is not None and finals[0].question.version != versions:
                found.append(f"{key} has version {finals[0].question.version}")
        found += [f"{machine.name} abstains, and has lost nothing" for machine in self.machines if _abstains(machine)]
        found += [f"{index} takes {final.question} back" for index, final in self.told if not self._stands(final)]
        return found

    def _stands(self, final: Final) -> bool:
        return all(self._is_known(machine, final) for machine in self.machines)

    def _voted(self) -> Iterable[Header]:
        """Every vertex of a member that anybody holds, whichever of its lines it is on."""
        seen: dict[bytes, Header] = {header.id: header for header in self.sent}
        for machine in self.machines:
            for _, record in _records(machine):
                header = self.checkers.header(record)
                seen.setdefault(header.id, header)
        return seen.values()

    def _falls(self) -> list[tuple[int, int, list[int]]]:
        falls, lives = [], dict[int, list[int]]()
        for index, life in self.lives:
            before = lives.setdefault(index, [0])
            if life <= before[-1]:
                falls.append((index, life, before))
            before.append(life)
        return falls


def _abstains(machine: Machine) -> bool:
    return bool(machine.node.voting.abstains)


def _records(machine: Machine) -> list[tuple[int, bytes]]:
    """Vertices of a log, by place, with their payload."""
    graph, found = machine.node.graph, []
    for author in graph.authors():
        for branch in graph.branches(author):
            for place in branch.places:
                record = machine.journal.read(place) if place else None
                if record is not None and record.type == VERTEX:
                    found.append((place, record.payload))
    return found


def _votes_descend(sent: Iterable[Header]) -> list[str]:
    """Votes of a member on a set that do not ascend by (ballot, phase), in the order in which they left it."""
    last: dict[tuple[int, bytes], tuple[int, int]] = {}
    found = []
    for header in sent:
        for vote in header.items:
            if isinstance(vote, Vote):
                at, place = (vote.ballot, vote.phase), (header.author, vote.conflict)
                if at <= last.get(place, (-1, 0)):
                    found.append(f"{header.author} says {at} after {last[place]}")
                last[place] = at
    return found


def _votes_differ(headers: Iterable[Header]) -> list[str]:
    """Two values in one phase of a ballot by one member."""
    said: dict[tuple[int, bytes, int, int], bytes | None] = {}
    found = []
    for header in headers:
        for vote in header.items:
            if isinstance(vote, Vote):
                place = (header.author, vote.conflict, vote.ballot, vote.phase)
                if said.setdefault(place, vote.value) != vote.value:
                    found.append(f"{header.author} votes twice in ballot {vote.ballot} phase {vote.phase}")
    return found


@pytest.fixture(scope="module")
def operations() -> int:
    """How many operations there are on the victim's disk when nothing goes wrong."""
    calm = Council()
    assert calm.judge() == [] and calm.cuts == 0
    assert {vote.ballot for vote in _votes(calm.sent)} >= {0, 1}, "locks and ballots matter"
    return calm.victim.disk.operations


def _votes(headers: Iterable[Header]) -> list[Vote]:
    return [item for header in headers for item in header.items if isinstance(item, Vote)]


def _some(operations: int, usual: int) -> list[int]:
    """Spread over all of them, the first and the last included."""
    tried = min(operations, CASES or (operations if os.environ.get("SYNEDGE_SLOW") else usual))
    return sorted({round(at * (operations - 1) / max(1, tried - 1)) for at in range(tried)})


def test_no_cut_makes_a_validator_vote_twice_or_take_back_what_it_told(operations: int) -> None:
    tried = _some(operations, 20)
    tails = list(Tail)
    for number, at in enumerate(tried):
        world = Council((at,), tails[number % len(tails)])
        assert world.judge() == [], f"cut at operation {at}, tail {tails[number % len(tails)]}"
        assert world.cuts == 1
    print(f"the victim's disk has {operations} operations; a cut at {len(tried)} of them was tried, each with one tail")


def test_a_cut_in_the_start_after_a_cut_changes_nothing(operations: int) -> None:
    tried = [(at, later) for at in _some(operations, 4) for later in (1, 5)]
    rng = Random(5)
    for cuts in tried:
        tail = rng.choice(list(Tail))
        world = Council(cuts, tail)
        assert world.judge() == [], f"cuts {cuts}, tail {tail}"
        assert world.cuts == 2
    print(f"{len(tried)} pairs of cuts were tried")


@pytest.mark.slow
def test_no_tail_of_any_cut_makes_a_difference(operations: int) -> None:
    for at in range(operations):
        for tail in Tail:
            assert Council((at,), tail).judge() == [], f"cut at operation {at}, tail {tail}"


def test_votes_that_leave_before_they_are_synced_are_missed_after_a_cut(operations: int) -> None:
    """Without the rule, so that the verdict above is one: some cut finds a vote that its own log does not know."""
    found = (Council((at,), Tail.NONE, rule="order").judge() for at in range(10, operations))
    first = next(verdict for verdict in found if verdict)
    assert any("does not know" in fault for fault in first)


def test_a_start_that_forgets_its_votes_votes_twice(operations: int) -> None:
    found = (Council((at,), Tail.ALL, rule="votes").judge() for at in range(16, operations))
    first = next(verdict for verdict in found if verdict)
    assert any("votes twice" in fault or " says " in fault for fault in first)
