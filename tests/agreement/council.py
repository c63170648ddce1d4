"""Members who hold a graph and the agreement and nothing else; vertices come late, in any order, and in the end to all.

Who lies writes whatever its key allows, on as many lines as it likes (each life may go on from any vertex of its own),
and shows each vertex to whom it likes; honest members pass on what they hold, as repair does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING

from edge.consensus.agreement import Agreement
from edge.consensus.committee import Committee, Seats
from edge.consensus.registers import Final
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.wire.items import Item, Proposal, Question
from edge.wire.vertex import Header, encode_header

if TYPE_CHECKING:
    from tests.agreement.liar import Echo

SITE = b"sitesite"
QUIET_MS = 60_000.0


class Line:
    """A line of history that its author goes on with."""

    def __init__(self, author: int, incarnation: int = 1, base: Header | None = None) -> None:
        self.author = author
        self.incarnation = incarnation
        self.head = base
        self.epoch = 1
        """The version of the roster that it is written under."""

    def write(self, items: tuple[Item, ...], parents: list[Parent]) -> Header:
        self.head = encode_header(
            suite=1,
            site=SITE,
            epoch=self.epoch,
            author=self.author,
            incarnation=self.incarnation,
            seq=self.head.seq + 1 if self.head else 1,
            prev=self.head.id if self.head else None,
            parents=parents,
            hlc=0,
            body=None,
            items=items,
        )
        return self.head


class Holder:
    """What a member holds of everyone's vertices, let in after their past."""

    def __init__(self, council: Council, index: int) -> None:
        self.council = council
        self.index = index
        self.graph = Graph()
        self.agreement = Agreement(SITE, index, self.graph)
        self.version = 1
        self.agreement.seat(council.listed(1), ())
        self.headers: dict[bytes, Header] = {}
        self._waiting: list[Header] = []
        self.finals: list[Final] = []

    def take(self, header: Header) -> None:
        if header.id in self.headers or header in self._waiting:
            return
        self._waiting.append(header)
        self._admit()

    def adopt(self, version: int) -> None:
        """A newer roster has come."""
        self.version = max(version, self.version)
        self.agreement.seat(self.council.listed(self.version), ())
        self._admit()

    def _admit(self) -> None:
        while ready := next((one for one in self._waiting if self._is_ready(one)), None):
            self._waiting.remove(ready)
            self._insert(ready, b"signed")
            self.council.pass_on(self.index, ready)

    def _is_ready(self, header: Header) -> bool:
        below = [parent.id for parent in header.parents] + ([header.prev] if header.prev else [])
        return header.epoch <= self.version and all(id in self.headers for id in below)

    def _insert(self, header: Header, signature: bytes | None) -> None:
        prev = self.headers[header.prev].key if header.prev else None
        self.graph.insert(header.key, header.id, prev)
        self.headers[header.id] = header
        self.agreement.heard(header, prev, signature, self.council.now)


class Member(Holder):
    """Honest."""

    def __init__(self, council: Council, index: int) -> None:
        super().__init__(council, index)
        self.line = Line(index)
        self.is_up = True

    def adopt(self, version: int) -> None:
        super().adopt(version)
        self.line.epoch = self.version
        self.turn()

    def proposing(self, key: str, value: bytes) -> Callable[[], None]:
        """What proposes when it is called."""

        def propose() -> None:
            question = self.agreement.question("site", key)
            assert question is not None
            self._say((Proposal(question, value),))
            self.turn()

        return propose

    def turn(self) -> None:
        agreement = self.agreement
        now_ms = self.council.now
        while (
            self.is_up and agreement.is_due(now_ms) and (items := agreement.due(agreement.naming.parents(31), now_ms))
        ):
            self._say(tuple(items))
        self.finals += agreement.take_finals()
        if self.is_up:
            self.council.wake(agreement.deadline(), self.index)

    def _say(self, items: tuple[Item, ...]) -> None:
        parents = self.agreement.naming.parents(31)
        self.agreement.naming.named(parents)
        header = self.line.write(items, parents)
        self._insert(header, None)
        self.agreement.signed(header.id, b"signed")
        self.council.pass_on(self.index, header)
        self.council.told(self.index, header)


class Council:
    """`delay(sender, receiver, now)` in ms. Liars are given by index, each a function called now and then."""

    def __init__(self, n: int, r: int, seed: int, liars: int = 0, *, calm_ms: float = 0.0, absent: int = 0) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.calm_ms = calm_ms
        self.seats = Seats("site", 1, tuple(range(n)), Committee(n, r))
        self.liars = list(range(n - liars, n))
        self.members: dict[int, Member] = {index: Member(self, index) for index in range(n - liars)}
        for index in range(absent):
            self.members[index].is_up = False
        self._plan: list[tuple[float, int, Callable[[], None]]] = []
        self._planned = 0
        self._wakes: dict[int, float] = {}
        self.steps = 0
        self.echoes: list[Echo] = []

    def listed(self, version: int) -> list[Seats]:
        """The committees that the roster of this version lists."""
        return [self.seats]

    def told(self, victim: int, header: Header) -> None:
        """An honest member has said something: those who lie to it know at once."""
        for echo in self.echoes:
            echo.write(victim, header)
        for echo in self.echoes:
            echo.show(victim)

    def at(self, when: float, act: Callable[[], None]) -> None:
        self._planned += 1
        heappush(self._plan, (when, self._planned, act))

    def wake(self, when: float, index: int) -> None:
        if when < float("inf") and self._wakes.get(index) != when:
            self._wakes[index] = when
            self.at(max(when, self.now), self.members[index].turn)

    def pass_on(self, sender: int, header: Header, to: list[int] | None = None) -> None:
        """Hand a vertex to others, late; before the calm very late to some."""
        for index in self.members if to is None else to:
            if index != sender and index in self.members:
                late = self.rng.expovariate(1 / 8.0) + 2.0
                if self.now < self.calm_ms and self.rng.random() < 0.5:
                    late += self.rng.uniform(0, self.calm_ms - self.now + 50)
                self.at(self.now + late, partial(self._hand, index, header))

    def _hand(self, index: int, header: Header) -> None:
        member = self.members[index]
        if member.is_up:
            member.take(header)
            member.turn()

    def run(self, for_ms: float, awaited: tuple[str, int] | None = None) -> None:
        """Until then, or nothing is planned, or all who are up have the awaited version of a register."""
        until_ms = self.now + for_ms
        up = sum(member.is_up for member in self.members.values())
        while self._plan and self._plan[0][0] <= until_ms:
            if awaited is not None and len(self.decided(*awaited)) == up:
                return
            self.now, _, act = heappop(self._plan)
            self.steps += 1
            act()

    def decided(self, key: str, version: int = 1) -> dict[int, bytes]:
        """By member, the value of a register's version."""
        return {
            index: final.value
            for index, member in self.members.items()
            for final in member.finals
            if (final.question.key, final.question.version) == (key, version)
        }


def question(key: str) -> Question:
    return Question("site", 1, key, 1, None)


__all__ = ["SITE", "Council", "Header", "Line", "Member", "VertexKey", "question"]
