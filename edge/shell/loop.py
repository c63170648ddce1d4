"""One thread owns the node: waits, reads the clocks once, feeds inputs, carries out effects in order."""

from __future__ import annotations

import selectors
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge.dag.records import Record
from edge.effects import (
    Announce,
    Archive,
    BlobEffect,
    Broadcast,
    Decided,
    DropBlob,
    Effect,
    Elide,
    Fetch,
    FinalsSealed,
    Hush,
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
    Ticket,
    Trim,
    Verify,
)
from edge.errors import SynedgeError
from edge.ids import Instant, VertexKey
from edge.limits import CHECKING_MAX, QUEUE_EVENTS_MAX, TRACE_MAX
from edge.nn.backends import Model, run_all
from edge.nn.errors import NonFiniteError
from edge.node import Node
from edge.node.trim import Segments
from edge.shell.inbox import Inbox
from edge.shell.notify import Watchdog
from edge.shell.precedence import Precedence
from edge.shell.publish import People
from edge.shell.telemetry import Bounded
from edge.wire.frame import Channel

BATCH_MAX = 128
MEMBER_OTHERS_MAX = 8
"""Of a member of a committee: of vertices that came not as votes, how many are being checked at once. A vote that comes
meanwhile waits for no more of them, nor for their results."""
IDLE_MS = 1_000.0
SWITCH_INTERVAL_S = 0.0005
"""A signer or the disk hands its result over while Python runs elsewhere; the default 5 ms would be the latency."""


class Net(Protocol):
    """The mesh as the loop sees it."""

    def publish(self, channel: Channel, index: int, payload: bytes) -> bool: ...


class NoNet:
    """Before the site link exists: nothing leaves, repair mends it later."""

    def publish(self, channel: Channel, index: int, payload: bytes) -> bool:
        return False


class Writer(Protocol):
    """Whoever carries out `Persist`, `Load`, `Trim`, `Elide` and `NoteVotes`."""

    def put(self, effect: Persist | Load | Trim | Elide | NoteVotes) -> None: ...


class Signatures(Protocol):
    def sign(self, effect: Sign) -> None: ...

    def verify(self, effect: Verify) -> None: ...


@dataclass(slots=True)
class World:
    """Where effects go. The composition root fills it in before the loop runs."""

    net: Net
    writer: Writer
    signatures: Signatures
    people: People
    reports: Bounded
    watchdog: Watchdog
    models: Mapping[str, Model] = field(default_factory=dict)
    archive: Callable[[Ticket, tuple[tuple[bytes, bytes | None, bytes | None], ...]], bool] | None = None
    fetch: Callable[[Fetch], None] | None = None
    blobs: Callable[[BlobEffect], None] | None = None
    hush: Callable[[int, float], None] = lambda author, until_mono_ms: None
    log_share: Callable[[], float] = lambda: 0.0
    link_status: Callable[[], dict[str, Any]] = dict
    """What people are shown of the connection: `broker` and `hosting`."""
    log_segments: Callable[[], Segments] = lambda: ()


class Loop:
    """Runs until `stop` is called or a resource dies; `exit_code` says which."""

    def __init__(self, node: Node, index: int) -> None:
        self.node = node
        self.inbox = Inbox()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.inbox, selectors.EVENT_READ, None)
        self.failure: SynedgeError | None = None
        self.turns = 0
        self.turn_ms_max = 0.0
        self.recorded_at: deque[tuple[VertexKey, int]] = deque(maxlen=TRACE_MAX)
        """(key, monotonic ns at which it was durable) of our newest vertices; for measuring latency from outside."""
        self.accepted_at: deque[tuple[VertexKey, int]] = deque(maxlen=TRACE_MAX)
        self.decided_at: deque[tuple[Decided, int]] = deque(maxlen=TRACE_MAX)
        """What became final, and when its certificate was durable."""
        self._index = index
        self._world: World | None = None
        self._archives: deque[Archive] = deque()
        self._later: list[Callable[[], None]] = []
        self._durable_ns = 0
        self._readings_max = max(1, QUEUE_EVENTS_MAX // 2 // node.senses.widest)
        """In a turn: what they may become finds room before the next one looks at how full the queue is."""
        self._second_ms = 0.0
        self._due_ms: float | None = None
        """When the node wants its next tick, from the end of a turn to the beginning of the next; None if it has been
        told anything since."""
        self._precedence = Precedence()
        self._is_running = True
        node.on_accepted = self._note_accepted

    @property
    def world(self) -> World:
        assert self._world is not None, "the composition root attaches the world first"
        return self._world

    def attach(self, world: World) -> None:
        self._world = world

    # ---- called by other threads

    def post(self, method: Callable[..., list[Effect]], *args: Any) -> None:
        """Feed a result or an input to the node at the next turn: `method(*args, now)`."""
        self.inbox.task(lambda: self.execute(method(*args, now())))

    def loaded(self, ticket: Ticket, records: tuple[Record | None, ...]) -> None:
        """What was read back from the log or the store: for answers to peers, so after whatever is live."""
        self.inbox.chore(lambda: self.execute(self.node.loaded(ticket, records, now())))

    def tell(self, act: Callable[[], None]) -> None:
        """Have a machine of the node told something at the next turn; what that causes is done at once."""

        def told() -> None:
            act()
            self.execute(self.node.tick(now()))

        self.inbox.task(told)

    def after_readings(self, method: Callable[..., list[Effect]], *args: Any) -> None:
        """Like `post`, but once every reading that is queued now has been fed."""
        self.inbox.task(lambda: self._later.append(lambda: self.execute(method(*args, now()))))

    def stored(self, ticket: Ticket, places: tuple[int, ...] | None, durable_ns: int) -> None:
        self.inbox.task(lambda: self._stored(ticket, places, durable_ns))

    def failed(self, error: SynedgeError) -> None:
        """A disk is dead, or a thread we cannot do without: nothing more would be recorded, so the loop ends."""
        self.failure = self.failure or error
        self.inbox.task(self.stop)

    def stop(self) -> None:
        self._is_running = False

    def interrupt(self) -> None:
        """`stop` from a signal handler."""
        self._is_running = False
        self.inbox.nudge()

    # ---- the turn

    def run(self) -> None:
        """Turn until stopped."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        while self._is_running:
            self.turn()

    def run_until(self, is_done: Callable[[], bool], deadline_ms: float) -> bool:
        """Turn until something holds, at most until `deadline_ms` (monotonic); says whether it does."""
        while not is_done() and self.failure is None:
            if now().mono_ms >= deadline_ms:
                return False
            self.turn(wait_ms_max=20.0)
        return is_done()

    def turn(self, wait_ms_max: float = IDLE_MS) -> None:
        """Wait for something to do, do a bounded amount of it, and let the watchdog know."""
        world = self.world
        ready = self.selector.select(max(0.0, min(self._wait_ms(), wait_ms_max)) / 1000)
        begun = now()
        self._due_ms = None
        for key, _ in ready:
            if key.data is not None:
                key.data()
        room = self.node.room
        due = self.inbox.take(BATCH_MAX, self._others(room.others, begun), self._readings_max, room.votes)
        for task in due.tasks:
            task()
        for channel, payload in due.frames:
            self.execute(self.node.receive(channel, payload, now()))
        for reading in due.readings:
            self.execute(self.node.read(reading, now()))
        for chore in due.chores:
            chore()
        if self._later and not self.inbox.has_readings():
            later, self._later = self._later, []
            for act in later:
                act()
        self.inbox.is_busy = self.node.queued_events > QUEUE_EVENTS_MAX // 2
        current = now()
        if current.mono_ms >= self._deadline_ms():
            self.execute(self.node.tick(current))
        if current.mono_ms >= self._second_ms:
            self._every_second(current)
        self._flush_archives()
        world.people.tick(current)
        world.watchdog.progress(current.mono_ms)
        self.turns += 1
        self.turn_ms_max = max(self.turn_ms_max, now().mono_ms - begun.mono_ms)

    def _others(self, room: int, current: Instant) -> int:
        """How many vertices that are no votes this turn sees to."""
        voting = self.node.voting
        if not voting.agreement.is_member:
            return room
        if self._precedence.look(voting.is_deciding, current.mono_ms):
            return 0
        return max(0, room - (CHECKING_MAX - MEMBER_OTHERS_MAX))

    def execute(self, effects: list[Effect]) -> None:
        """Carry out effects in order; then models that are due run, all together, and what that causes follows. Every
        input to the node ends here, whatever it caused."""
        self._due_ms = None
        while effects:
            due: list[Infer] = []
            for effect in effects:
                match effect:
                    case Infer():
                        due.append(effect)
                    case Recorded(key, events):
                        self.recorded_at.append((key, self._durable_ns))
                        self.world.people.recorded(key, events, now())
                    case _:
                        self._dispatch(effect)
            effects = self._infer(due)

    def _dispatch(self, effect: Effect) -> None:
        world = self.world
        match effect:
            case Persist() | Load() | Trim() | Elide() | NoteVotes():
                world.writer.put(effect)
            case Sign():
                world.signatures.sign(effect)
            case Verify():
                world.signatures.verify(effect)
            case Broadcast(payload, is_vote):
                world.net.publish(Channel.VOTE if is_vote else Channel.VERTEX, self._index, payload)
            case Send(to, channel, payload):
                world.net.publish(channel, to, payload)
            case Announce(channel, payload):
                world.net.publish(channel, self._index, payload)
            case Archive():
                self._archives.append(effect)
            case Fetch():
                assert world.fetch is not None, "only a gateway fetches"
                world.fetch(effect)
            case OpenBlob() | ReadBlob() | StoreBlob() | SealBlob() | DropBlob():
                assert world.blobs is not None, "the composition root gives a store of blobs"
                world.blobs(effect)
            case Decided():
                self.decided_at.append((effect, self._durable_ns))
                world.people.decided(effect)
            case FinalsSealed(finals):
                for final in finals:
                    world.people.decided(final)
            case Hush(author, until_mono_ms):
                world.hush(author, until_mono_ms)
            case Report(level, event, fields):
                world.reports.report(level, event, fields, now().mono_ms)

    def _infer(self, due: list[Infer]) -> list[Effect]:
        """Run these, and tell the node in their order."""
        answers = run_all([(self.world.models[effect.agent], effect.tensor) for effect in due])
        effects: list[Effect] = []
        for effect, answer in zip(due, answers, strict=True):
            outputs: tuple[float, ...] | None = None
            match answer:
                case tuple():
                    outputs = answer
                case NonFiniteError():
                    outputs = answer.outputs  # the agent says what is wrong with them
                case _:
                    fields = (("agent", effect.agent), ("reason", str(answer)))
                    self.world.reports.report("error", "inference", fields, now().mono_ms)
            effects += self.node.inferred(effect.ticket, outputs, now())
        return effects

    def _stored(self, ticket: Ticket, places: tuple[int, ...] | None, durable_ns: int) -> None:
        self._durable_ns = durable_ns
        self.execute(self.node.stored(ticket, places, now()))

    def _note_accepted(self, key: VertexKey) -> None:
        self.accepted_at.append((key, time.monotonic_ns()))

    def _flush_archives(self) -> None:
        """Hand archives to the store as far as it takes them; the rest waits, bounded by the node's tickets."""
        archive = self.world.archive
        while self._archives and archive is not None:
            effect = self._archives[0]
            if not archive(effect.ticket, effect.vertices):
                return
            self._archives.popleft()

    def _every_second(self, current: Instant) -> None:
        self._second_ms = current.mono_ms + 1000
        self.execute(self.node.log_share(self.world.log_share(), current, self.world.log_segments()))
        self.world.people.state({**self.node.status(current), **self.world.link_status()}, current)

    def _deadline_ms(self) -> float:
        if self._due_ms is None:
            self._due_ms = self.node.deadline()
        return self._due_ms

    def _wait_ms(self) -> float:
        current = now().mono_ms
        dues = [self._deadline_ms(), self._second_ms, self._bulk_ms(current)]
        for due in (self.world.people.deadline(now()), self.world.watchdog.deadline()):
            if due is not None:
                dues.append(due)
        if self._archives:
            dues.append(current + 50)
        return min(dues) - current

    def _bulk_ms(self, current_ms: float) -> float:
        """When bulk that waits is due: its coming wakes nobody."""
        is_over = self._precedence.holds and not self.node.voting.is_deciding
        return current_ms if is_over else self._precedence.deadline_ms()


def now() -> Instant:
    return Instant(time.monotonic_ns() / 1e6, time.time_ns() // 1_000_000)
