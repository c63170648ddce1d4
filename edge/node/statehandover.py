"""Shared state at the cut of a checkpoint, from peers: for who cannot go on from what it has (docs/decisions/0044).

Nothing is believed but the root in a checkpoint that is final here. One peer at a time is asked for the whole, part by
part; what is not under the root is thrown away, and another one is asked.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.consensus.agreement import Agreement
from edge.dag.admission import Admission
from edge.effects import Send
from edge.ids import Instant
from edge.limits import STATE_PART_BYTES_MAX
from edge.mesh.peers import Peers
from edge.node.desk import Desk
from edge.node.sealedstate import Cut, SealedState
from edge.wire.frame import Channel
from edge.wire.refusal import Refusal
from edge.wire.stateparts import (
    StateReply,
    StateRequest,
    decode_state_reply,
    decode_state_request,
    encode_state_reply,
    encode_state_request,
)
from edge.wire.voters import SITE_SCOPE

LOST_MS = 2_000.0
"""Who cannot go on asks after this; another checkpoint may be on its way."""
WAITING_MS = 30_000.0
"""Who lacks vertices waits so long for them first."""
TIMEOUT_MS = 3_000.0
AGAIN_MS = 5_000.0
"""Between one attempt that brought nothing and the next, doubled each time at most so often:"""
FAILURES_MAX = 6
TRIES_MAX = 8
"""Parts that are asked for once more of the same peer."""
KEPT_MS = 60_000.0
"""What was put together for others is forgotten when nobody has asked for so long."""


class StateHandover:
    """Asks where we have lost the thread, and answers. `refuse` counts what is not let in."""

    def __init__(
        self, desk: Desk, index: int, admission: Admission, agreement: Agreement, peers: Peers,
        chance: Callable[[int], bytes],
    ) -> None:  # fmt: skip
        self._desk = desk
        self._index = index
        self._admission = admission
        self._agreement = agreement
        self._peers = peers
        self._chance = chance
        self._since_ms = float("inf")
        """Since when we are behind."""
        self._due_ms = float("-inf")
        self._failures = self._turns = 0
        self._cut: Cut | None = None
        """What is being fetched."""
        self._open: tuple[int, int, float] | None = None
        """From whom, under which number, and until when its answer is waited for."""
        self._got = bytearray()
        self._tries = 0
        self._given: tuple[int, bytes] = (0, b"")
        self._given_ms = float("-inf")
        self.wrong = self.parts = 0

    @property
    def _kept(self) -> SealedState | None:
        kept = self._agreement.checkpoints.state
        return kept if isinstance(kept, SealedState) else None

    # ---- what we ask

    def turn(self, now: Instant) -> None:
        """Called when there is a link."""
        if self._given[1] and now.mono_ms >= self._given_ms + KEPT_MS:
            self._given = (0, b"")
        kept = self._kept
        if kept is None or not kept.is_kept or kept.is_current or not kept.newest.version:
            self._since_ms, self._failures = float("inf"), 0
            return self._end()
        if self._since_ms == float("inf"):
            self._since_ms = now.mono_ms
            self._due_ms = now.mono_ms + (LOST_MS if kept.is_lost else WAITING_MS)
        if self._cut is not None and self._cut != kept.newest:
            self._end()  # a newer one is final
        if self._open is not None and now.mono_ms >= self._open[2]:
            self._late(now)
        if self._open is None and now.mono_ms >= self._due_ms:
            self._begin(kept.newest, now)
        return None

    def _begin(self, cut: Cut, now: Instant) -> None:
        seats = self._agreement.epochs.current(SITE_SCOPE)
        members = seats.members if seats is not None else ()
        online = [index for index in sorted(self._peers.online(now)) if index != self._index]
        among = [index for index in online if index in members] or online
        self._due_ms = now.mono_ms + AGAIN_MS
        if among:
            self._turns += 1
            self._cut, self._got, self._tries = cut, bytearray(), 0
            self._ask(among[(self._turns + self._index) % len(among)], now)

    def _ask(self, peer: int, now: Instant) -> None:
        assert self._cut is not None
        correlation = int.from_bytes(self._chance(6), "big")
        self._open = (peer, correlation, now.mono_ms + TIMEOUT_MS)
        site = self._admission.roster.site
        frame = StateRequest(site, self._index, correlation, self._cut.version, len(self._got))
        self._desk.do(Send(peer, Channel.REQUEST, encode_state_request(frame)))

    def _late(self, now: Instant) -> None:
        """No answer: it may have answered too many just now. What is there is kept, some times."""
        assert self._open is not None
        if not self._got or self._tries >= TRIES_MAX:
            return self._failed(now)
        self._tries += 1
        return self._ask(self._open[0], now)

    def _end(self) -> None:
        self._cut, self._open, self._got = None, None, bytearray()

    def _failed(self, now: Instant) -> None:
        self._end()
        self._due_ms = now.mono_ms + AGAIN_MS * 2**self._failures
        self._failures = min(self._failures + 1, FAILURES_MAX)

    def deadline(self) -> float:
        """When `turn` is worth calling although nothing came, monotonic ms."""
        if self._open is not None:
            return self._open[2]
        return self._due_ms if self._since_ms != float("inf") else float("inf")

    # ---- what comes

    def receive(self, payload: bytes, now: Instant) -> Refusal | None:
        """A part of it."""
        frame = decode_state_reply(payload)
        if isinstance(frame, Refusal):
            return frame
        if frame.site != self._admission.roster.site:
            return Refusal("site-other", frame.site.hex())
        cut, kept = self._cut, self._kept
        if self._open is None or cut is None or kept is None or self._open[:2] != (frame.sender, frame.correlation):
            return Refusal("reply-unasked", str(frame.sender))
        if frame.version != cut.version or frame.offset != len(self._got) or not frame.data:
            self._failed(now)
            return None  # it does not have it
        self._got += frame.data
        self.parts += 1
        if len(self._got) < frame.size and frame.root == cut.root:
            self._ask(frame.sender, now)
            return None
        data = bytes(self._got)
        self._end()
        if frame.root == cut.root and kept.take(cut, data):
            return None
        self.wrong += 1
        self._failed(now)
        return Refusal("state-other", str(frame.sender))

    # ---- what we answer

    def serve(self, payload: bytes, now: Instant) -> Refusal | None:
        """Answer a request that there is time for."""
        frame = decode_state_request(payload)
        if isinstance(frame, Refusal):
            return frame
        roster, kept = self._admission.roster, self._kept
        if frame.site != roster.site:
            return Refusal("site-other", frame.site.hex())
        if roster.member(frame.sender) is None or frame.sender == self._index:
            return Refusal("author-unknown", str(frame.sender))
        whole, root = self._whole(kept, frame.version, now), kept.sealed.root if kept is not None else bytes(32)
        data = whole[frame.offset : frame.offset + STATE_PART_BYTES_MAX]
        size, offset = (len(whole), frame.offset) if data else (0, 0)
        reply = StateReply(roster.site, self._index, frame.correlation, frame.version, root, size, offset, data)
        self._desk.do(Send(frame.sender, Channel.REPLY, encode_state_reply(reply)))
        return None

    def _whole(self, kept: SealedState | None, version: int, now: Instant) -> bytes:
        """Put together once for all who ask; empty where we are at another cut."""
        if kept is None or not kept.is_current or kept.version != version:
            return b""
        self._given_ms = now.mono_ms
        if self._given[0] != version:
            self._given = (version, kept.sealed.dump())
        return self._given[1]

    def counts(self) -> dict[str, int]:
        return {"state_parts_got": self.parts, "state_parts_wrong": self.wrong}
