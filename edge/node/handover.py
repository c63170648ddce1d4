"""Certificates from peers: what was decided without our votes, or without us hearing them, judged by ourselves.

A frontier says what its sender's registers hold. Whoever is behind asks for what is newer, one peer at a time, and
believes nothing but a quorum's signatures (docs/decisions/0035).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from edge.consensus.agreement import Agreement
from edge.consensus.certificate import Certificate, Signed, decode_certificate, signatures
from edge.consensus.committee import by_epoch, seats_of
from edge.consensus.registers import Final
from edge.consensus.standing import Standing
from edge.dag.admission import Admission
from edge.effects import Send, Verify
from edge.ids import Instant
from edge.limits import (
    FINALS_ALL_BURST,
    FINALS_ALL_PER_S,
    FINALS_REQUESTS_BURST,
    FINALS_REQUESTS_PER_S,
    TICKETS_MAX,
)
from edge.mesh.allowance import Allowance
from edge.mesh.gossip import Gossip
from edge.mesh.peers import Peers
from edge.node.desk import Desk
from edge.node.statehandover import StateHandover
from edge.wire.finals import (
    MARK_BYTES,
    FinalsReply,
    FinalsRequest,
    Unsealed,
    decode_finals_reply,
    decode_finals_request,
    encode_finals_reply,
    encode_finals_request,
)
from edge.wire.frame import Channel, FrontierFrame
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.speaker import claimed_speaker
from edge.wire.stateparts import REPLY_HEAD, REQUEST_HEAD

GRACE_MS = 500.0
"""Who hears votes mostly counts them a moment later than whoever says first that they decided."""
SPREAD_MS = 40.0
"""For each member: who keeps its own line only hears of a decision when all the others like it do."""
TIMEOUT_MS = 3_000.0
AGAIN_MS = 1_000.0
"""Until a peer that brought nothing is asked again, doubled each time."""
SILENT_MAX, EMPTY_MAX = 6, 9
"""So often doubled at most: of who does not answer, and of who answers with nothing that counts."""
BUSY_MS = 50.0
EARLY_MS = 8_000.0
"""Until anybody is asked again, where an answer came under a roster that is not here yet."""
ALL = (1, (0,))
"""Of one part that one: of all registers what is newer."""
EARLY = ("epoch-unknown", "scope-unknown")
OUTRUN = ("certificate-stale", "sealed-other")
"""What nobody need have done wrong: we may have learned it since we asked; or the other one knows a newer checkpoint,
whose certificate lies in a part that we did not ask for."""
COUNTED = ("asked", "answered", "taken", "unsealed", "wrong", "timeouts", "dropped", "bytes")
"""The bytes are of what we asked and got."""


@dataclass(slots=True)
class _Peer:
    """One that says it holds something newer."""

    due_ms: float
    """When it may be asked, monotonic."""
    said: bytes = b""
    """In its frontier."""
    hinted: tuple[int, tuple[int, ...]] = (1, ())
    """Of how many parts which, by what it asked of us."""
    asked_ms: float = float("-inf")
    failures: int = 0


class Handover:
    """Asks whoever is ahead, judges what comes, and answers who asks. `chance(n)` gives n random bytes, `jitter` is one
    number in [0, 1)."""

    def __init__(
        self,
        desk: Desk,
        index: int,
        admission: Admission,
        agreement: Agreement,
        peers: Peers,
        gossip: Gossip,
        chance: Callable[[int], bytes],
        jitter: float,
    ) -> None:
        self._desk = desk
        self._index = index
        self._admission = admission
        self._agreement = agreement
        self._peers = peers
        self._gossip = gossip
        self._chance = chance
        self._jitter = jitter
        self.refuse: Callable[[Refusal], None] = lambda refusal: None
        """Counts what is not let in."""
        self.states = StateHandover(desk, index, admission, agreement, peers, chance)
        self._standing = Standing(agreement.registers, agreement.checkpoints)
        self._changes = 0
        self._roster: Roster | None = None
        self._ahead: dict[int, _Peer] = {}
        self._open: tuple[int, int, float] | None = None
        """Whom we have asked, under which number, and until when its answer is waited for."""
        self._source: int | None = None
        """Whose certificates are being judged."""
        self._unsealed: Unsealed | None = None
        """What comes after them in the same answer."""
        self._queue: deque[bytes] = deque()
        self._left = 0
        """Signatures of the present one that are being verified."""
        self._is_true = True
        self._brought = 0
        """New finals in this answer."""
        self._busy_ms = 0.0
        self._allowance = Allowance(FINALS_REQUESTS_PER_S, FINALS_REQUESTS_BURST)
        self._allowance_of_all = Allowance(FINALS_ALL_PER_S, FINALS_ALL_BURST)
        self._counts = dict.fromkeys(COUNTED, 0)

    def said(self) -> bytes:
        """What our frontier says of our registers."""
        return self._standing.said()

    # ---- who is ahead

    def heard(self, frame: FrontierFrame, now: Instant) -> None:
        """A member's frontier, which was let in: a hint that may cause a request."""
        peer = self._ahead.get(frame.sender)
        if not self._standing.ahead(frame.finals):
            if peer is not None and not peer.hinted[1]:
                del self._ahead[frame.sender]
        elif peer is not None:
            peer.said = frame.finals
        else:
            self._ahead[frame.sender] = _Peer(now.mono_ms + self._grace_ms(), frame.finals)

    def _said_by(self, author: int) -> bytes:
        return self._ahead[author].said if author in self._ahead else b""

    def _grace_ms(self) -> float:
        if self._admission.keeps_all:
            return GRACE_MS
        return self._jitter * SPREAD_MS * len(self._admission.roster.members)

    def _wanted(self, peer: _Peer) -> tuple[int, tuple[int, ...]]:
        """Of how many parts which are to be asked for."""
        parts = self._standing.ahead(peer.said)
        return (len(peer.said) // MARK_BYTES, parts) if parts else peer.hinted

    def turn(self, now: Instant) -> None:
        """Ask whoever is due; called when there is a link."""
        changes = self._agreement.registers.changes
        if self._changes != changes:
            self._changes = changes
            self._gossip.finals_changed(now)
        for author in self._agreement.views.ahead(now.mono_ms):  # it names a checkpoint that we do not know
            if author != self._index and not self._standing.ahead(self._said_by(author)):
                self._ahead.setdefault(author, _Peer(now.mono_ms)).hinted = ALL
        roster = self._admission.roster
        if roster is not self._roster:
            self._roster, self._busy_ms = roster, now.mono_ms
            for peer in self._ahead.values():  # what could not be judged may be, with this one
                peer.failures, peer.due_ms = 0, min(peer.due_ms, now.mono_ms + GRACE_MS)
        if self._open is not None and now.mono_ms >= self._open[2]:
            self._counts["timeouts"] += 1
            self._ended(self._open[0], SILENT_MAX, now)
        if self._ahead and self._is_free and now.mono_ms >= self._busy_ms:
            self._ask(now)
        self.states.turn(now)

    @property
    def _is_free(self) -> bool:
        return self._open is None and self._source is None

    def _ask(self, now: Instant) -> None:
        """Of those that are due the one that was asked least lately."""
        if self._desk.open_tickets > TICKETS_MAX // 2:
            self._busy_ms = now.mono_ms + BUSY_MS
            return
        due = sorted((peer.asked_ms, index) for index, peer in self._ahead.items() if peer.due_ms <= now.mono_ms)
        for _, index in due:
            peer = self._ahead[index]
            parts, asked = self._wanted(peer)
            if not asked or not (peer.hinted[1] or self._peers.is_online(index, now)):
                del self._ahead[index]  # its next frontier tells
                continue
            peer.asked_ms, peer.hinted = now.mono_ms, (1, ())
            correlation = int.from_bytes(self._chance(6), "big")
            self._open = (index, correlation, now.mono_ms + TIMEOUT_MS)
            self._counts["asked"] += 1
            held = self._standing.held(parts, asked)
            frame = FinalsRequest(self._admission.roster.site, self._index, correlation, parts, asked, held)
            raw = encode_finals_request(frame)
            self._counts["bytes"] += len(raw)
            return self._desk.do(Send(index, Channel.REQUEST, raw))

    def deadline(self) -> float:
        """When `turn` is worth calling although nothing came, monotonic ms."""
        due_ms = min(self.states.deadline(), self._agreement.views.deadline())
        if self._open is not None:
            return min(due_ms, self._open[2])
        if self._source is not None or not self._ahead:
            return due_ms
        return min(due_ms, max(self._busy_ms, min(peer.due_ms for peer in self._ahead.values())))

    def _ended(self, index: int, failures_max: int, now: Instant) -> None:
        """It has brought nothing: it is asked ever more rarely, and others before it."""
        self._open = None
        peer = self._ahead.get(index)
        if peer is None:
            return
        if not self._wanted(peer)[1]:
            del self._ahead[index]
            return
        peer.due_ms = now.mono_ms + AGAIN_MS * 2**peer.failures
        if peer.failures < failures_max:
            peer.failures += 1

    # ---- what comes

    def receive(self, payload: bytes, now: Instant) -> Refusal | None:
        """An answer with certificates, or with what a checkpoint comes to."""
        if payload[:1] == REPLY_HEAD:
            return self.states.receive(payload, now)
        frame = decode_finals_reply(payload)
        if isinstance(frame, Refusal):
            return frame
        if frame.site != self._admission.roster.site:
            return Refusal("site-other", frame.site.hex())
        if self._open is None or self._open[:2] != (frame.sender, frame.correlation):
            return Refusal("reply-unasked", str(frame.sender))
        self._open, self._source, self._brought = None, frame.sender, 0
        self._counts["bytes"] += len(payload)
        self._queue.extend(frame.certificates)
        self._unsealed = frame.unsealed
        self._next(now)
        return None

    def _next(self, now: Instant) -> None:
        """Judge one after the other; the signatures of one are verified at once, and the next waits for them."""
        while self._queue:
            if self._check(self._queue.popleft(), now):
                return
        if self._unsealed is not None:
            self._unseal(self._unsealed, now)
        source, self._source = self._source, None
        assert source is not None
        peer = self._ahead.get(source)
        if self._brought and peer is not None:
            peer.failures, peer.due_ms = 0, now.mono_ms
        else:
            self._ended(source, EMPTY_MAX, now)

    def _unseal(self, unsealed: Unsealed, now: Instant) -> None:
        """Once the checkpoint is certified that it may be about."""
        self._unsealed = None
        finals = self._agreement.checkpoints.unseal(unsealed)
        if finals is None:
            return self._wrong(Refusal("sealed-other", unsealed.scope), now)
        taken = sum(map(self._agreement.learn, finals))
        self._brought += taken
        self._counts["unsealed"] += taken
        return None

    def _check(self, raw: bytes, now: Instant) -> bool:
        """Whether it is right but for its signatures, which are on their way to be verified."""
        certificate = decode_certificate(raw)
        signed = certificate if isinstance(certificate, Refusal) else self._signatures(certificate)
        if isinstance(certificate, Refusal) or isinstance(signed, Refusal):
            assert isinstance(signed, Refusal)
            self._wrong(signed, now)
            return False
        self._left, self._is_true = len(signed), True
        for one in signed:
            ticket = self._desk.ticket(partial(self._verified, certificate, one.author))
            self._desk.do(Verify(ticket, one.suite, one.public_key, one.message, one.signature))
        return True

    def _signatures(self, certificate: Certificate) -> list[Signed] | Refusal:
        """Those that make it true; why it is of no use if it is none, or none now."""
        registers = self._agreement.registers
        stale = registers.stale(certificate.question)
        if stale is not None and not registers.overrules(certificate.question, certificate.value):
            return stale
        roster = self._admission.roster
        return signatures(certificate, roster, by_epoch(seats_of(roster)))

    def _verified(self, certificate: Certificate, author: int, ok: bool, now: Instant) -> None:
        self._left -= 1
        if not ok and self._is_true:
            self._is_true = False
            self._wrong(Refusal("signature-bad", str(author)), now)
        if self._left:
            return
        if self._is_true:
            final = Final(certificate.question, certificate.value, certificate.ballot, certificate.raw)
            if self._agreement.decide(final):
                self._brought += 1
                self._counts["taken"] += 1
        self._next(now)

    def _wrong(self, refusal: Refusal, now: Instant) -> None:
        """What came in a member's name is not to be believed, or not needed any more."""
        self.refuse(refusal)
        if refusal.reason in OUTRUN:
            return
        if refusal.reason in EARLY:
            self._busy_ms = now.mono_ms + EARLY_MS
        self._counts["wrong"] += 1
        self._desk.report("warning", "certificate-wrong", sender=self._source, reason=refusal.reason)

    # ---- what we answer

    def serve(self, payload: bytes, now: Instant) -> Refusal | None:
        """Answer a request. What will not be answered is not read."""
        claimed = claimed_speaker(Channel.REQUEST, payload)
        if not (self._allowance.has(claimed, now.mono_ms) and self._allowance_of_all.has(None, now.mono_ms)):
            self._counts["dropped"] += 1
            return None
        if payload[:1] == REQUEST_HEAD:
            self._allowance.spend(claimed, now.mono_ms)
            self._allowance_of_all.spend(None, now.mono_ms)
            return self.states.serve(payload, now)
        frame = decode_finals_request(payload)
        if isinstance(frame, Refusal):
            return frame
        roster = self._admission.roster
        if frame.site != roster.site:
            return Refusal("site-other", frame.site.hex())
        if roster.member(frame.sender) is None or frame.sender == self._index:
            return Refusal("author-unknown", str(frame.sender))
        self._allowance.spend(frame.sender, now.mono_ms)
        self._allowance_of_all.spend(None, now.mono_ms)
        finals, unsealed = self._standing.answer(frame)
        self._counts["answered"] += len(finals) + (len(unsealed.rows) if unsealed is not None else 0)
        certificates = tuple(final.certificate for final in finals)
        reply = FinalsReply(roster.site, self._index, frame.correlation, certificates, unsealed)
        self._desk.do(Send(frame.sender, Channel.REPLY, encode_finals_reply(reply)))
        lacking = self._standing.lacking(frame)
        if lacking:  # it asked us first, having less in all
            peer = self._ahead.setdefault(frame.sender, _Peer(now.mono_ms))
            peer.hinted = (frame.parts, lacking)
        return None

    def counts(self) -> dict[str, int]:
        return {f"finals_{name}": count for name, count in self._counts.items()} | self.states.counts()
