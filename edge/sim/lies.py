"""Ways to lie about what a committee is asked: one class each, by the name that `--behaviour` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.consensus.checkpoint import CHECKPOINT_KEY, PREFIX_BYTES, Checkpoint, Head, encode_checkpoint
from edge.consensus.course import coordinator_of
from edge.consensus.eviction import BY_HAND, FORKED, Eviction, encode_eviction, eviction_key
from edge.consensus.question import conflict_of, value_digest
from edge.limits import OPEN_SETS_PER_AUTHOR_MAX, PROPOSALS_PER_AUTHOR_MAX
from edge.sim.liars import Liar, Line
from edge.wire.finals import tag_of
from edge.wire.items import PRECOMMIT, PREVOTE, Item, Proposal, Question, Vote, Witness
from edge.wire.merkle import root_of
from edge.wire.vertex import Header
from edge.wire.voters import SITE_SCOPE

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine

LINES_MAX = 6
HIDDEN_MS = 3_000.0
VALUE = b"a lie"

Votes = tuple[Vote, ...]
Questions = tuple[Question, ...]


class Echo(Liar):
    """Votes to each member what that one votes itself, as all echoes do together: a quorum for everyone's own value.

    Each victim has a line of its own; the others hear of it from the victim, when it may be too late.
    """

    def __init__(self, world: Cluster, machine: Machine) -> None:
        super().__init__(world, machine)
        self.lines: dict[int, Line] = {}

    def line(self, victim: Machine) -> Line:
        return self.lines.setdefault(victim.index, Line(victim.index + 1))

    def answers(self, victim: Machine, votes: Votes) -> list[Item]:
        return list(votes)

    def heard(self, victim: Machine, header: Header, votes: Votes, questions: Questions) -> None:
        others = [
            liar.line(victim).head for liar in self.world.liars.all if isinstance(liar, Echo) and liar is not self
        ]
        items = self.answers(victim, votes)
        self.write(self.line(victim), items, [header, *(head for head in others if head is not None)])

    def speak(self, victim: Machine) -> None:
        head = self.line(victim).head
        if head is not None:
            self.show(head, [victim])


class Fork(Echo):
    """The same under one name: each victim's line is of the same incarnation, from the first vertex on."""

    def line(self, victim: Machine) -> Line:
        return self.lines.setdefault(victim.index, Line(1))


class Amnesia(Echo):
    """The same with a past that is denied: each line goes on from the vertex before the first vote."""

    def line(self, victim: Machine) -> Line:
        if not self.own:
            self.write(Line(1), ())
        return self.lines.setdefault(victim.index, Line(victim.index + 2, self.own[0]))


class Turncoat(Echo):
    """Helps one member decide in ballot 0, unseen by the others; in later ballots names another value to these.

    What the one says is kept from the others for a while, so that they go on without it.
    """

    def __init__(self, world: Cluster, machine: Machine) -> None:
        super().__init__(world, machine)
        self._asked: list[Proposal] = []
        self._helped: dict[bytes, bytes | None] = {}

    def heard(self, victim: Machine, header: Header, votes: Votes, questions: Questions) -> None:
        self._asked = [Proposal(question, VALUE) for question in questions]
        super().heard(victim, header, votes, questions)

    def answers(self, victim: Machine, votes: Votes) -> list[Item]:
        answers: list[Item] = [*self._asked]
        is_helped = victim is self.honest[0]
        if is_helped and any((vote.ballot, vote.phase) == (0, PRECOMMIT) for vote in votes):
            self.hide(victim, HIDDEN_MS)
        for vote in votes:
            if vote.ballot or is_helped:
                answers.append(vote)
            contest = victim.node.voting.agreement.contest(vote.conflict)
            if contest is None or vote.phase != PRECOMMIT or is_helped:
                continue
            helped = self._helped.setdefault(vote.conflict, vote.value) or vote.value
            if contest.seats.members[coordinator_of(contest, vote.ballot + 1)] == self.machine.index:
                other = next((value for value in contest.proposed if value != helped), None)
                answers.append(Vote(vote.conflict, vote.ballot + 1, PREVOTE, other))
        return answers


class Babbler(Liar):
    """Votes at random, on lines that begin anywhere, above anything, shown to anyone."""

    def __init__(self, world: Cluster, machine: Machine) -> None:
        super().__init__(world, machine)
        self._lines = [Line(1)]

    def act(self) -> None:
        rng, asked = self.rng, self.world.liars.asked
        line = rng.choice(self._lines)
        if len(self._lines) < LINES_MAX and rng.random() < 0.4:
            line = Line(len(self._lines) + 1, rng.choice([None, *self.own]))
            self._lines.append(line)
        contests = [contest for conflict in list(asked)[-4:] for contest in self.contests(conflict)]
        if not contests:
            return
        said = self.world.liars.headers[-40:]
        below = [header for header in rng.sample(said, min(len(said), 6)) if rng.random() < 0.8]
        items: list[Item] = []
        contest = rng.choice(contests)
        if rng.random() < 0.1:
            items.append(Proposal(contest.question, rng.choice((b"a", b"b", VALUE))))
        ballots = [one.ballot for one in contest.ballots.statements]
        ballot = max([0, *ballots]) if rng.random() < 0.8 else rng.randint(0, 6)
        values: list[bytes | None] = [*contest.proposed, None, rng.randbytes(32)]
        for phase in (PREVOTE, PRECOMMIT):
            if rng.random() < 0.7:
                items.append(Vote(contest.conflict, ballot, phase, rng.choice(values)))
        self.show(self.write(line, items, below), self.some())


class Prompted(Liar):
    """Says something whenever an honest member has spoken, on one line that all are shown."""

    def __init__(self, world: Cluster, machine: Machine) -> None:
        super().__init__(world, machine)
        self.line = Line(1)
        self._answered: dict[bytes, tuple[int, int]] = {}

    def heard(self, victim: Machine, header: Header, votes: Votes, questions: Questions) -> None:
        """Each question and each step of a set is answered once."""
        for question in questions:
            self.say(self.on_question(question), [header])
        for vote in votes:
            step = (vote.ballot, vote.phase)
            if step > self._answered.get(vote.conflict, (-1, 0)):
                self._answered[vote.conflict] = step
                self.say(self.on_vote(vote), [header])

    def say(self, vertices: list[list[Item]], below: list[Header]) -> None:
        for items in vertices:
            self.show(self.write(self.line, items, below), self.honest)

    def on_question(self, question: Question) -> list[list[Item]]:
        """The items of each vertex that answers."""
        return []

    def on_vote(self, vote: Vote) -> list[list[Item]]:
        return []


class Withhold(Prompted):
    """Votes as the first who speaks, and shows each vote to some alone."""

    def on_vote(self, vote: Vote) -> list[list[Item]]:
        return [[vote]]

    def say(self, vertices: list[list[Item]], below: list[Header]) -> None:
        for items in vertices:
            self.show(self.write(self.line, items, below), self.some())


class Stale(Prompted):
    """Answers questions of epochs that are over or have not begun, and votes on them; now and then in vertices of an
    epoch that nobody knows."""

    def on_question(self, question: Question) -> list[list[Item]]:
        vertices: list[list[Item]] = []
        for epoch in (question.epoch + 1, question.epoch + 7):
            other = question._replace(epoch=epoch)
            conflict = conflict_of(self.site, other)
            vertices.append([Proposal(other, VALUE), Vote(conflict, 0, PREVOTE, None)])
        return vertices

    def act(self) -> None:
        self.show(self.write(Line(2), (), (), 900), self.some())


class Double(Prompted):
    """Votes twice in one phase of a ballot, on one chain."""

    def on_vote(self, vote: Vote) -> list[list[Item]]:
        return [[vote], [vote._replace(value=None)]] if vote.value is not None else []


class Unjustified(Prompted):
    """Precommits with the first prevote that it sees."""

    def on_vote(self, vote: Vote) -> list[list[Item]]:
        is_one = vote.phase == PREVOTE and vote.value is not None
        return [[vote._replace(phase=PRECOMMIT)]] if is_one else []


class Unlocked(Prompted):
    """Locks with the others, then prevotes another value."""

    def on_question(self, question: Question) -> list[list[Item]]:
        return [[Proposal(question, VALUE)]]

    def on_vote(self, vote: Vote) -> list[list[Item]]:
        if vote.phase != PRECOMMIT or vote.value is None:
            return []
        proposed = [value for contest in self.contests(vote.conflict) for value in contest.proposed]
        other = next((value for value in proposed if value != vote.value), None)
        turned = Vote(vote.conflict, vote.ballot + 1, PREVOTE, other)
        return [[vote, turned]] if other is not None else []


class Inventor(Prompted):
    """Votes for what nobody has proposed."""

    def on_vote(self, vote: Vote) -> list[list[Item]]:
        return [[vote._replace(value=self.rng.randbytes(32))]]


class Crowd(Prompted):
    """Proposes more values than one may, and asks more questions."""

    def on_question(self, question: Question) -> list[list[Item]]:
        many: list[list[Item]] = [
            [Proposal(question, VALUE + bytes([at]))] for at in range(PROPOSALS_PER_AUTHOR_MAX + 1)
        ]
        for _ in range(OPEN_SETS_PER_AUTHOR_MAX + 1):
            other = question._replace(key=f"junk/{self.rng.randrange(1 << 30)}", version=1, predecessor=None)
            many.append([Proposal(other, VALUE)])
        return many


class Slander(Prompted):
    """Proposes to evict devices that have done nothing, for each reason there is, and votes for that."""

    def on_question(self, question: Question) -> list[list[Item]]:
        victims = [machine.index for machine in self.world.machines if not machine.is_liar]
        author = self.rng.choice(victims)
        other = Question(SITE_SCOPE, question.epoch, eviction_key(author), 1, None)
        value = encode_eviction(Eviction(author, self.rng.choice((FORKED, BY_HAND)), ()))
        conflict = conflict_of(self.site, other)
        vertices: list[list[Item]] = [[Proposal(other, value)]]
        return vertices + [[Vote(conflict, 0, phase, value_digest(value))] for phase in (PREVOTE, PRECOMMIT)]


class Perjurer(Prompted):
    """Says that it holds what nobody has made, and asks for checkpoints of what was never final, of heads that its
    vertex does not name, or of shared state that nobody has."""

    def heard(self, victim: Machine, header: Header, votes: Votes, questions: Questions) -> None:
        rng, said = self.rng, self.world.liars.headers
        below = {one.author: one for one in said if not self.world.machines[one.author].is_liar}
        items: list[Item] = [
            Witness(header.author, header.incarnation, header.seq + rng.randrange(9), rng.randbytes(32))
        ]
        items += [Witness(*one.key, one.id) for one in below.values()]
        question = victim.node.voting.agreement.question(SITE_SCOPE, CHECKPOINT_KEY)
        prev = self.line.head
        if (
            questions
            and question is not None
            and prev is not None
            and len(below) >= self.world.checkers.ledger.quorum - 1
        ):
            named = [prev, *list(below.values())[: self.world.checkers.ledger.quorum - 1]]
            heads = tuple(sorted(Head(*one.key, one.id[:PREFIX_BYTES]) for one in named))
            sealed = ((tag_of(SITE_SCOPE, "model"), rng.randrange(1, 9)),)
            lie = Checkpoint(0, heads, sealed, rng.randbytes(32), 1)
            if rng.random() < 0.5:
                lines = tuple(victim.node.shared.sealed.ends() or ())
                lie = Checkpoint(0, heads, (), root_of([]), 1, lines, rng.randbytes(32))
            items.append(Proposal(question, encode_checkpoint(lie)))
        self.say([items], [header, *below.values()] if rng.random() < 0.7 else [header])


class Usurper(Prompted):
    """No member: proposes values for what is the committee's alone."""

    def on_question(self, question: Question) -> list[list[Item]]:
        return [[Proposal(question._replace(key="model"), VALUE)]] if question.key == "model" else []


LIES: dict[str, type[Liar]] = {
    "mute": Liar, "equivocate": Echo, "fork": Fork, "amnesia": Amnesia, "turncoat": Turncoat, "babble": Babbler,
    "withhold": Withhold, "stale": Stale, "double": Double, "unjustified": Unjustified, "unlocked": Unlocked,
    "invent": Inventor, "crowd": Crowd, "slander": Slander, "perjure": Perjurer,
}  # fmt: skip
STRANGERS: dict[str, type[Liar]] = {"usurp": Usurper}
"""Of devices that are no members."""
