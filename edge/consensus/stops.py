"""The proof that a member voted above its own stop: for whoever has the roster, and nothing else.

Who has precommitted a value for the change of a committee says no more on other questions of that epoch, above it on
its line (docs/decisions/0030, rule 1). stopped vote = [2, change, other, side]: two questions of one epoch, and a side
as of evidence (docs/WIRE.md §11) whose first header has the precommit, and that one or one above it the vote.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from edge.consensus.committee import by_epoch, seats_of
from edge.consensus.epochs import is_change
from edge.consensus.question import conflict_of
from edge.dag.evidence import Side, attributed, decode_sides
from edge.ids import VertexKey
from edge.limits import EVIDENCE_BYTES_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import PRECOMMIT, Question, Vote, is_question
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.vertex import Header

FORMAT = 2


class StoppedVote(NamedTuple):
    """What the bytes say; `judge_stopped` says whether it is true."""

    author: int
    change: Question
    other: Question
    vote: Vote
    """On the other question."""
    names: tuple[VertexKey, VertexKey]
    """Of the vertices with the precommit and with the vote, which may be one."""
    side: Side
    raw: bytes


def make_stopped(change: Question, other: Question, side: Side) -> StoppedVote | Refusal:
    """Refused if it proves nothing, or is too long to be kept."""
    return decode_stopped(encode([FORMAT, tuple(change), tuple(other), [list(side.headers), side.signature]]))


def decode_stopped(raw: bytes) -> StoppedVote | Refusal:
    if len(raw) > EVIDENCE_BYTES_MAX:
        return Refusal("evidence-too-large", str(len(raw)))
    try:
        fields = decode(raw, depth_max=3)
    except Malformed as fault:
        return Refusal(fault.reason, "stopped vote")
    match fields:
        case [form, [_, _, _, _, _] as asked, [_, _, _, _, _] as also, side] if type(form) is int and form == FORMAT:
            change, other = Question(*asked), Question(*also)
            sides = decode_sides((side,)) if _are_apart(change, other) else Refusal("evidence-shape", "questions")
        case _:
            return Refusal("evidence-shape")
    if isinstance(sides, Refusal):
        return sides
    ((shown, headers),) = sides
    return _found(change, other, shown, headers, raw) or Refusal("evidence-shape", "no vote above a stop")


def _are_apart(change: Question, other: Question) -> bool:
    """Whether they are a change and another question of the epoch that it ends."""
    are_questions = is_question(change) and is_question(other)
    return are_questions and is_change(change) and not is_change(other) and change[:2] == other[:2]


def _found(change: Question, other: Question, side: Side, headers: Iterable[Header], raw: bytes) -> StoppedVote | None:
    """With the first vote that stands above the precommit."""
    first, *above = headers
    stop, also = (conflict_of(first.site, question) for question in (change, other))
    at = next((at for at, item in enumerate(first.items) if _stops(item, stop)), None)
    if at is None:
        return None
    said = [(first.key, item) for item in first.items[at + 1 :]]
    said += [(header.key, item) for header in above for item in header.items]
    for name, item in said:
        if isinstance(item, Vote) and item.conflict == also:
            return StoppedVote(first.author, change, other, item, (first.key, name), side, raw)
    return None


def _stops(item: Any, conflict: bytes) -> bool:
    is_precommit = isinstance(item, Vote) and item.phase == PRECOMMIT and item.conflict == conflict
    return is_precommit and item.value is not None


def judge_stopped(stopped: StoppedVote, roster: Roster) -> Refusal | None:
    """None if a member of the committee of that epoch, by this roster, has signed it."""
    seats = by_epoch(seats_of(roster)).get(stopped.change[:2])
    if seats is None:
        return Refusal("epoch-unknown", f"{stopped.change.scope}/{stopped.change.epoch}")
    if stopped.author not in seats.members:
        return Refusal("vote-stranger", str(stopped.author))
    answer = attributed(stopped.side, roster)
    return answer if isinstance(answer, Refusal) else None
