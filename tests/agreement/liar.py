"""Members who lie with their own keys, on as many lines as they like, each shown to whom they like."""

from __future__ import annotations

from functools import partial

from edge.consensus.course import coordinator_of
from edge.consensus.epochs import is_change
from edge.consensus.question import conflict_of
from edge.ids import Parent
from edge.wire.items import PRECOMMIT, PREVOTE, Item, Proposal, Vote
from tests.agreement.council import SITE, Council, Header, Line, question

LINES_MAX = 6


class Babbler:
    """Votes at random. Acts now and then until `until_ms`; knows everything that anybody holds."""

    def __init__(self, council: Council, index: int, key: str, until_ms: float) -> None:
        self._council = council
        self._index = index
        self._question = question(key)
        self._until_ms = until_ms
        self._lines = [Line(index)]
        self._own: list[Header] = []
        council.at(council.rng.uniform(0, 60), self._act)

    def _act(self) -> None:
        council, rng = self._council, self._council.rng
        if council.now > self._until_ms:
            return
        council.at(council.now + rng.expovariate(1 / 25.0), self._act)
        line = rng.choice(self._lines)
        if len(self._lines) < LINES_MAX and rng.random() < 0.4:
            line = Line(self._index, len(self._lines) + 1, rng.choice([None, *self._own]))
            self._lines.append(line)
        header = line.write(self._items(), self._parents())
        self._own.append(header)
        council.pass_on(self._index, header, rng.sample(sorted(council.members), rng.randint(1, len(council.members))))

    def _items(self) -> tuple[Item, ...]:
        rng = self._council.rng
        if rng.random() < 0.1:
            return (Proposal(self._question, rng.choice((b"a", b"b", b"lie"))),)
        held = [member.agreement for member in self._council.members.values()]
        contests = [contest for agreement in held if (contest := agreement.contest(conflict_of(SITE, self._question)))]
        if not contests:
            return ()
        statements = [one for contest in contests for one in contest.ballots.statements if one.ballot >= 0]
        ballot = max((one.ballot for one in statements), default=0) if rng.random() < 0.8 else rng.randint(0, 6)
        values: list[bytes | None] = [*rng.choice(contests).proposed, None] if rng.random() < 0.95 else [b"?" * 32]
        votes = [
            Vote(contests[0].conflict, ballot, phase, rng.choice(values))
            for phase in (PREVOTE, PRECOMMIT)
            if rng.random() < 0.7
        ]
        return tuple(votes)

    def _parents(self) -> list[Parent]:
        """Any vertices of others that somebody holds: sometimes the newest, sometimes much older ones."""
        rng = self._council.rng
        holder = rng.choice(sorted(self._council.members))
        by_author: dict[int, list[Header]] = {}
        for header in self._council.members[holder].headers.values():
            if header.author != self._index:
                by_author.setdefault(header.author, []).append(header)
        chosen = [
            headers[-1] if rng.random() < 0.7 else rng.choice(headers)
            for _, headers in sorted(by_author.items())
            if rng.random() < 0.8
        ]
        return [Parent(*header.key, header.id) for header in chosen]


class Echo:
    """Says to each member what that one says itself, and so do all echoes together: a quorum for everyone's own value.

    Each victim has a line of its own; the others hear of it from the victim, when it may be too late.
    """

    def __init__(self, council: Council, index: int) -> None:
        self._council = council
        self._index = index
        self._lines = {victim: Line(index, victim + 1) for victim in council.members}
        council.echoes.append(self)

    def answers(self, victim: int, votes: tuple[Vote, ...]) -> tuple[Vote, ...]:
        return votes

    def write(self, victim: int, header: Header) -> None:
        """Above what the victim said, and what the other echoes have said to it so far."""
        votes = self.answers(victim, tuple(item for item in header.items if isinstance(item, Vote)))
        others = [echo.head(victim) for echo in self._council.echoes if echo is not self]
        below = [header, *(one for one in others if one is not None)]
        self._lines[victim].write(votes, sorted(Parent(*one.key, one.id) for one in below))

    def show(self, victim: int) -> None:
        head = self.head(victim)
        if head is not None:
            self._council.pass_on(self._index, head, [victim])

    def head(self, victim: int) -> Header | None:
        return self._lines[victim].head


class Usurper(Echo):
    """Helps one member decide in the first epoch, unseen by the others, and everybody change the committee."""

    def answers(self, victim: int, votes: tuple[Vote, ...]) -> tuple[Vote, ...]:
        held = self._council.members[victim].agreement
        told = []
        for vote in votes:
            contest = held.contest(vote.conflict)
            is_old = contest is not None and contest.seats.epoch == 1 and not is_change(contest.question)
            if not is_old or victim == min(self._council.members):
                told.append(vote)
        return tuple(told)

    def show(self, victim: int) -> None:
        """To that one late: what it has decided is not below its vote for the change."""
        council = self._council
        if victim == min(council.members):
            council.at(council.now + council.rng.uniform(0, 600), partial(super().show, victim))
        else:
            super().show(victim)


class Turncoat(Echo):
    """Helps one member decide in ballot 0, unseen by the others; in later ballots names another value to these."""

    def answers(self, victim: int, votes: tuple[Vote, ...]) -> tuple[Vote, ...]:
        answers: list[Vote] = []
        for vote in votes:
            if vote.ballot or victim == min(self._council.members):
                answers.append(vote)
            contest = self._council.members[victim].agreement.contest(vote.conflict)
            if contest is not None and vote.phase == PRECOMMIT and victim != min(self._council.members):
                self._helped = self._helped or vote.value
                if contest.seats.members[coordinator_of(contest, vote.ballot + 1)] == self._index:
                    other = next((value for value in contest.proposed if value != self._helped), None)
                    answers.append(Vote(vote.conflict, vote.ballot + 1, PREVOTE, other))
        return tuple(answers)

    _helped: bytes | None = None
