"""What comes from peers: frames become candidates, signatures are checked, admission decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from edge.dag.admission import Accepted, Admission, Answer, Duplicate, Early, Mended, Parked
from edge.dag.evidence import chained
from edge.dag.pending import Candidate, Missing
from edge.effects import Hush, Verify
from edge.ids import Instant, VertexId, VertexKey
from edge.limits import (
    CHECKING_BYTES_MAX,
    CHECKING_MAX,
    EARLY_BYTES_MAX,
    EARLY_FRAMES_MAX,
    LIVE_VERTICES_BURST,
    LIVE_VERTICES_PER_S,
    TICKETS_MAX,
    UNFIT_VERTICES_BURST,
    UNFIT_VERTICES_PER_S,
    VOTES_CHECKING_MAX,
)
from edge.mesh.allowance import Allowance
from edge.mesh.repair import Repair
from edge.node.custody import Custody
from edge.node.desk import Desk
from edge.node.forks import Forks
from edge.wire import suite
from edge.wire.frame import Range, decode_reply, decode_vertex
from edge.wire.refusal import Refusal
from edge.wire.vertex import Ack, Header, decode_header


class Room(NamedTuple):
    """How many more live frames may come."""

    votes: int
    others: int


class Intake:
    """Frames by others. `accepted(candidates, now)` is called with what entered the graph, in causal order."""

    def __init__(
        self,
        desk: Desk,
        admission: Admission,
        repair: Repair,
        forks: Forks,
        custody: Custody,
        accepted: Callable[[tuple[Candidate, ...], Instant], None],
        mended: Callable[[Candidate, Instant], None],
        met: Callable[[Header, Instant], Refusal | None],
        signed: Callable[[VertexKey, VertexId, bytes], None],
        overheard: Callable[[Header, Instant], None],
    ) -> None:
        """`mended` is given what our disk had lost. `met` has a veto on each vertex whose signature stands, before it
        gets a place.

        `signed(key, id, signature)` keeps a signature over a vertex that is in the log without one: whoever asks for
        a part of its line gets that only up to a signature. `overheard` is told of a gateway's vertex where nobody
        else's line is kept.
        """
        self._desk = desk
        self._admission = admission
        self._repair = repair
        self._accepted = accepted
        self._mended = mended
        self._checking: dict[VertexId, int] = {}
        self._checking_bytes = 0
        """Of vertices whose signature is being checked: anyone on the broker can send those."""
        self._votes_checking = 0
        self._allowance = Allowance(LIVE_VERTICES_PER_S, LIVE_VERTICES_BURST)
        """Of valid vertices: nobody else can use up an author's."""
        self._unfit_allowance = Allowance(UNFIT_VERTICES_PER_S, UNFIT_VERTICES_BURST)
        """Of checks of what would have to wait. Anyone can use up a member's: repair brings what is dropped then."""
        self._forks = forks
        self._custody = custody
        self._met = met
        self._signed = signed
        self._overheard = overheard
        self._clocks: dict[int, int] = {}
        """Of the newest vertex of each gateway that was overheard: what was said before it is of no use any more."""
        self._early: deque[bytes] = deque()
        self._early_bytes = 0
        self.wants: Callable[[int], bool] = lambda author: False
        """Whether more of a forked author is of use than what we hold."""
        self.shown: Callable[[Sequence[Header], bytes, Instant], tuple[bool, int | None]]
        """Told of such a chain, and the signature over it. Set before anything is heard."""
        self.take_below: Callable[[Sequence[Header], Range, int], None] = lambda headers, given, source: None
        """Told of each range of an answer: what goes on down from a floor of ours is not let in, but had again."""
        self.has_seat: Callable[[int], bool] = lambda author: False
        self.said: Callable[[Header], None] = lambda header: None
        """Told of vertices by these that there is no room for."""
        self.is_full = False
        """Set when the disk or the log has no room for what peers say."""
        self.refused: dict[str, int] = {}
        self.duplicates = self.parked = self.early_dropped = self.not_kept = 0
        self.signatures_verified = self.signatures_bad = 0
        self.dropped_busy = self.dropped_greedy = self.dropped_unfit = self.dropped_full = 0

    @property
    def room(self) -> Room:
        """Of each kind, so that a flood of the one does not keep the other waiting."""
        others = len(self._checking) - self._votes_checking
        return Room(max(0, VOTES_CHECKING_MAX - self._votes_checking), max(0, CHECKING_MAX - others))

    def vertex(self, payload: bytes, now: Instant, *, is_vote: bool = False) -> None:
        """A frame on the vertex channel, or that of votes."""
        frame = decode_vertex(payload)
        if isinstance(frame, Refusal):
            return self._refuse(frame)
        header = decode_header(frame.header)
        if isinstance(header, Refusal):
            return self._refuse(header)
        if frame.signature is None:
            return self._refuse(Refusal("signature-missing"))
        if self._is_stranger(header) and not self._concerns_us(header):
            self.not_kept += 1
        elif self._admission.knows(header) and not self._lacks_signature(header):
            self.duplicates += 1
        elif not self._allowance.has(header.author, now.mono_ms):
            self.dropped_greedy += 1
            until_ms = self._allowance.at_ms(header.author, now.mono_ms, LIVE_VERTICES_BURST / 8)
            self._desk.do(Hush(header.author, until_ms))
        else:
            alone = (Candidate(header, frame.signature, frame.body),)
            if self._screen(header, payload, alone) and self._is_worth_a_check(header, is_vote, now):
                self._check(alone, frame.signature, is_vote=is_vote)

    def reply(self, payload: bytes, now: Instant) -> Refusal | None:
        """A chunk of a repair answer: ranges, each proven by the signature over its last header."""
        reply = decode_reply(payload)
        if isinstance(reply, Refusal):
            return reply
        if not self._repair.expects(reply.sender, reply.correlation):
            return Refusal("reply-unasked", str(reply.sender))
        bodies = sum(len(body or b"") for given in reply.ranges for body in given.bodies)
        headers = [len(header) for given in reply.ranges for header in given.headers]
        self._repair.heard(reply.correlation, reply.is_last, now, len(headers), sum(headers) + bodies)
        for given in reply.ranges:
            candidates = self._chain(given, reply.sender)
            if isinstance(candidates, Refusal):
                self._refuse(candidates)
            elif candidates:
                self._check(candidates, given.signature, source=reply.sender)
        return None

    def roster_changed(self, now: Instant) -> None:
        """Vertices that waited for a newer roster are looked at again."""
        early, self._early, self._early_bytes = self._early, deque(), 0
        for payload in early:
            self.vertex(payload, now)

    def _chain(self, given: Range, source: int) -> tuple[Candidate, ...] | Refusal:
        """The unheld part of a range, if its headers really chain; one bad link refuses it whole."""
        headers = chained(given.headers)
        if isinstance(headers, Refusal):
            return headers
        self.take_below(headers, given, source)
        if self._is_stranger(headers[-1]):
            self.not_kept += 1
            return ()
        candidates = [Candidate(header, None, body) for header, body in zip(headers, given.bodies, strict=True)]
        lacking = (at for at, candidate in enumerate(candidates) if not self._admission.knows(candidate.header))
        # From the first on, known ones too: a proof shows a chain without a gap.
        fresh = candidates[next(lacking, len(candidates)) :]
        for at, (base, first) in enumerate(pairwise(headers)):
            if self._admission.begins_another(base, first):
                fresh = candidates[at:]  # a proof of two lives, whatever of it waits here already
                break
        covers_from = self._forks.begins_at(headers)
        if covers_from is not None:
            fresh = candidates[covers_from:]  # a side of a proof, whatever of it is held
        last = candidates[-1]
        self._began(last.header, self._admission.pending.lacked_by(headers[0].id))
        if not fresh and not self._lacks_signature(last.header):
            self.duplicates += 1
            return ()
        if not self._screen(last.header, None, fresh):
            return ()
        if fresh and fresh[-1] is last:
            fresh.pop()
        # The last one stays even if it is parked: its signature is what covers the others.
        return (*fresh, last._replace(signature=given.signature))

    def _is_stranger(self, header: Header) -> bool:
        """Whether we keep our own line only, and this is another's."""
        return self._admission.only not in (None, header.author)

    def _concerns_us(self, header: Header) -> bool:
        """Whether a gateway acknowledges something that we hold, later than what we heard of that one."""
        if header.hlc <= self._clocks.get(header.author, -1) or not self._admission.is_gateway(header.author):
            return False
        holds = self._admission.graph.has
        return any(isinstance(item, Ack) and holds(item.author) for item in header.items)

    def _fits(self, header: Header) -> bool:
        """Whether it begins a line, or goes on from what we hold or are about to."""
        graph = self._admission.graph
        if header.prev is None:
            return not graph.highest_seq(header.author)
        return header.prev in self._checking or graph.find(header.author, header.seq - 1, header.prev) is not None

    def _is_worth_a_check(self, header: Header, is_vote: bool, now: Instant) -> bool:
        """Not what would have to wait even if it is good, while others wait for the verifier or often in one name."""
        if self._fits(header):
            return True
        room = self.room.votes if is_vote else self.room.others
        if room <= (VOTES_CHECKING_MAX if is_vote else CHECKING_MAX) // 2 or not self._unfit_allowance.has(
            header.author, now.mono_ms
        ):
            self.dropped_unfit += 1
            return False
        self._unfit_allowance.spend(header.author, now.mono_ms)
        return True

    def _lacks_signature(self, header: Header) -> bool:
        lacks = self._admission.graph.lacks_signature(header.key, header.id)
        return lacks and not self._admission.does_without(header.key)

    def _screen(self, header: Header, payload: bytes | None, covered: Sequence[Candidate]) -> bool:
        """Whether to check a signature over this header. `covered`: what would be let in with it."""
        if header.id in self._checking:
            self.duplicates += 1
            return False
        answer = self._admission.screen(header, covered)
        if isinstance(answer, Early):
            if payload is not None:
                self._keep_early(payload)
            self._refuse(Refusal("ahead-of-roster", str(answer.epoch)))
        elif isinstance(answer, Refusal) and not (
            answer.reason in ("quarantined", "evicted") and payload is None and self.wants(header.author)
        ):
            self._refuse(answer)
        elif self._admission.lacks_bodies(covered):
            # Not even checked: the same with its bodies may come meanwhile, and would be a duplicate of this.
            self._refuse(Refusal("body-missing", str(tuple(header.key))))
        elif self.is_full and not self._makes_room(header):
            self.dropped_full += 1
        elif self._desk.open_tickets >= TICKETS_MAX or self._checking_bytes >= CHECKING_BYTES_MAX:
            self.dropped_busy += 1
        else:
            return True
        return False

    def _makes_room(self, header: Header) -> bool:
        """Whether its author says what it holds of others: a gateway, or who has a seat."""
        return self._admission.is_gateway(header.author) or self.has_seat(header.author)

    def _keep_early(self, payload: bytes) -> None:
        """Nobody has checked its signature: the oldest go when there are too many."""
        self._early.append(payload)
        self._early_bytes += len(payload)
        while len(self._early) > EARLY_FRAMES_MAX or self._early_bytes > EARLY_BYTES_MAX:
            self._early_bytes -= len(self._early.popleft())
            self.early_dropped += 1

    def _check(
        self, candidates: tuple[Candidate, ...], signature: bytes, source: int | None = None, *, is_vote: bool = False
    ) -> None:
        """`source`: who answered with this, if it was asked for."""
        header = candidates[-1].header
        member = self._admission.roster.member(header.author)
        assert member is not None, "screened"
        self._checking[header.id] = sum(candidate.size_bytes for candidate in candidates)
        self._checking_bytes += self._checking[header.id]
        self._votes_checking += is_vote
        message = suite.sig_structure(header.suite, suite.PURPOSE_VERTEX, header.raw)
        ticket = self._desk.ticket(partial(self._verified, candidates, source, is_vote))
        self._desk.do(Verify(ticket, header.suite, member.public_key, message, signature, is_vote))

    def _verified(
        self, candidates: tuple[Candidate, ...], source: int | None, is_vote: bool, ok: bool, now: Instant
    ) -> None:
        header = candidates[-1].header
        self._votes_checking -= is_vote
        self._checking_bytes -= self._checking.pop(header.id, 0)
        if not ok:
            self.signatures_bad += 1
            self._refuse(Refusal("signature-bad", str(tuple(header.key))))
            return
        self.signatures_verified += 1
        if source is not None and self._is_beside(header):
            return self._lies_beside(candidates, source, now)
        if source is None:
            self._allowance.spend(header.author, now.mono_ms)
        for candidate in candidates:  # whether or not there is a place for it yet
            self._custody.heard(candidate.header, self._admission.roster)
        if self._is_stranger(header):
            self._clocks[header.author] = max(header.hlc, self._clocks.get(header.author, 0))
            return self._overheard(header, now)
        if self.is_full and self._makes_room(header):
            # What it says of others' vertices is what makes room again; it has none itself yet.
            for candidate in candidates:
                self.said(candidate.header)
            self.dropped_full += 1
            return
        for index, candidate in enumerate(candidates):
            answer = self._met(candidate.header, now) or self._admission.settle(candidate, candidates[index + 1 :])
            self._settled(answer, now)
            if isinstance(answer, Duplicate) and candidate.signature and self._lacks_signature(candidate.header):
                self._signed(candidate.header.key, candidate.header.id, candidate.signature)
            if source is not None and isinstance(answer, Accepted | Mended):
                self._repair.brought(source, header.author)
            if source is not None and index == 0 and isinstance(answer, Parked):
                self._began(header, answer.missing)
            if isinstance(answer, Refusal):
                break
        if source is not None and self._is_beside(header):
            self._lies_beside(candidates, source, now)
        return self._forks.look(now)

    def _is_beside(self, header: Header) -> bool:
        """Whether nothing more of its author is let in: it is of use only to those who count what others stand on."""
        return header.author in self._admission.quarantined and header.key not in self._admission.graph.lost

    def _lies_beside(self, candidates: tuple[Candidate, ...], source: int, now: Instant) -> None:
        last = candidates[-1]
        assert last.signature is not None, "it was verified"
        if self._forks.covered([candidate.header for candidate in candidates], last.signature):
            return self._forks.look(now)
        is_new, lacking_seq = self.shown([candidate.header for candidate in candidates], last.signature, now)
        if is_new:
            self._repair.brought(source, last.header.author)
        if lacking_seq is not None:
            self._repair.unknown_prev(last.header.author, last.header.incarnation, lacking_seq)

    def _began(self, header: Header, missing: Missing | None) -> None:
        """An answer to a request begins with a vertex of the line that ends in `header`, which waits for this one."""
        if missing is not None and missing.author == header.author:
            self._repair.unknown_prev(header.author, header.incarnation, missing.seq)

    def _settled(self, answer: Answer, now: Instant) -> None:
        if isinstance(answer, Accepted):
            self._accepted(answer.candidates, now)
            for refusal in answer.refused:
                self._unfit(refusal)
        elif isinstance(answer, Duplicate):
            self.duplicates += 1
        elif isinstance(answer, Mended):
            self._mended(answer.candidate, now)
        elif isinstance(answer, Parked):
            self.parked += 1
        else:
            self._unfit(answer)

    def _unfit(self, refusal: Refusal) -> None:
        self._refuse(refusal)
        if refusal.reason == "fork":
            self._desk.report("warning", "fork", detail=refusal.detail)

    def refuse(self, refusal: Refusal) -> None:
        """Count a frame that is not let in, and say so (the shell bounds the rate)."""
        self._refuse(refusal)

    def _refuse(self, refusal: Refusal) -> None:
        self.refused[refusal.reason] = self.refused.get(refusal.reason, 0) + 1
        self._desk.report("debug", "refused", reason=refusal.reason, detail=refusal.detail)

    def counts(self) -> dict[str, int]:
        counts = {
            "duplicates": self.duplicates,
            "parked": self.parked,
            "signatures_verified": self.signatures_verified,
            "signatures_bad": self.signatures_bad,
            "checking": len(self._checking),
            "checking_votes": self._votes_checking,
            "dropped_busy": self.dropped_busy,
            "dropped_greedy": self.dropped_greedy,
            "dropped_unfit": self.dropped_unfit,
            "dropped_full": self.dropped_full,
            "early": len(self._early),
            "early_dropped": self.early_dropped,
            "not_kept": self.not_kept,
        }
        return counts | {f"refused_{reason.replace('-', '_')}": count for reason, count in self.refused.items()}
