"""Members that lie about anything but votes: vertices, bodies, clocks, frontiers, answers; one class each, by the name
that `--behaviour` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.ids import Parent
from edge.limits import FRAME_BYTES_MAX, LIVE_VERTICES_BURST, SERVE_REQUESTS_BURST, UNFIT_VERTICES_BURST
from edge.sim.liars import Liar, Line
from edge.sim.signing import SUITE
from edge.wire.cbor import decode, encode
from edge.wire.event import Event
from edge.wire.finals import (
    FinalsReply,
    FinalsRequest,
    SealedLeaf,
    Unsealed,
    decode_finals_request,
    encode_finals_reply,
    is_about_finals,
)
from edge.wire.frame import (
    Channel,
    FrontierEntry,
    FrontierFrame,
    Range,
    ReplyFrame,
    RequestFrame,
    Want,
    decode_request,
    encode_frontier,
    encode_reply,
    encode_request,
    encode_vertex,
)
from edge.wire.merkle import leaf_hash, root
from edge.wire.vertex import BodyRef, Header, encode_body, encode_header
from edge.wire.voters import SITE_SCOPE

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster
    from edge.sim.machine import Machine

TEN_YEARS_MS = 10 * 365 * 86_400_000
TINY, TINY_EVERY_MS = LIVE_VERTICES_BURST * 3 // 2, 0.5
"""Vertices at once, and how often one comes: half a second is not enough to let all of them be checked."""
SWARMS_MAX = 3
"""In a world: each is hundreds of frames to each member."""


class Abuser(Liar):
    """Speaks now and then, of its own accord, mostly on one line; once all can hear it."""

    def __init__(self, world: Cluster, machine: Machine) -> None:
        super().__init__(world, machine)
        self.line = Line(1)

    def act(self) -> None:
        if all(machine.is_ready for machine in self.honest):
            self.abuse()

    def abuse(self) -> None:
        """Once."""

    def tell(self, raw: bytes, victims: list[Machine]) -> None:
        """These bytes for a header, signed, and nothing of what is below."""
        for victim in victims:
            self.hand(victim, Channel.VOTE, encode_vertex(raw, self.sign(raw), None))

    def body(self) -> tuple[bytes, BodyRef]:
        """Of one event."""
        return encode_body((Event("probe", "value", int(1.76e12 + self.world.now), (1.0,)),), self.rng.randbytes(16))


class Bodiless(Abuser):
    """Names a body in its header, and shows it to nobody."""

    def abuse(self) -> None:
        self.show(self.write(self.line, body=self.body()[1]), self.some())


class Grafter(Abuser):
    """Gives the last of three leaves twice, or the two nodes below a root for the only leaf of a tree."""

    def abuse(self) -> None:
        made = int(1.76e12 + self.world.now)
        events = [Event("probe", "value", made, (float(number),)) for number in range(3)]
        leaves = decode(encode_body(events, self.rng.randbytes(48))[0], depth_max=1)
        given = [*leaves, leaves[-1]]
        if self.rng.random() < 0.5:
            leaves = leaves[:2]
            given = [b"".join(map(leaf_hash, leaves))]
        raw = encode(given)
        header = self.write(self.line, body=BodyRef(root(leaves), len(raw), len(given), 0))
        self.give(header, raw)
        self.show(header, self.some())


class Orphans(Abuser):
    """Shows what it says above a vertex that it shows to nobody, or above vertices of others that nobody made."""

    def abuse(self) -> None:
        said = self.world.liars.headers[-8:]
        if said and self.rng.random() < 0.5:
            below = self.rng.choice(said)
            false = below.key._replace(seq=below.seq + self.rng.randrange(9))
            parents = [Parent(*false, self.rng.randbytes(32))]
            self.show(self.write(Line(len(self.own) + 2), parents=parents), self.honest)
        else:
            self.write(self.line)
            self.tell(self.write(self.line).raw, self.honest)


class Elsewhere(Abuser):
    """Signs vertices of another site with the same key, as if what was said there were said here."""

    def abuse(self) -> None:
        self.show(self.write(self.line, site=b"elsewher"), self.some())


class Sloppy(Abuser):
    """Writes canonical headers in a longer form, and signs that: another id for the same vertex."""

    def abuse(self) -> None:
        raw = self.write(self.line).raw
        longer = bytes([0x98, raw[0] & 0x1F]) + raw[1:]  # the length of the array in a byte of its own
        self.tell(longer, self.some())


class Ahead(Abuser):
    """Has a clock that is ten years ahead."""

    def abuse(self) -> None:
        ahead = int(1.76e12 + self.world.now + TEN_YEARS_MS) << 16
        self.show(self.write(self.line, hlc=ahead), self.honest)


class Swarm(Abuser):
    """Says more tiny vertices in half a second than anybody may."""

    def __init__(self, world: Cluster, machine: Machine) -> None:
        super().__init__(world, machine)
        self._left = SWARMS_MAX

    def abuse(self) -> None:
        if self._left and self.rng.random() < 0.3:
            self._left -= 1
            victims = self.some()
            for number in range(TINY):
                self.world.time.after(number * TINY_EVERY_MS, self.show, self.write(self.line), victims)


class Junk(Abuser):
    """Sends what goes on from the lines of others, as large as may be, with signatures that are none."""

    def abuse(self) -> None:
        said = self.world.liars.headers
        for _ in range(UNFIT_VERTICES_BURST // 4 if said else 0):
            on = self.rng.choice(said[-8:])
            raw, ref = self.body()
            header = encode_header(
                suite=SUITE, site=self.site, epoch=1, author=on.author, incarnation=on.incarnation,
                seq=on.seq + 1, prev=on.id, parents=[], hlc=on.hlc + self.rng.randrange(1, 1 << 20), body=ref,
                items=(),
            )  # fmt: skip
            junk = self.rng.randbytes(len(self.sign(header.raw)))
            self.hand(self.rng.choice(self.honest), Channel.VOTE, encode_vertex(header.raw, junk, raw))
            self.world.checkers.note("lies")


class Greedy(Abuser):
    """Asks everyone for everything, again and again."""

    def abuse(self) -> None:
        wants = tuple(Want(machine.index, 0, 0, 0) for machine in self.world.machines)
        for victim in self.some():
            for _ in range(SERVE_REQUESTS_BURST // 4):
                frame = RequestFrame(self.site, self.machine.index, self.rng.randrange(1 << 48), 1 << 20, wants)
                self.hand(victim, Channel.REQUEST, encode_request(frame))
                self.world.checkers.note("lies")


class Boaster(Abuser):
    """Says that it holds more of everybody than there is, and answers nobody."""

    finals = b""

    def abuse(self) -> None:
        roster, _ = self.world.rosters[-1]
        heads = [machine.branches_of_its_own()[-1:] for machine in self.honest]
        entries = [
            FrontierEntry(one.author, one.incarnation, one.head_seq + self.rng.randrange(1, 9), self.rng.randrange(99))
            for branches in heads
            for one in branches
        ]
        frame = FrontierFrame(self.site, roster.version, self.machine.index, tuple(sorted(entries)), finals=self.finals)
        for victim in self.honest:
            self.hand(victim, Channel.FRONTIER, encode_frontier(frame))
        self.world.checkers.note("lies")


class Framer(Boaster):
    """The same, and answers with second vertices of others that it has signed itself: proofs that they forked."""

    def requested(self, payload: bytes) -> None:
        frame = decode_request(payload) if not is_about_finals(payload) else None
        if not isinstance(frame, RequestFrame):
            return
        held = {header.author: header for header in self.world.liars.headers}
        ranges, room = [], FRAME_BYTES_MAX // 2
        for want in frame.wants:
            true = held.get(want.author)
            if true is not None:
                said: dict[str, Any] = dict(zip(Header._fields, true[: Header._fields.index("raw")], strict=False))
                false = encode_header(**said | {"hlc": true.hlc + 1})
                signature = self.sign(false.raw)
                room -= len(false.raw) + len(signature)
                if room < 0:
                    break
                ranges.append(Range((false.raw,), (None,), signature))
        reply = ReplyFrame(self.site, self.machine.index, frame.correlation, True, tuple(ranges))
        self.hand(self.world.machines[frame.sender], Channel.REPLY, encode_reply(reply))


class Poisoner(Boaster):
    """Says that it knows more that is final than anybody, and answers with false certificates, or with what a
    checkpoint never sealed."""

    finals = (1 << 40).to_bytes(8, "big") + bytes(8)

    def requested(self, payload: bytes) -> None:
        frame = decode_finals_request(payload) if is_about_finals(payload) else None
        if not isinstance(frame, FinalsRequest):
            return
        certificates: list[bytes] = []
        unsealed = None
        for final in self.machine.node.voting.agreement.registers:
            if final.certificate:
                fields = decode(final.certificate, depth_max=4)
                scope, epoch, key, version, predecessor = fields[2]
                fields[2] = [scope, epoch, key, version + 1, predecessor or bytes(32)]
                certificates.append(encode(fields))
        if self.rng.random() < 0.5:
            unsealed = Unsealed(SITE_SCOPE, (), (SealedLeaf(self.rng.randbytes(8), 9, self.rng.randbytes(32)),))
        reply = FinalsReply(self.site, self.machine.index, frame.correlation, tuple(certificates[:4]), unsealed)
        self.hand(self.world.machines[frame.sender], Channel.REPLY, encode_finals_reply(reply))


class Thief(Abuser):
    """Forks, and once it is evicted goes on where its key says that nobody had seen it yet: before all that."""

    def __init__(self, world: Cluster, machine: Machine) -> None:
        super().__init__(world, machine)
        self._other = Line(1)

    def abuse(self) -> None:
        past = 1.7e12 + self.world.now
        self.show(self.write(self.line, hlc=int(past) << 16), self.honest)
        self.show(self.write(self._other, hlc=int(past + 1) << 16), self.honest)


ABUSES: dict[str, type[Liar]] = {
    "bodiless": Bodiless, "graft": Grafter, "orphan": Orphans, "elsewhere": Elsewhere, "sloppy": Sloppy,
    "ahead": Ahead, "swarm": Swarm, "junk": Junk, "greedy": Greedy, "boast": Boaster, "frame": Framer,
    "poison": Poisoner, "thief": Thief,
}  # fmt: skip
