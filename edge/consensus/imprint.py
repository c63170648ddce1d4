"""How committees came to be, in bytes: what a node must know at a start although its log has dropped those vertices.

A vote of an epoch counts where the change that ended the one before, or the cut, is in its past (docs/decisions/0030,
rule 4). That lies ever further down, and every vote is asked for it: so of a change that is decided, and of a cut, what
is below each member's vertex outlives the vertices, as marks along the lines (docs/decisions/0047).

imprints = CBOR [1, [change …], [crossed …]]; change = [question, ballot, digest, [[value, proposer] …], [statement …],
lines, [[author, incarnation, seq, numbers] …]], the last of vertices with a proposal; crossed = [scope, epoch, lines];
statement = [member, ballot, phase, digest or null]; lines = [[author, incarnation, through, [mark …]] …], through = the
seq up to which the marks say all; mark = [seq, numbers, ballot, phase, lock or null, has cast]; lock = [epoch, ballot,
digest]; numbers = which statements (of a cut: which heads) are below, of a mark those that are new since the last one.
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
from edge.limits import COMMITTEE_MAX, INDEX_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import Question, is_index, is_question, is_scope

FORMAT = 1
_FAULTS = (Malformed, ValueError, TypeError, LookupError)
"""What reading may raise, of bytes that another release wrote, or nobody: whatever they are, they are not these."""


class Imprint(NamedTuple):
    """What the members' lines show of a change or a cut."""

    marks: list[tuple[VertexKey, Mark]]
    through: dict[tuple[int, int], int]


class Change(NamedTuple):
    """A change of committees that was decided."""

    question: Question
    decided: tuple[int, bytes]
    proposed: list[Proposed]
    statements: list[Statement]
    imprint: Imprint
    proposals: dict[VertexKey, int]

    @property
    def name(self) -> tuple[str, int]:
        return self.question.scope, self.question.epoch


class Crossed(NamedTuple):
    """A cut in the place of a change."""

    name: tuple[str, int]
    imprint: Imprint


class Imprints:
    """Of the changes and cuts of all committees that are listed."""

    def __init__(self, registers: Registers, epochs: Epochs, sets: Sets, arrivals: Arrivals) -> None:
        self._registers = registers
        self._arrivals = arrivals
        self._epochs = epochs
        self._sets = sets
        self._waiting: list[Change | Crossed] = []
        """Of committees that no roster lists which was read so far."""
        self._restored: dict[bytes, None] = {}
        """Sets that are here by `restore`: the log may have nothing of them."""

    def dump(self) -> bytes | None:
        """For a file that is read before the log; None where everybody's first committee decides."""
        changes = [self._change(one.contest) for one in self._settled()]
        cuts = self._epochs.cuts.crossings.items()
        crossed = [Crossed(name, self._imprint(crossing.past)) for name, crossing in cuts]
        changes += [one for one in self._waiting if isinstance(one, Change)]
        crossed += [one for one in self._waiting if isinstance(one, Crossed)]
        if not (changes or crossed):
            return None
        return encode([FORMAT, [*map(_change_row, changes)], [[*one.name, _lines(one.imprint)] for one in crossed]])

    def needed(self) -> list[VertexKey]:
        """Beside what is in `dump`: the vertices from which on the log is to be told again at a start, since they have
        the proposals of open sets."""
        return self._sets.needed(self._settled())

    def _settled(self) -> list[OpenSet]:
        """Changes that are decided, and certified as far as they ever will be from what we hold."""
        changes = [one for one in self._sets if is_change(one.contest.question) and one.contest.decided is not None]
        is_past, restored = self._registers.is_past, self._restored
        return [one for one in changes if is_past(one.contest.question) or one.contest.conflict in restored]

    def _change(self, contest: Contest) -> Change:
        assert contest.decided is not None
        proposals = {key: votes for key, votes in contest.proposals.items() if _is_line(key[:2])}
        proposed, statements = [*contest.proposed.values()], contest.ballots.statements
        return Change(contest.question, contest.decided, proposed, statements, self._imprint(contest.past), proposals)

    def _imprint(self, past: Past) -> Imprint:
        lines = {line: [*marks] for line, marks in past.lines() if _is_line(line)}
        marks = [(VertexKey(*line, seq), mark) for line, found in lines.items() for seq, mark in found]
        return Imprint(marks, {line: max(self._arrivals.told(line), past.through.get(line, 0)) for line in lines})

    def restore(self, data: bytes) -> bool:
        """Before anything of the log is told. False for what `dump` did not give."""
        try:
            form, changes, crossed = decode(data, depth_max=8)
            if form != FORMAT:
                return False
            found: list[Change | Crossed] = [*map(_read_change, changes)]
            found += map(_read_crossed, crossed)
        except _FAULTS:
            return False
        self._waiting = found
        self.seat()
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
                _press(crossing.past, one.imprint)
        elif not self._epochs.is_over(seats) and self._sets.of(one.question) is None:
            open_ = self._sets.open(one.question, seats, seats.members[0])
            assert open_ is not None, "there is one change of each epoch"
            self._restored[open_.contest.conflict] = None
            _press_change(open_.contest, one)
        return True


def _press(past: Past, imprint: Imprint) -> None:
    """Where nothing was heard."""
    for key, mark in imprint.marks:
        past.put(key, mark)
    past.through.update(imprint.through)


def _press_change(contest: Contest, change: Change) -> None:
    contest.proposed.update((value_digest(proposed.value), proposed) for proposed in change.proposed)
    for statement in change.statements:
        contest.ballots.bit(statement)
    contest.proposals.update(change.proposals)
    contest.decided = change.decided
    _press(contest.past, change.imprint)


def _is_line(line: tuple[int, int]) -> bool:
    """Whether it is one of the graph: lines beside these are forgotten with the vertices (edge/consensus/sides.py)."""
    return line[1] <= INDEX_MAX


# ---- rows


def _change_row(change: Change) -> list[Any]:
    return [
        list(change.question),
        *change.decided,
        [[proposed.value, proposed.proposer] for proposed in change.proposed],
        [list(statement) for statement in change.statements],
        _lines(change.imprint),
        [[*key, _numbers(votes)] for key, votes in change.proposals.items()],
    ]


def _read_change(row: list[Any]) -> Change:
    question, ballot, digest, proposed, statements, lines, proposals = row
    asked = Question(*question)
    values = [Proposed(value, proposer, 0.0) for value, proposer in proposed]
    if not (is_question(asked) and is_change(asked)) or digest not in {value_digest(one.value) for one in values}:
        raise ValueError("no change that was decided")
    said = [Statement(member, at, phase, value) for member, at, phase, value in statements]
    known = {VertexKey(author, life, seq): _votes(numbers, len(said)) for author, life, seq, numbers in proposals}
    return Change(asked, (ballot, digest), values, said, _read_lines(lines, len(said)), known)


def _read_crossed(row: list[Any]) -> Crossed:
    scope, epoch, lines = row
    if not (is_scope(scope) and is_index(epoch)):
        raise ValueError("no committee is called that")
    return Crossed((scope, epoch), _read_lines(lines, COMMITTEE_MAX))


def _lines(imprint: Imprint) -> list[Any]:
    rows: dict[tuple[int, int], list[Any]] = {line: [*line, through, []] for line, through in imprint.through.items()}
    before: dict[tuple[int, int], int] = {}
    for key, mark in imprint.marks:
        numbers = _numbers(mark.votes & ~before.get(key[:2], 0))
        rows[key[:2]][3].append([key.seq, numbers, *mark.last, mark.lock, mark.has_cast])
        before[key[:2]] = mark.votes
    return [*rows.values()]


def _read_lines(rows: list[Any], count: int) -> Imprint:
    """`count`: of what is numbered."""
    imprint = Imprint([], {})
    for author, incarnation, through, marks in rows:
        votes = 0
        for seq, numbers, ballot, phase, lock, has_cast in marks:
            votes |= _votes(numbers, count)
            last, taken = (int(ballot), int(phase)), Lock(*lock) if lock is not None else None
            imprint.marks.append((VertexKey(author, incarnation, seq), Mark(votes, last, taken, bool(has_cast))))
        imprint.through[author, incarnation] = int(through)
    return imprint


def _numbers(votes: int) -> list[int]:
    """The bits that are set, ascending."""
    found = []
    while votes:
        lowest = votes & -votes
        found.append(lowest.bit_length() - 1)
        votes ^= lowest
    return found


def _votes(numbers: list[int], count: int) -> int:
    if numbers and max(numbers) >= count:
        raise ValueError("nothing has that number")
    return sum(1 << number for number in dict.fromkeys(numbers))
