"""A committee of which too many die for good, and another one that k of m keys put in its place, above a cut."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from heapq import heappop

from edge.consensus.committee import Committee, Seats
from edge.ids import Parent
from edge.wire.recovery import Cut
from tests.agreement.council import Council, Header, Member

ROSTER_MS = 400.0


class Recovery(Council):
    """`old` and `new` are (members, r). Of the old ones the `dead` fall silent at `death_ms`, all that they wrote still
    being on its way, and the others stop; at `cut_ms` the authority takes the chains of `chains` as they stand, and
    everybody who is alive is given the roster, one sooner than another. The `deaf` hear nothing before the cut."""

    def __init__(
        self,
        old: tuple[Sequence[int], int],
        new: tuple[Sequence[int], int],
        seed: int,
        *,
        dead: Sequence[int],
        chains: Sequence[int],
        liars: Sequence[int] = (),
        deaf: Sequence[int] = (),
        death_ms: float = 300.0,
        cut_ms: float = 600.0,
        calm_ms: float = 0.0,
    ) -> None:
        self.cut, self.cut_ms, self.deaf = Cut(1, (), ()), cut_ms, tuple(deaf)
        self.old, self.new = (tuple(old[0]), old[1]), (tuple(new[0]), new[1])
        super().__init__(len(old[0]), old[1], seed, calm_ms=calm_ms)
        self.liars, self.dead, self.chains = list(liars), tuple(dead), tuple(chains)
        everyone = sorted({*old[0], *new[0]} - {*liars})
        self.members = {index: Member(self, index) for index in everyone}
        self.known: dict[bytes, Header] = {}
        self.held_before: dict[int, int] = {}
        """By member, how many finals it had when it was given the roster: what it took for final before is its own."""
        self.at(death_ms, self._die)
        self.at(cut_ms, self._recover)

    def pass_on(self, sender: int, header: Header, to: list[int] | None = None) -> None:
        self.known[header.id] = header
        chosen = list(self.members) if to is None else to
        for index in self.deaf if self.now < self.cut_ms else ():
            if index in chosen and index != sender:
                self.at(self.cut_ms + self.rng.uniform(0, 3 * ROSTER_MS), partial(self._hand, index, header))
                chosen = [other for other in chosen if other != index]
        super().pass_on(sender, header, chosen)

    def listed(self, version: int) -> list[Seats]:
        first = Seats("site", 1, self.old[0], Committee(len(self.old[0]), self.old[1]), stands=version == 1)
        rule = Committee(len(self.new[0]), self.new[1])
        second = Seats("site", 2, self.new[0], rule, begins=False, cut=self.cut)
        return [first] if version == 1 else [first, second]

    def _die(self) -> None:
        for index in self.old[0]:
            if index in self.members:
                self.members[index].is_up = False

    def _recover(self) -> None:
        self.cut = Cut(1, tuple(head for index in self.chains if (head := self._head(index)) is not None), ())
        for index in sorted(self.members):
            if index not in self.dead:
                self.at(self.now + self.rng.uniform(0, ROSTER_MS), partial(self._resume, index))

    def _head(self, index: int) -> Parent | None:
        """The end of a member's chain: of an honest one its own, of a liar any vertex that somebody holds."""
        if index in self.members:
            head = self.members[index].line.head
        else:
            held = (header for member in self.members.values() for header in member.headers.values())
            theirs = [header for header in held if header.author == index]
            head = self.rng.choice(theirs) if theirs else None
        return Parent(*head.key, head.id) if head is not None else None

    def _resume(self, index: int) -> None:
        """With the roster; and what is below the cut can be had, by somebody who has the disks."""
        member = self.members[index]
        member.is_up = True
        self.held_before[index] = len(member.finals)
        member.adopt(2)
        for header in self._below():
            self.at(self.now + self.rng.expovariate(1 / 30.0), partial(self._hand, index, header))
        for other in self.members.values():
            for header in list(other.headers.values()) if other.is_up else ():
                self.at(self.now + self.rng.expovariate(1 / 50.0), partial(self._hand, index, header))

    def _below(self) -> list[Header]:
        """All that is below the cut."""
        found: dict[bytes, Header] = {}
        missing = [head.id for head in self.cut.heads]
        while missing:
            header = self.known[missing.pop()]
            if header.id not in found:
                found[header.id] = header
                missing += [parent.id for parent in header.parents] + ([header.prev] if header.prev else [])
        return list(found.values())

    def proposing_in(self, index: int, key: str, value: bytes) -> None:
        """Propose as soon as the member is in the new epoch, if the question is still open to it."""
        member = self.members[index]
        question = member.agreement.question("site", key)
        if question is not None and question.version == 1 and question.epoch == 2 and member.is_up:
            member.proposing(key, value)()
        elif self.now < 60_000 and (question is None or question.version == 1):
            self.at(self.now + 10, partial(self.proposing_in, index, key, value))

    def alive(self) -> list[int]:
        return [index for index in self.members if index not in self.dead]

    def settle(self, key: str, for_ms: float) -> None:
        """Until all who live have a value for the key, or nothing is planned any more."""
        until_ms = self.now + for_ms
        while self._plan and self._plan[0][0] <= until_ms:
            if self.steps % 50 == 0 and set(self.alive()) <= set(self.decided(key)):
                return
            self.now, _, act = heappop(self._plan)
            self.steps += 1
            act()

    def since(self, key: str) -> set[bytes]:
        """What those took for final who held the roster by then."""
        return {
            final.value
            for index, count in self.held_before.items()
            for final in self.members[index].finals[count:]
            if (final.question.key, final.question.version) == (key, 1)
        }
