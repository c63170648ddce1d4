"""A site in memory: real nodes, real signatures, a network and disks that a test rules. No clock, no thread."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

from edge.dag.eliding import Choice, Elided, without
from edge.dag.floor import Floor, decode_floor
from edge.dag.frontier import frontier
from edge.dag.records import VERTEX, Record, place_of, segment_of
from edge.effects import (
    Announce,
    Archive,
    Broadcast,
    Decided,
    DropBlob,
    Effect,
    Elide,
    Fetch,
    FinalsSealed,
    Infer,
    Load,
    NoteVotes,
    OpenBlob,
    Persist,
    ReadBlob,
    Recorded,
    Report,
    SealBlob,
    Send,
    Sign,
    StoreBlob,
    Trim,
    Verify,
)
from edge.ids import Instant
from edge.limits import ELIDED_PER_SEGMENT_MAX
from edge.node import Node, NodeOptions
from edge.sense.senses import Senses
from edge.shell.blobs import BlobStore
from edge.wire import suite
from edge.wire.event import Event
from edge.wire.frame import Channel, FrontierEntry, decode_vertex, encode_vertex
from edge.wire.roster import Member, Roster, sign_roster, site_id
from edge.wire.vertex import decode_header
from edge.wire.voters import SITE_SCOPE, Voters

SUITE = 1
GONE = Record(31, b"")
"""Where a record was that was only a signature."""
WALL_MS = 1_760_000_000_000


def seed_of(name: str) -> bytes:
    return sha256(name.encode()).digest()


AUTHORITY = suite.Signer(suite.AUTHORITY_SUITE, seed_of("authority"))
_signers: dict[str, suite.Signer] = {}


def signer(name: str) -> suite.Signer:
    if name not in _signers:
        _signers[name] = suite.Signer(SUITE, seed_of(name))
    return _signers[name]


def roster_of(
    names: list[str],
    gateways: tuple[str, ...] = (),
    version: int = 1,
    voting: tuple[str, ...] = (),
    since: int = 1,
    ended: tuple[Voters, ...] = (),
    anew: int = 0,
) -> tuple[Roster, bytes]:
    """Members by their place in `names`; of those who vote on the site as many may lie as can."""
    voters = [index for index, name in enumerate(names) if name in voting]
    members = tuple(
        Member(index, name, name, SUITE, signer(name).public_key, (role, "validator") if index in voters else (role,))
        for index, name in enumerate(names)
        for role in ["gateway" if name in gateways else "device"]
    )
    committees = (Voters(SITE_SCOPE, (len(voters) - 1) // 3, since, tuple(voters), anew),) if voters else ()
    roster = Roster(site_id(AUTHORITY.public_key), version, WALL_MS, (SUITE, 3), members, committees, ended)
    return roster, sign_roster(roster, AUTHORITY)


def event(number: int, agent: str = "probe", pad: int = 0) -> Event:
    values = (float(number),) if not pad else (float(number), "x" * min(pad, 64))
    return Event(agent, "value", WALL_MS + number, values)


@dataclass
class Machine:
    """One device: a node and the world's answers to its effects. Its log has segments of so many records."""

    world: World
    name: str
    index: int
    node: Node
    log: list[Record] = field(default_factory=list)
    recorded: list[tuple[tuple[int, int, int], tuple[Event, ...]]] = field(default_factory=list)
    note: bytes | None = None
    """Beside its key: where it votes."""
    dropped: int = 0
    """Records dropped off the front of `log`."""
    floor: Floor = field(default_factory=Floor)
    archived: dict[bytes, bytes | None] = field(default_factory=dict)
    signatures: dict[bytes, bytes | None] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    decided: list[Decided | FinalsSealed] = field(default_factory=list)
    rotten: dict[int, None] = field(default_factory=dict)
    """Records, by their number from the first one ever, that cannot be read any more."""
    durable: int = 0
    disk_full: bool = False
    keys_full: bool = False
    notes: int = 0
    """How often `note` was written, or was to be."""
    store_full: bool = False
    waiting: list[Archive] = field(default_factory=list)
    """For the store to have room."""
    is_up: bool = True
    blobs: BlobStore | None = None

    def do(self, effects: list[Effect]) -> None:
        """Carry out effects and feed results back until nothing is left; frames go to the world's network."""
        queue = deque(effects)
        while queue:
            queue.extend(self._one(queue.popleft()))

    def _one(self, effect: Effect) -> list[Effect]:
        now, node = self.world.now, self.node
        match effect:
            case Persist(ticket, records, sync):
                if self.disk_full:
                    return node.stored(ticket, None, now)
                places = self._append(records)
                self.durable = len(self.log) if sync else self.durable
                return node.stored(ticket, places, now)
            case Load(ticket, places):
                return node.loaded(ticket, tuple(self._read(place) for place in places), now)
            case Trim():
                return self._trim(effect)
            case Elide():
                return self._elide(effect)
            case NoteVotes(ticket, data):
                self.notes += 1
                self.note = self.note if self.keys_full else data
                return node.answered(ticket, not self.keys_full, now)
            case Fetch(ticket, keys):
                return node.loaded(ticket, tuple(self._fetch(key) for key in keys), now)
            case Sign(ticket, message):
                return node.signed(ticket, signer(self.name).sign(message, deterministic=True), now)
            case Verify(ticket, number, key, message, signature):
                return node.verified(ticket, suite.verify(number, key, message, signature), now)
            case Archive():
                if self.store_full or self.waiting:
                    self.waiting.append(effect)
                    return []
                return self._archive(effect)
            case Broadcast(payload, is_vote):
                self.world.broadcast(self, Channel.VOTE if is_vote else Channel.VERTEX, payload)
            case Announce(channel, payload):
                self.world.broadcast(self, channel, payload)
            case Send(to, channel, payload):
                self.world.send(self, to, channel, payload)
            case Recorded(key, events):
                self.recorded.append((tuple(key), events))
            case Decided() | FinalsSealed():
                self.decided.append(effect)
            case Report():
                self.reports.append(effect)
            case OpenBlob() | ReadBlob() | StoreBlob() | SealBlob() | DropBlob():
                assert self.blobs is not None, "the test gives a store of blobs"
                result = self.blobs.do(effect)
                return [] if isinstance(effect, DropBlob) else node.answered(effect.ticket, result, now)
            case Infer():
                raise AssertionError("no models here")
        return []

    def _archive(self, effect: Archive) -> list[Effect]:
        for header, signature, body in effect.vertices:
            self.archived[header] = body
            self.signatures[header] = signature
        return self.node.archived(effect.ticket, self.world.now)

    def store_has_room(self) -> None:
        self.store_full = False
        while self.waiting:  # one behind the other, those that come meanwhile at the end
            effects = self._archive(self.waiting[0])
            del self.waiting[0]
            self.do(effects)

    def place(self, number: int) -> int:
        """Where the record of this number, from 0, stands in the log."""
        return place_of(1 + number // self.world.segment_records, number + 1)

    def _append(self, records: tuple[Record, ...]) -> tuple[int, ...]:
        first = self.dropped + len(self.log)
        self.log.extend(records)
        return tuple(self.place(first + number) for number in range(len(records)))

    def _read(self, place: int) -> Record | None:
        number = (place & 0xFFFF_FFFF) - 1 - self.dropped
        if number + self.dropped in self.rotten:
            return None
        record = self.log[number] if 0 <= number < len(self.log) else None
        return record if record != GONE else None

    def _trim(self, effect: Trim) -> list[Effect]:
        floor = decode_floor(effect.floor)
        assert floor is not None
        self.floor = floor
        places = self._append(effect.records)
        count = (effect.before - 1) * self.world.segment_records - self.dropped
        assert 0 < count < len(self.log)
        del self.log[:count]
        self.dropped += count
        self.durable = len(self.log)
        return self.node.trimmed(effect.ticket, places, self.world.now)

    def _elide(self, effect: Elide) -> list[Effect]:
        """As the journal does it, but for the file."""
        choice = Choice(effect.spans)
        for number, record in enumerate(self.log, self.dropped):
            if segment_of(self.place(number)) == effect.segment:
                choice.take(self.place(number), record)
        chosen = choice.made(ELIDED_PER_SEGMENT_MAX)
        for offset in chosen:
            number = offset - 1 - self.dropped
            self.log[number] = without(self.log[number]) or GONE
        places = tuple(place_of(effect.segment, offset) for offset in chosen)
        return self.node.elided(effect.ticket, Elided(places, sum(chosen.values())), self.world.now)

    def _fetch(self, key: tuple[int, int, int]) -> Record | None:
        for raw, body in self.archived.items():
            if decode_header(raw).key == key:
                return Record(VERTEX, encode_vertex(raw, self.signatures[raw], body))
        return None

    @property
    def log_records(self) -> int:
        return self.world.room_of.get(self.name, self.world.log_records)

    def segments(self) -> tuple[tuple[int, float], ...]:
        """As the journal would say, of a log that has room for `world.log_records`."""
        sizes: dict[int, float] = {}
        for number in range(self.dropped, self.dropped + len(self.log)):
            segment = self.place(number) >> 32
            sizes[segment] = sizes.get(segment, 0.0) + 1 / self.log_records
        return tuple(sizes.items())

    def rot(self, key: tuple[int, ...]) -> None:
        """Spoil every copy of this vertex that the log has."""
        for number, record in enumerate(self.log, self.dropped):
            if record.type == VERTEX and decode_header(decode_vertex(record.payload).header).key == key:
                self.rotten[number] = None

    def submit(self, *events: Event, urgent: bool = False, retention: int = 0) -> None:
        for one in events:
            self.do(self.node.submit(one, self.world.now, urgent=urgent, retention=retention))

    def stop(self) -> None:
        self.do(self.node.stop(self.world.now))
        self.do(self.node.close(self.world.now))
        self.is_up = False

    def kill(self, lose: int = 0) -> None:
        """The process is gone, and with it up to `lose` records that were never synced."""
        del self.log[max(self.durable, len(self.log) - lose) :]
        self.is_up = False

    def frontier(self) -> tuple[FrontierEntry, ...]:
        return frontier(self.node.graph)

    def vertex_count(self) -> int:
        return sum(record.type == VERTEX for record in self.log)


class World:
    """Machines joined by a network that keeps, loses, repeats and reorders as the test says."""

    def __init__(
        self,
        names: list[str],
        gateways: tuple[str, ...] = (),
        seed: int = 0,
        own_only: tuple[str, ...] = (),
        voting: tuple[str, ...] = (),
        **options: object,
    ) -> None:
        self.names, self.gateways, self.own_only, self.options = names, gateways, own_only, options
        self.roster, self.roster_bytes = roster_of(names, gateways, voting=voting)
        self.random = Random(seed)
        self.ms = 1000.0
        self.segment_records = 1 << 30
        self.log_records = 1 << 30
        """How many records fill a log, and a segment of it; set before the first boot."""
        self.room_of: dict[str, int] = {}
        """The same of single machines."""
        self.network: list[tuple[int, Channel, bytes]] = []
        self.fate: Callable[[int, int, Channel], int] = lambda sender, to, channel: 1
        """How many copies of a frame arrive: 0 loses it."""
        self.bytes_sent: Counter[Channel] = Counter()
        self.machines: dict[str, Machine] = {}

    @property
    def now(self) -> Instant:
        return Instant(self.ms, WALL_MS + int(self.ms))

    def boot(self, name: str, *, link: bool = True, senses: Senses | None = None) -> Machine:
        """Start a machine, from its log if it had one."""
        old = self.machines.get(name)
        index = self.names.index(name)
        settings = {"commit_window_ms": 100, **self.options}
        options = NodeOptions(
            index,
            SUITE,
            AUTHORITY.public_key,
            is_gateway=name in self.gateways,
            keep_all=name not in self.own_only,
            **settings,  # type: ignore[arg-type]
        )
        chance = Random(f"{name}{self.ms}")
        senses = Senses(()) if senses is None else senses
        node = Node(options, self.roster, self.roster_bytes, senses, chance.randbytes, chance.random())
        machine = Machine(self, name, index, node)
        if old is not None:
            machine.log, machine.dropped, machine.floor = old.log, old.dropped, old.floor
            machine.archived, machine.signatures = old.archived, old.signatures
            machine.rotten, machine.note = old.rotten, old.note
        node.voting.note.recall(machine.note)
        machine.durable = len(machine.log)
        node.recovery.floor(machine.floor)
        self.machines[name] = machine
        for number, record in enumerate(machine.log, machine.dropped):
            if number in machine.rotten:
                continue
            newer = node.recovery.roster(record, AUTHORITY.public_key)
            if newer is not None and newer.version > node.roster.version:
                node.membership.adopt(newer, record.payload)
            header = node.recovery.record(machine.place(number), record)
            if header is not None and options.is_gateway:
                frame = decode_vertex(record.payload)
                machine.archived[header.raw] = frame.body
                machine.signatures[header.raw] = machine.signatures.get(header.raw) or frame.signature
        machine.do(node.start(0, self.now))
        if link:
            machine.do(node.linked(True, self.now))
        return machine

    def boot_all(self) -> list[Machine]:
        return [self.boot(name) for name in self.names]

    def broadcast(self, sender: Machine, channel: Channel, payload: bytes) -> None:
        for machine in list(self.machines.values()):
            if machine is not sender:
                self._put(sender.index, machine.index, channel, payload)

    def send(self, sender: Machine, to: int, channel: Channel, payload: bytes) -> None:
        self._put(sender.index, to, channel, payload)

    def _put(self, sender: int, to: int, channel: Channel, payload: bytes) -> None:
        for _ in range(self.fate(sender, to, channel)):
            self.network.append((to, channel, payload))
            self.bytes_sent[channel] += len(payload)

    def deliver(self, *, shuffle: bool = False) -> None:
        """Hand over everything on the network, and what that causes."""
        while self.network:
            index = self.random.randrange(len(self.network)) if shuffle else 0
            to, channel, payload = self.network.pop(index)
            machine = self.machines.get(self.names[to])
            if machine is not None and machine.is_up:
                machine.do(machine.node.receive(channel, payload, self.now))

    def run(self, seconds: float, *, step_ms: float = 50.0, shuffle: bool = False) -> None:
        """Let virtual time pass."""
        until = self.ms + seconds * 1000
        while self.ms < until:
            self.ms += step_ms
            for machine in list(self.machines.values()):
                if machine.is_up and machine.log_records < 1 << 30:
                    share = len(machine.log) / machine.log_records
                    machine.do(machine.node.log_share(share, self.now, machine.segments()))
                if machine.is_up and machine.node.deadline() <= self.ms:
                    machine.do(machine.node.tick(self.now))
            self.deliver(shuffle=shuffle)

    def up(self) -> list[Machine]:
        return [machine for machine in self.machines.values() if machine.is_up]

    def is_converged(self) -> bool:
        return len({machine.frontier() for machine in self.up()}) == 1
