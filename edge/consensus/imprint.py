"""How committees came to be, in bytes: what a node must know at a start although its log has dropped those vertices.

A vote of an epoch counts where the change that ended the one before, or the cut, is in its past (docs/decisions/0030,
rule 4). That lies ever further down, and every vote is asked for it: so of a change that is decided, and of a cut, what
is below each member's vertex outlives the vertices, as marks along the lines (docs/decisions/0047).

imprints = CBOR [[change …], [crossed …]], rows of the tuples below; question as in a vertex,
proposed = [value, proposer], statement = [member, ballot, phase, digest or null], marks = [author, incarnation,
[mark …]], mark = [seq, votes, ballot, phase, lock or null, has cast], lock = [epoch, ballot, digest], proposal =
[author, incarnation, seq, votes], votes = bytes, a bit for each statement, the lowest first; of a cut, for each head;
through = [author, incarnation, seq up to which the marks say all], or null for a change of which nothing more matters.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from edge.consensus.arrivals import Arrivals
from edge.consensus.contest import Contest, Proposed
from edge.consensus.epochs import Epochs, is_change
from edge.consensus.past import Lock, Mark, Past, Statement
from edge.consensus.question import value_digest
from edge.consensus.registers import Registers
from edge.consensus.sets import OpenSet, Sets
from edge.ids import VertexKey
from edge.limits import INDEX_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import Question

Rows = list[list[Any]]


class Change(NamedTuple):
    """A change of committees that was decided."""

    question: list[Any]
    ballot: int
    digest: bytes
    proposed: Rows
    statements: Rows
    marks: Rows
    proposals: Rows
    through: Rows | None

    @property
    def name(self) -> tuple[str, int]:
        return self.question[0], self.question[1]


class Crossed(NamedTuple):
    """A cut in the place of a change: which of its heads are below."""

    scope: str
    epoch: int
    marks: Rows

    @property
    def name(self) -> tuple[str, int]:
        return self.scope, self.epoch


class Imprints:
    """Of the changes and cuts of all committees that are listed."""

    def __init__(self, registers: Registers, epochs: Epochs, sets: Sets, arrivals: Arrivals) -> None:
        self._registers = registers
        self._arrivals = arrivals
        self._epochs = epochs
        self._sets = sets
        self._waiting: list[Change | Crossed] = []
        """Of committees that no roster lists which was read so far."""
        self._pressed: dict[bytes, None] = {}
        """Sets that are here by `restore`: the log may have nothing of them."""

    def dump(self) -> bytes | None:
        """For a file that is read before the log; None where everybody's first committee decides."""
        settled = self._settled()
        changes = [self._change(one.contest, binds=self._binds(one.contest, settled)) for one in settled]
        cuts = self._epochs.cuts.crossings.items()
        crossed = [Crossed(*name, _marks(crossing.past)) for name, crossing in cuts]
        changes += [one for one in self._waiting if isinstance(one, Change)]
        crossed += [one for one in self._waiting if isinstance(one, Crossed)]
        return encode([changes, crossed]) if changes or crossed else None

    def needed(self) -> list[VertexKey]:
        """Beside what is in `dump`: the vertices from which on the log is to be told again at a start, since they have
        the proposals of open sets."""
        return self._sets.needed(self._settled())

    def _settled(self) -> list[OpenSet]:
        """Changes that are decided, and certified as far as they ever will be from what we hold."""
        changes = [one for one in self._sets if is_change(one.contest.question) and one.contest.decided is not None]
        is_past, pressed = self._registers.is_past, self._pressed
        return [one for one in changes if is_past(one.contest.question) or one.contest.conflict in pressed]

    def _change(self, contest: Contest, *, binds: bool) -> Change:
        assert contest.decided is not None
        if not binds:
            value, proposer, _ = contest.proposed[contest.decided[1]]
            return Change(list(contest.question), *contest.decided, [[value, proposer]], [], [], [], None)
        marks = _marks(contest.past)
        lines = [(author, incarnation) for author, incarnation, _ in marks]
        return Change(
            list(contest.question),
            *contest.decided,
            [[proposed.value, proposed.proposer] for proposed in contest.proposed.values()],
            [list(statement) for statement in contest.ballots.statements],
            marks,
            [[*key, _bytes(votes)] for key, votes in contest.proposals.items() if _is_line(key[:2])],
            [[*line, max(self._arrivals.told(line), contest.settled.get(line, 0))] for line in lines],
        )

    def _binds(self, contest: Contest, settled: list[OpenSet]) -> bool:
        """Whether a vote may still be asked for a settled change: one of the epoch that it began, or one on a question
        that this or an earlier epoch left open, a further change among them."""
        if contest.is_over:
            return False
        scope = contest.question.scope
        begun, current = self._epochs.begun(contest), self._epochs.current(scope)
        if begun is None or current is None or begun.epoch >= current.epoch:
            return True
        questions = (one.contest.question for one in self._sets if one not in settled)
        return any(question.scope == scope and question.epoch <= begun.epoch for question in questions)

    def restore(self, data: bytes) -> bool:
        """Before anything of the log is told. False for what `dump` did not give."""
        try:
            changes, crossed = decode(data)
            self._waiting = [*(Change(*row) for row in changes), *(Crossed(*row) for row in crossed)]
            self.seat()
        except (Malformed, ValueError, TypeError):
            self._waiting = []
            return False
        return True

    def seat(self) -> None:
        """Take what is of committees that are listed by now."""
        waiting, self._waiting = self._waiting, []
        self._waiting = [one for one in waiting if not self._take(one)]

    def _take(self, one: Change | Crossed) -> bool:
        seats = self._epochs.find(*one.name)
        if seats is None:
            return False
        if isinstance(one, Crossed):
            crossing = self._epochs.cuts.crossings.get(one.name)
            if crossing is not None:
                _put(crossing.past, one.marks)
        elif not self._epochs.is_over(seats):
            open_ = self._sets.open(Question(*one.question), seats, seats.members[0])
            assert open_ is not None, "a change finds room"
            self._pressed[open_.contest.conflict] = None
            _press(open_.contest, one)
        return True


def _press(contest: Contest, change: Change) -> None:
    """Into a set of which nothing was heard."""
    for value, proposer in change.proposed:
        contest.proposed[value_digest(value)] = Proposed(value, proposer, 0.0)
    for statement in change.statements:
        contest.ballots.bit(Statement(*statement))
    _put(contest.past, change.marks)
    for author, incarnation, seq, votes in change.proposals:
        contest.proposals[VertexKey(author, incarnation, seq)] = int.from_bytes(votes, "little")
    contest.is_over = change.through is None
    contest.settled.update(((author, incarnation), seq) for author, incarnation, seq in change.through or ())
    contest.decided = (change.ballot, change.digest)


def _is_line(line: tuple[int, int]) -> bool:
    """Whether it is one of the graph: lines beside these are forgotten with the vertices (edge/consensus/sides.py)."""
    return line[1] <= INDEX_MAX


def _marks(past: Past) -> Rows:
    return [
        [*line, [[seq, _bytes(mark.votes), *mark.last, mark.lock, mark.has_cast] for seq, mark in marks]]
        for line, marks in past.lines()
        if _is_line(line)
    ]


def _put(past: Past, rows: Rows) -> None:
    for author, incarnation, marks in rows:
        for seq, votes, ballot, phase, lock, has_cast in marks:
            taken = Lock(*lock) if lock is not None else None
            mark = Mark(int.from_bytes(votes, "little"), (ballot, phase), taken, has_cast)
            past.put(VertexKey(author, incarnation, seq), mark)


def _bytes(votes: int) -> bytes:
    return votes.to_bytes((votes.bit_length() + 7) // 8, "little")
