"""Frontiers, requests and answers: the part of the node that mends what live traffic left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from edge.consensus.arrivals import Wanted
from edge.dag import frontier
from edge.dag.admission import Admission
from edge.dag.pending import Missing
from edge.dag.records import Record
from edge.effects import Announce, Fetch, Send
from edge.ids import Instant, VertexKey
from edge.limits import (
    BRANCHES_PER_AUTHOR_MAX,
    CHUNK_BYTES,
    FRONTIER_BYTES_MAX,
    FRONTIER_PART_BYTES,
    REPAIR_FLIGHT_BYTES,
    REPAIR_SERVE_MAX,
    SERVE_ALL_BURST,
    SERVE_ALL_PER_S,
    SERVE_LOADS_MAX,
    SERVE_REQUESTS_BURST,
    SERVE_REQUESTS_PER_S,
    SERVE_VERTICES_MAX,
    TICKETS_MAX,
)
from edge.mesh.allowance import Allowance
from edge.mesh.gossip import Gossip
from edge.mesh.peers import ONLINE_MS, Peers
from edge.mesh.repair import ANY_INCARNATION, Line, Repair
from edge.mesh.serving import LOAD_VERTICES, Serving, Stretch, size_of
from edge.node.deepening import Deepening
from edge.node.desk import Desk
from edge.node.forks import Forks
from edge.node.handover import Handover
from edge.node.keepers import Keepers
from edge.node.readback import Read, Readback
from edge.wire.finals import is_about_finals
from edge.wire.frame import (
    Channel,
    FrontierFrame,
    Range,
    ReplyFrame,
    RequestFrame,
    VertexFrame,
    Want,
    decode_frontier,
    decode_request,
    decode_vertex,
    encode_frontier,
    encode_reply,
    encode_request,
)
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.speaker import claimed_speaker

LOST_ASK_MS = 1_000.0
"""Whether others have what our disk has lost is looked at this often."""
ASK_MS = 50.0
"""Gaps are gone through this often at most, however fast frames come in."""
NAMED_MS = 1_000.0
"""What vertices that wait name above the cut of somebody's eviction is looked at this often."""
SIGNED_WITHIN = 1024
"""A vertex came in a range of one frame: no more than so many lie between it and the signature that covers it."""


class Exchange:
    """Says what we hold, asks for what we lack, answers who asks."""

    def __init__(
        self,
        desk: Desk,
        index: int,
        admission: Admission,
        readback: Readback,
        forks: Forks,
        peers: Peers,
        gossip: Gossip,
        came: Callable[[int], None],
    ) -> None:
        """`came(member)`: one who keeps its own line only is there again, and may have missed acknowledgements."""
        self._desk, self._index = desk, index
        self._graph, self._pending, self._quarantined = admission.graph, admission.pending, admission.quarantined
        self._readback, self._forks = readback, forks
        self._peers, self._gossip = peers, gossip
        self._horizon = frontier.Horizon(self._graph, index, forks.proofs)
        self._came = came
        self._admission, self._is_gateway = admission, admission.is_gateway
        self._keepers = Keepers(admission)
        self.repair = Repair(self._held_after, self._keepers.rank)
        self._ask_ms = self._ask_lost_ms = self._named_ms = 0.0
        self.unsigned: Callable[[], list[VertexKey]] = list
        """Vertices that are held, and needed with a signature nearer above them than the one that came with them."""
        self._unsigned: dict[VertexKey, None] = {}
        self.beside: Callable[[], list[Wanted]] = list
        """Vertices of forked members that others stand on, and that lie beside the lines we hold."""
        self._beside: list[Wanted] = []
        self._floors: list[VertexKey] = []
        self.handover: Handover  # both are set before anything is said or heard
        self.deeper: Deepening
        self._servings: dict[tuple[int, int], Serving] = {}
        self._loading = self._lost_round = self.ranges_served = self.serve_refused = 0
        self._turns: deque[tuple[int, int]] = deque()
        """Servings whose next stretch is to be read, in turn."""
        self._allowance = Allowance(SERVE_REQUESTS_PER_S, SERVE_REQUESTS_BURST)
        self._allowance_of_all = Allowance(SERVE_ALL_PER_S, SERVE_ALL_BURST)

    def announce(self, roster: Roster, now: Instant) -> None:
        """Say our frontier if it is due."""
        if self._gossip.frontier_due() > now.mono_ms:
            return
        is_whole, finals = self._gossip.is_whole_due(now), self.handover.said()
        if self._admission.keeps_all:
            room = FRONTIER_BYTES_MAX if is_whole else min(FRONTIER_PART_BYTES, FRONTIER_BYTES_MAX)
            entries = self._horizon.page(room - len(finals))
        else:
            entries = self._horizon.own()
        frame = FrontierFrame(roster.site, roster.version, self._index, entries, not self._admission.keeps_all, finals)
        self._desk.do(Announce(Channel.FRONTIER, encode_frontier(frame)))
        self._gossip.said(now, is_whole=is_whole)

    def heard(self, payload: bytes, roster: Roster, now: Instant) -> Refusal | FrontierFrame:
        """A peer's frontier: a hint that may cause a request, never a change of state."""
        if isinstance(frame := decode_frontier(payload), Refusal):
            return frame
        if frame.site != roster.site:
            return Refusal("site-other", frame.site.hex())
        if roster.member(frame.sender) is None or frame.sender == self._index:
            return Refusal("author-unknown", str(frame.sender))
        if not self._peers.is_online(frame.sender, now):
            if frame.keeps_own:
                self._came(frame.sender)
            elif self._admission.keeps_all:
                self._gossip.met(now)
        if not frame.keeps_own:
            self._gossip.company(now.mono_ms + ONLINE_MS)
        peer = self._peers.heard(frame.sender, now)
        members = roster.by_index
        said = frame.entries if self._admission.keeps_all else frontier.of_author(frame.entries, self._index)
        known = [entry for entry in self._horizon.unknown(said) if entry.author in members]
        known = [entry for entry in known if entry.author not in self._quarantined]
        gaps = frontier.lacking(self._graph, known)
        peer.lines, peer.behind = len(frame.entries), len(gaps)
        for gap in frontier.within_cuts(gaps, self._admission.evicted):
            other = () if gap.tag is None else (gap.through_seq, gap.tag)
            self.repair.claims(frame.sender, Line(gap.author, gap.incarnation, *other), gap.through_seq, now)
        self.handover.heard(frame, now)
        return frame

    def wants(self, author: int) -> bool:
        """Whether more of a forked author is of use: others stand on what we do not hold, or its proof lacks that."""
        return any(key.author == author for key in (*(one.key for one in self._beside), *self._forks.unsigned()))

    def ask(self, roster: Roster, now: Instant) -> None:
        """Send the requests that are due, those for missing parents among them; looked at every ASK_MS at most."""
        self.handover.turn(now)
        if now.mono_ms < self._ask_ms and not self.repair.has_finished:
            return
        if now.mono_ms >= self._named_ms:
            self._named_ms = now.mono_ms + NAMED_MS
            for author, cut in self._admission.evicted.items():
                cut.named = self._pending.named(author)
        self._unsigned = dict.fromkeys((*self.unsigned(), *self._forks.unsigned()))
        self._beside = self.beside()
        self._floors = self.deeper.wanted(now)
        is_lacking = len(self._pending) or self._graph.lost or self._unsigned or self._beside or self._floors
        if self.repair.is_idle and not is_lacking:
            return
        self._ask_ms = now.mono_ms + ASK_MS
        if self._desk.open_tickets > TICKETS_MAX // 2:
            return  # the disk and the verifier are behind: what came now would be dropped, and asked for again
        online = self._peers.online(now) if len(self._pending) or self._beside else []
        online = [*online[:2], *self._keepers.among(online[2:], now)]
        lacking: dict[Line, list[int]] = {}
        for missing, line in ((one, line) for one in self._pending.missing() for line in self._lines_with(one)):
            lacking.setdefault(line, []).append(missing.seq)
        for line, seqs in lacking.items():
            # Of a line of several the lowest: where it begins is not known, and what is above waits here already.
            is_any = line.incarnation == ANY_INCARNATION  # each in turn: perhaps nobody has the one
            seq = seqs[-1 - self.repair.tries(line) % len(seqs)] if is_any else min(seqs)
            for peer in (line.author, *online):
                if peer != self._index:
                    self.repair.claims(peer, line, seq, now)
        for key, source in self._beside:
            for peer in online if source in self._quarantined else (source,):
                if peer != self._index:
                    self.repair.claims(peer, Line(key.author, key.incarnation), key.seq, now)
        if (self._graph.lost or self._unsigned or self._floors) and now.mono_ms >= self._ask_lost_ms:
            self._claim_lost(now)
        for request in self.repair.requests_due(now):
            frame = RequestFrame(roster.site, self._index, request.correlation, request.budget_bytes, request.wants)
            self._desk.do(Send(request.to, Channel.REQUEST, encode_request(frame)))

    def _lines_with(self, missing: Missing) -> list[Line]:
        """Peers look for it on the newest few lines of its author; where there are more it is asked for by line. Not by
        one that is higher here: perhaps nobody has it, and what follows is asked for by the same name. Not of our own,
        which others claim as far as they hold them, nor of who was evicted: that comes in long stretches."""
        author, newest = missing.author, Line(missing.author, ANY_INCARNATION)
        lines = [Line(author, incarnation) for incarnation in self._pending.lines_of(missing)]
        named = [line for line in lines if self._held_after(line, missing.seq) is not None]
        if self._graph.has_several(author):
            return named
        is_open = author not in (self._index, *self._admission.evicted) and self.repair.is_in_vain(newest)
        return [newest, *(named if is_open else ())]

    def _claim_lost(self, now: Instant) -> None:
        """Who holds what our disk has lost, or came without a signature that we need, is not known: its author may,
        gateways should, and the others in turn."""
        self._ask_lost_ms = now.mono_ms + LOST_ASK_MS
        online = self._peers.online(now)
        for key in (*self._graph.lost, *self._unsigned, *self._floors):
            id = self._graph.id_at(key)
            if id is None or key._replace(seq=key.seq + 1) in self._graph.lost:
                continue  # the last of a stretch stands for all of it
            turn = sorted(online)[self._lost_round % max(1, len(online)) :][:1]
            gateways = [peer for peer in online if self._is_gateway(peer)][:1]
            for peer in dict.fromkeys((*turn, key.author, *gateways)):
                if peer in online and peer != self._index:
                    line = Line(key.author, key.incarnation, key.seq, frontier.tag_of(id))
                    self.repair.claims(peer, line, key.seq, now)
        self._lost_round += 1

    def deadline(self) -> float:
        due = self.repair.deadline()
        ask = float("inf") if due is None else max(due, self._ask_ms)
        if len(self._pending) or self._unsigned or self._beside:
            ask = min(ask, self._ask_ms + ASK_MS)
        return min(self._gossip.frontier_due(), ask, self.handover.deadline())

    def reply(self, payload: bytes, ranges: Callable[[bytes, Instant], Refusal | None], now: Instant) -> Refusal | None:
        """An answer to us: certificates, or ranges that somebody else sees to."""
        return (self.handover.receive if is_about_finals(payload) else ranges)(payload, now)

    def serve(self, payload: bytes, roster: Roster, now: Instant) -> Refusal | None:
        """Begin to answer a request. What will not be answered is not read: requests are dear to take apart."""
        if is_about_finals(payload):
            return self.handover.serve(payload, now)
        claimed = claimed_speaker(Channel.REQUEST, payload)
        if (
            len(self._servings) >= REPAIR_SERVE_MAX
            or any(sender == claimed for sender, _ in self._servings)
            or not self._allowance.has(claimed, now.mono_ms)
            or not self._allowance_of_all.has(None, now.mono_ms)
        ):
            self.serve_refused += 1
            return None
        frame = decode_request(payload)
        if isinstance(frame, Refusal):
            return frame
        if frame.site != roster.site:
            return Refusal("site-other", frame.site.hex())
        if roster.member(frame.sender) is None:
            return Refusal("author-unknown", str(frame.sender))
        name = (frame.sender, frame.correlation)
        self._allowance.spend(frame.sender, now.mono_ms)
        self._allowance_of_all.spend(None, now.mono_ms)
        lines: list[Stretch] = []
        room = SERVE_VERTICES_MAX
        proofs: list[Range] = []
        for want in dict.fromkeys(frame.wants):
            both = self._forks.ranges(want)
            if sum(map(size_of, (*proofs, *both))) <= CHUNK_BYTES:
                proofs += both
            lines += self._lines(want, room)
            room = SERVE_VERTICES_MAX - sum(len(line.keys) for line in lines)
        budget_bytes = min(frame.budget_bytes, REPAIR_FLIGHT_BYTES)
        self._servings[name] = Serving(frame.sender, frame.correlation, budget_bytes, lines, proofs)
        self._next_load(name, roster)
        return None

    def _next_load(self, name: tuple[int, int], roster: Roster) -> None:
        """Read on for whoever's turn it is. What is read comes back as results, which go before all else in the loop:
        only so many at once, or those who ask much would hold up whoever speaks."""
        self._turns.append(name)
        while self._turns and self._loading < SERVE_LOADS_MAX:
            self._load(self._turns.popleft(), roster)

    def _held_after(self, line: Line, through_seq: int) -> int | None:
        """The seq above which we lack this line, None if nothing is lacking, or will not be taken any more."""
        author, incarnation, seq, tag = line
        if (key := VertexKey(author, incarnation, seq)) in self._graph.lost:
            return self._graph.lost_after(key)
        if key in self._unsigned:
            return seq - 1
        if key in self._floors:
            return self.deeper.after_seq(key)
        if author in self._quarantined:
            # Only what somebody stands on is still taken, and below that it may fork off anywhere.
            is_wanted = not seq and any(one.key == (author, incarnation, through_seq) for one in self._beside)
            return min(self._graph.highest_seq(author), through_seq - 1) if is_wanted else None
        if seq:
            held = self._graph.id_at(key)
            return seq - 1 if held is not None and frontier.tag_of(held) != tag else None
        if incarnation == ANY_INCARNATION:
            if not self._pending.waits_for(author, through_seq):
                return None
            return min(self._graph.highest_seq(author), through_seq - 1)
        cut = self._admission.evicted.get(author)
        if cut is not None and not (
            cut.wants(incarnation, through_seq) or self._pending.waits_for(author, through_seq)
        ):
            return None
        branch = self._graph.branch(author, incarnation)
        if branch is None:
            return min(self._graph.highest_seq(author), through_seq - 1)
        if through_seq < branch.first_seq:
            return through_seq - 1  # a life that began above it cannot have it: it proves another one
        head_seq, names = branch.head_seq, self._pending.names
        if names(VertexKey(author, incarnation, through_seq)) and names(VertexKey(author, incarnation, head_seq + 1)):
            return None  # it goes on from our head, and waits for others: these are asked for by themselves
        return head_seq if head_seq < through_seq else None

    def _lines(self, want: Want, room: int) -> list[Stretch]:
        """The chains to serve for a want, each oldest first; where lines share a stem it is served once.

        At most `room` keys: whoever lacks more asks again.
        """
        tips = sorted((tip.key for tip in self._graph.tips(want.author)), reverse=True)
        if want.incarnation != ANY_INCARNATION:
            branch = self._graph.branch(want.author, want.incarnation)
            tips = [branch.head] if branch else []
        served: dict[VertexKey, None] = {}
        lines: list[Stretch] = []
        for tip in tips[:BRANCHES_PER_AUTHOR_MAX]:
            path = self._path(tip, want, room)
            lines.append(Stretch([key for key in path if key not in served][: room - len(served)], want.through_seq))
            served |= dict.fromkeys(lines[-1].keys)
        return lines

    def _path(self, tip: VertexKey, want: Want, room: int) -> list[VertexKey]:
        """The keys of a line above `after_seq`, up to the first that is signed at or above `through_seq`."""
        # A gateway has what it dropped from its log in its store; a device answers from what it still holds.
        dropped = self._is_gateway(self._index)
        if not want.through_seq:
            return self._graph.path(tip, want.after_seq, room, dropped=dropped)
        keys: list[VertexKey] = []
        for beyond in (LOAD_VERTICES, SIGNED_WITHIN):
            count = min(room, want.through_seq - want.after_seq + beyond)
            keys = self._graph.path(tip, want.after_seq, count, dropped=dropped)
            first = max(0, want.through_seq - keys[0].seq) if keys else 0
            for index in range(first, len(keys)):
                if self._graph.place(keys[index])[1]:
                    return keys[: index + 1]
        return keys

    def _load(self, name: tuple[int, int], roster: Roster) -> None:
        serving = self._servings[name]
        if not (keys := serving.next_keys()):
            return self._finish(name, roster)
        self._loading += 1
        is_elsewhere = any(self._graph.is_dropped(key) or key in self._graph.lost for key in keys)
        if is_elsewhere and self._is_gateway(self._index):
            ticket = self._desk.ticket(partial(self._fetched, name, roster))
            return self._desk.do(Fetch(ticket, tuple(keys)))
        return self._readback.load(self._readback.spots(keys), partial(self._loaded, name, roster, len(keys)))

    def _fetched(self, name: tuple[int, int], roster: Roster, records: tuple[Record | None, ...], now: Instant) -> None:
        frames = [decode_vertex(record.payload) if record is not None else None for record in records]
        found = [Read(frame, frame.signature) if isinstance(frame, VertexFrame) else None for frame in frames]
        self._loaded(name, roster, len(records), found, now)

    def _loaded(
        self, name: tuple[int, int], roster: Roster, asked: int, found: list[Read | None], now: Instant
    ) -> None:
        self._loading -= 1
        serving = self._servings[name]
        vertices: list[tuple[VertexFrame, bytes | None]] = []
        for read in found:
            if read is None:
                break
            vertices.append(read)
        for ranges in serving.loaded(vertices, complete=len(vertices) == asked):
            self._answer(serving, ranges, False, roster)
        self._next_load(name, roster)

    def _finish(self, name: tuple[int, int], roster: Roster) -> None:
        serving = self._servings.pop(name)
        self._answer(serving, serving.rest(), True, roster)

    def _answer(self, serving: Serving, ranges: tuple, is_last: bool, roster: Roster) -> None:  # type: ignore[type-arg]
        self.ranges_served += len(ranges)
        frame = ReplyFrame(roster.site, self._index, serving.correlation, is_last, ranges)
        self._desk.do(Send(serving.to, Channel.REPLY, encode_reply(frame)))

    def counts(self) -> dict[str, int]:
        return {
            "requests_sent": self.repair.requests,
            "requests_timed_out": self.repair.timeouts,
            "gaps": self.repair.gaps,
            "gaps_refused": self.repair.gaps_refused,
            "ranges_served": self.ranges_served,
            "serve_refused": self.serve_refused,
            "pending_evicted": self._pending.evicted,
            **self.handover.counts(),
        }
