"""What became of open questions, and how committees came to be, in bytes: what a node must know at a start although its
log has dropped those vertices.

What a vote amounts to depends on what is below it (docs/decisions/0031), and that of an epoch counts where the change
that ended the one before, or the cut, is in its past (0030, rule 4). So of each set that is open, the changes of
committees among them, and of each cut, what is below each member's vertex outlives the vertices, as marks along the
lines (0047, 0052).

imprints = CBOR [2, [set …], [crossed …]]; set = [question, opener, [[value, proposer] …], [statement …], lines,
[[author, incarnation, seq, numbers, id] …], [shown …], [chain …]], of vertices with a proposal, precommits that are
signed, and those that are not yet; crossed = [scope, epoch, lines]; statement = [member, ballot, phase, digest or
null]; lines = [[author, incarnation, through, [mark …]] …], through = the seq up to which the marks say all; mark =
[seq, numbers, ballot, phase, lock or null, has cast]; lock = [epoch, ballot, digest]; numbers = which statements (of a
cut: which heads) are below, of a mark those that are new since the last one; shown = [statement, headers, signature];
chain = [statement, [author, incarnation, seq], headers].
"""

from __future__ import annotations

from typing import Any, NamedTuple

from edge.consensus.arrivals import Arrivals
from edge.consensus.chains import Chains
from edge.consensus.contest import Contest, Proposed
from edge.consensus.epochs import Epochs, is_change
from edge.consensus.eviction import Evictions
from edge.consensus.past import Lock, Mark, Past, Statement
from edge.consensus.question import is_eviction, value_digest
from edge.consensus.sets import OpenSet
from edge.dag.evidence import Side, chained, decode_side
from edge.ids import VertexId, VertexKey
from edge.limits import (
    COMMITTEE_MAX,
    IMPRINT_BALLOTS_MAX,
    IMPRINTS_BYTES_MAX,
    INDEX_MAX,
    VOTE_CHAIN_MAX,
)
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import Question, is_index, is_question, is_scope
from edge.wire.refusal import Refusal
from edge.wire.vertex import Header

FORMAT = 2
CHANGES_ALONE = 1
"""The form before: of decided changes, which are [question, ballot, digest, proposed, statements, lines, proposals]."""
_FAULTS = (Malformed, ValueError, TypeError, LookupError)
"""What reading may raise, of bytes that another release wrote, or nobody: whatever they are, they are not these."""


class Imprint(NamedTuple):
    """What the members' lines show of a set or a cut."""

    marks: list[tuple[VertexKey, Mark]]
    through: dict[tuple[int, int], int]


class Asked(NamedTuple):
    """A vertex with a proposal: the bits of its values, and its id if that is known."""

    votes: int
    id: VertexId


class Opened(NamedTuple):
    """A set that is open."""

    question: Question
    opener: int
    proposed: list[Proposed]
    statements: list[Statement]
    imprint: Imprint
    proposals: dict[VertexKey, Asked]
    shown: list[tuple[Statement, Side]]
    chains: list[tuple[Statement, VertexKey, tuple[Header, ...]]]

    @property
    def name(self) -> tuple[str, int]:
        return self.question.scope, self.question.epoch


class Crossed(NamedTuple):
    """A cut in the place of a change."""

    name: tuple[str, int]
    imprint: Imprint


class Imprints:
    """Of the open sets, and of the cuts of all committees that are listed. `index` is ours."""

    def __init__(self, index: int, epochs: Epochs, evictions: Evictions, arrivals: Arrivals, chains: Chains) -> None:
        self._index = index
        self._epochs = epochs
        self._evictions = evictions
        self._sets = evictions.sets
        self._arrivals = arrivals
        self._chains = chains
        self._waiting: list[Opened | Crossed] = []
        """Of committees that no roster lists which was read so far."""

    def dump(self) -> bytes | None:
        """For a file that is read before the log; None where nothing is open and no committee followed another."""
        rows = [row for _, row in self._rows()]
        cuts = self._epochs.cuts.crossings.items()
        crossed = [Crossed(name, self._imprint(crossing.past)) for name, crossing in cuts]
        rows += [_opened_row(one) for one in self._waiting if isinstance(one, Opened)]
        crossed += [one for one in self._waiting if isinstance(one, Crossed)]
        if not (rows or crossed):
            return None
        return encode([FORMAT, rows, [[*one.name, _lines(one.imprint)] for one in crossed]])

    def needed(self) -> list[VertexKey]:
        """Beside what is in `dump`: the vertices from which on the log is to be told again at a start, since they have
        the proposals of open sets that it has no room for."""
        kept = {open_.contest.conflict for open_, _ in self._rows()}
        contests = (open_.contest for open_ in self._sets)
        return [key for contest in contests if contest.conflict not in kept for key in contest.proposals]

    def _rows(self) -> list[tuple[OpenSet, list[Any]]]:
        """Open sets as far as there is room, changes of committees first: every later vote needs those."""
        rows, room = [], IMPRINTS_BYTES_MAX
        for open_ in sorted(self._sets, key=lambda one: not is_change(one.contest.question)):
            row = _opened_row(self._opened(open_))
            room -= len(encode(row))
            if room < 0:
                break
            rows.append((open_, row))
        return rows

    def _opened(self, open_: OpenSet) -> Opened:
        contest = open_.contest
        proposals = {key: Asked(votes, contest.ids[key]) for key, votes in contest.proposals.items()}
        chains = [(said, key, _headers(raws)) for said, key, raws in self._chains.of(contest) if _is_line(key[:2])]
        return Opened(
            contest.question,
            open_.opener,
            [*contest.proposed.values()],
            contest.ballots.statements,
            self._imprint(contest.past),
            {key: asked for key, asked in proposals.items() if _is_line(key[:2])},
            _newest(contest),
            chains,
        )

    def _imprint(self, past: Past) -> Imprint:
        lines = {line: [*marks] for line, marks in past.lines() if _is_line(line)}
        marks = [(VertexKey(*line, seq), mark) for line, found in lines.items() for seq, mark in found]
        return Imprint(marks, {line: max(self._arrivals.told(line), past.through.get(line, 0)) for line in lines})

    def restore(self, data: bytes) -> bool:
        """Before anything of the log is told. False for what `dump` did not give."""
        try:
            form, rows, crossed = decode(data, depth_max=8)
            if form == CHANGES_ALONE:
                rows = [_row_of_change(row) for row in rows]
            elif form != FORMAT:
                return False
            found: list[Opened | Crossed] = [*map(_read_opened, rows)]
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

    def _take(self, one: Opened | Crossed) -> bool:
        seats = self._epochs.find(*one.name)
        if seats is None:
            return False
        if isinstance(one, Crossed):
            crossing = self._epochs.cuts.crossings.get(one.name)
            if crossing is not None:
                _press(crossing.past, one.imprint)
        elif not self._epochs.is_over(seats) and self._sets.of(one.question) is None:
            self._open(self._sets.begin(one.question, seats, one.opener).contest, one)
        return True

    def _open(self, contest: Contest, opened: Opened) -> None:
        contest.proposed.update((value_digest(proposed.value), proposed) for proposed in opened.proposed)
        for statement in opened.statements:
            contest.recall(statement)
        contest.proposals.update((key, asked.votes) for key, asked in opened.proposals.items())
        contest.ids.update((key, asked.id) for key, asked in opened.proposals.items())
        for statement, side in opened.shown:
            contest.show(statement, side)
        for statement, key, headers in opened.chains:
            self._chains.recall(contest, statement, key, headers)
        _press(contest.past, opened.imprint)
        if is_eviction(contest.question.key):
            ours = [key for key in contest.proposals if key.author == self._index]
            for digest, proposed in contest.proposed.items():
                if any(contest.ballots.is_proposed(contest.proposals[key], digest) for key in ours):
                    self._evictions.say(self._index, proposed.value)


def _press(past: Past, imprint: Imprint) -> None:
    """Where nothing was heard."""
    for key, mark in imprint.marks:
        past.put(key, mark)
    past.through.update(imprint.through)


def _newest(contest: Contest) -> list[tuple[Statement, Side]]:
    """Precommits that a certificate may still be made of: once q members have precommitted a value, those of later
    ballots are for the same."""
    found: list[tuple[Statement, Side]] = []
    for member in range(contest.ballots.members):
        said = sorted(
            (one for one in contest.shown if one.member == member), key=lambda one: (one.ballot, one.value or b"")
        )
        found += [(one, contest.shown[one]) for one in said[-IMPRINT_BALLOTS_MAX:]]
    return found


def _is_line(line: tuple[int, int]) -> bool:
    """Whether it is one of the graph: lines beside these are forgotten with the vertices (edge/consensus/sides.py)."""
    return line[1] <= INDEX_MAX


# ---- rows


def _opened_row(opened: Opened) -> list[Any]:
    return [
        list(opened.question),
        opened.opener,
        [[proposed.value, proposed.proposer] for proposed in opened.proposed],
        [list(statement) for statement in opened.statements],
        _lines(opened.imprint),
        [[*key, _numbers(asked.votes), asked.id] for key, asked in opened.proposals.items()],
        [[list(statement), list(side.headers), side.signature] for statement, side in opened.shown],
        [[list(said), list(key), [header.raw for header in headers]] for said, key, headers in opened.chains],
    ]


def _row_of_change(row: list[Any]) -> list[Any]:
    question, _, _, proposed, statements, lines, proposals = row
    return [question, -1, proposed, statements, lines, [[*asked, b""] for asked in proposals], [], []]


def _read_opened(row: list[Any]) -> Opened:
    question, opener, proposed, statements, lines, proposals, shown, chains = row
    asked = Question(*question)
    if not (is_question(asked) and (opener == -1 or is_index(opener))):
        raise ValueError("nobody asks that")
    said = [_read_statement(statement) for statement in statements]
    if len(dict.fromkeys(said)) < len(said):
        raise ValueError("said twice")
    return Opened(
        asked,
        opener,
        [Proposed(bytes(value), proposer, 0.0) for value, proposer in proposed],
        said,
        _read_lines(lines, len(said)),
        {VertexKey(*key): Asked(_votes(numbers, len(said)), id) for *key, numbers, id in proposals},
        [(_read_statement(statement), _read_side([headers, by])) for statement, headers, by in shown],
        [(_read_statement(statement), VertexKey(*key), _headers(headers)) for statement, key, headers in chains],
    )


def _read_statement(fields: list[Any]) -> Statement:
    member, ballot, phase, value = fields
    return Statement(int(member), int(ballot), int(phase), value)


def _read_side(fields: list[Any]) -> Side:
    side = decode_side(fields, VOTE_CHAIN_MAX)
    if not isinstance(side, Side):
        raise ValueError("nothing that shows a vote")
    return side


def _headers(raws: list[bytes] | tuple[bytes, ...]) -> tuple[Header, ...]:
    headers = chained(raws)
    if isinstance(headers, Refusal) or not headers:
        raise ValueError("no chain")
    return headers


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
