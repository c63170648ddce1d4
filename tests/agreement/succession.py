"""Committees that follow one another: rosters come late, questions are cut in two, certificates are handed over."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from edge.consensus.committee import Committee, Seats
from edge.consensus.epochs import CHANGE_KEY
from edge.consensus.question import conflict_of
from edge.wire.items import Question, Vote
from edge.wire.vertex import Header
from tests.agreement.council import SITE, Council, Member

ROSTER_MS = 400.0
"""How late a roster may come to somebody."""


class Succession(Council):
    """`committees`: (members, r) of roster versions 1, 2 …, the first from the start and one more every `every_ms`."""

    def __init__(
        self,
        committees: Sequence[tuple[Sequence[int], int]],
        seed: int,
        liars: Sequence[int] = (),
        *,
        calm_ms: float = 0.0,
        every_ms: float = 100.0,
        hide_ms: float = 0.0,
        hides_changes: bool = False,
    ) -> None:
        """`hide_ms`: who is to enter hears nothing of what the old committee says for so long; unless that is hidden as
        well, but changes and what is below them."""
        self.hide_ms = hide_ms
        self.hides_changes = hides_changes
        self.known: dict[bytes, Header] = {}
        self.committees = [(tuple(members), r) for members, r in committees]
        everyone = sorted({index for members, _ in committees for index in members})
        first = self.committees[0]
        super().__init__(len(first[0]), first[1], seed, calm_ms=calm_ms)
        self.liars = list(liars)
        self.members = {index: Member(self, index) for index in everyone if index not in liars}
        for version in range(2, len(committees) + 1):
            for member in self.members.values():
                late = self.rng.uniform(0, ROSTER_MS) * self.rng.choice((0.1, 1, 1))
                self.at(every_ms * (version - 1) + late, partial(member.adopt, version))
        self.at(every_ms, self._hand_over)

    def pass_on(self, sender: int, header: Header, to: list[int] | None = None) -> None:
        self.known[header.id] = header
        hidden = []
        if self.now < self.hide_ms and header.author in self.committees[0][0]:
            hidden = [index for index in self.members if index not in self.committees[0][0]]
            change = conflict_of(SITE, Question("site", 1, CHANGE_KEY, 1, None))
            if any(isinstance(item, Vote) and item.conflict == change for item in header.items) > self.hides_changes:
                for index in hidden:
                    self.at(self.now + self.rng.expovariate(1 / 8.0), partial(self._fetch, index, header))
            else:
                for index in hidden:
                    self.at(self.hide_ms + self.rng.uniform(0, 50), partial(self._hand, index, header))
        chosen = [index for index in (self.members if to is None else to) if index not in hidden]
        super().pass_on(sender, header, chosen)

    def _fetch(self, index: int, header: Header) -> None:
        """A vertex with all that is below it."""
        missing, below = [header], [header]
        while missing:
            one = missing.pop()
            ids = [parent.id for parent in one.parents] + ([one.prev] if one.prev else [])
            found = [self.known[id] for id in ids if id in self.known and id not in self.members[index].headers]
            missing += found
            below += found
        for one in reversed(below):
            self._hand(index, one)

    @property
    def newest(self) -> int:
        return len(self.committees)

    def listed(self, version: int) -> list[Seats]:
        return [
            Seats("site", epoch, members, Committee(len(members), r), epoch == 1, epoch == version)
            for epoch, (members, r) in enumerate(self.committees[:version], 1)
        ]

    def _hand_over(self) -> None:
        """Somebody shows its certificates to somebody, whatever that one holds."""
        giver, taker = (self.members[self.rng.choice(sorted(self.members))] for _ in range(2))
        for final in giver.finals:
            if giver is not taker and final.question.key == CHANGE_KEY and final.question.epoch <= taker.version:
                taker.agreement.decide(final)
        taker.turn()
        if self.now < 20_000:
            self.at(self.now + self.rng.expovariate(1 / 40.0), self._hand_over)

    def proposing_in(self, index: int, key: str, value: bytes, epoch: int) -> None:
        """Propose as soon as the member goes by this epoch, if the question is still open to it."""
        member = self.members[index]
        question = member.agreement.question("site", key)
        if question is not None and question.version == 1 and question.epoch >= epoch:
            member.proposing(key, value)()
        elif self.now < 60_000 and (question is None or question.version == 1):
            self.at(self.now + 10, partial(self.proposing_in, index, key, value, epoch))
