"""One device of a simulated site: its disk, its clocks, its power, and the shipped node that lives on them.

A machine carries out its node's effects in order, as `edge.shell.loop` does, and feeds results back after some virtual
time. A life begins with `boot` (recovery of the journal included) and ends when the process or the power does; what was
planned in one life never reaches the next.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from edge.dag.graph import Branch
from edge.dag.journal import Journal
from edge.dag.records import VERTEX, Record
from edge.effects import (
    Announce,
    Archive,
    Broadcast,
    Decided,
    Effect,
    Elide,
    Fetch,
    FinalsSealed,
    Hush,
    Load,
    NoteVotes,
    Persist,
    Recorded,
    Report,
    Send,
    Sign,
    Trim,
    Verify,
)
from edge.errors import StorageError
from edge.node import Node, NodeOptions
from edge.sense.senses import Senses
from edge.sim import card
from edge.sim.clock import Clock
from edge.sim.disk import PowerCut, SimDisk, Tail
from edge.sim.scribe import Scribe
from edge.sim.signing import SUITE, authority
from edge.sim.store import SimStore
from edge.wire.event import Event
from edge.wire.frame import Channel, encode_vertex

if TYPE_CHECKING:
    from edge.sim.cluster import Cluster

RESTART_MS = 2_000.0
"""What the service manager waits before it starts a process that ended by itself."""
SECOND_MS = 1_000.0


class Machine:
    """`role` is `device` or `gateway`; with `keep_all` false it keeps its own line only."""

    def __init__(self, world: Cluster, index: int, name: str, role: str, keep_all: bool) -> None:
        self.world = world
        self.index = index
        self.name = name
        self.is_gateway = role == "gateway"
        self.keep_all = keep_all
        rng = world.chance(f"machine {index}")
        self.clock = Clock(rng.uniform(-1e-4, 1e-4), rng.gauss(0, 2_000), rng.uniform(0, 1e7))
        self.disk = SimDisk(world.chance(f"disk {index}"))
        self.keys = SimDisk(world.chance(f"keys {index}"))
        """Where its key is, and what is noted beside that."""
        self.store = SimStore()
        self.trust = card.Trust()
        self.sync_ms = (0.5, 12.0)
        self.node: Node = None  # type: ignore[assignment]
        self.journal: Journal = None  # type: ignore[assignment]
        self.life = 0
        self.is_on = self.is_asleep = self.is_stopping = False
        self.wants_up = False
        """Whether somebody means it to run, so that a process that ended by itself is started again."""
        self.crash_in: int | None = None
        """The power goes after so many more effects."""
        self.has_no_clock = False
        """It wakes up in 1970, until `set_clock`."""
        self.is_liar = False
        """Its node listens and is never heard: others speak for it (`edge.sim.liars`)."""
        self.is_gone = False  # for good, with its disk
        self.submitted = 0
        self.is_ready = False
        """Its incarnation is durable: sources run, and it looks for the site."""
        self._rng = rng
        self.scribe: Scribe = None  # type: ignore[assignment]
        self._is_linked, self._tick_ms, self._log_bytes = False, float("inf"), -1
        self._held: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._sign_free_ms = self._verify_free_ms = self._archive_free_ms = 0.0
        self._carry = {
            **dict.fromkeys((Persist, Load, NoteVotes, Elide), self._persist), Trim: self._trim, Fetch: self._fetch,
            Sign: self._sign, Verify: self._verify, Archive: self._archive, Broadcast: self._broadcast,
            Send: self._send, Announce: self._announce, Recorded: self._recorded, Report: self._report,
            Hush: lambda effect: None, Decided: self._decided,
        }  # fmt: skip

    @property
    def is_awake(self) -> bool:
        return self.is_on and not self.is_asleep

    def subscribes(self, channel: Channel) -> bool:
        """To all of a channel, not to single members; requests and replies name their receiver."""
        if channel in (Channel.REQUEST, Channel.REPLY):
            return False
        return self.keep_all or channel is Channel.ROSTER

    def branches_of_its_own(self) -> list[Branch]:
        """What it has written, by incarnation; nothing before its first start."""
        return [] if self.life == 0 else self.node.graph.branches(self.index)

    # ---- lives

    def boot(self) -> None:
        """Power comes, or the service manager starts the process; on a disk that fails, again a little later."""
        self.wants_up = True
        if self.is_on or self.is_gone:
            return
        self.life += 1
        self.is_on, self.is_asleep, self.is_stopping = True, False, False
        self.crash_in = None
        self.clock.reboot(self.world.now)
        if self.has_no_clock:
            self.clock.set_to(12_000, self.world.now)
        self.guard(self._boot)

    def _boot(self) -> None:
        world = self.world
        self.journal = Journal(self.disk, card.log_options(self))
        options = NodeOptions(
            self.index,
            SUITE,
            authority().public_key,
            world.profile.commit_window_ms,
            self.keep_all,
            self.is_gateway,
            checkpoint_ms=world.profile.checkpoint_ms,
            witness_ms=world.profile.witness_ms,
        )
        rng = Random(f"{world.seed}/node {self.index}/{self.life}")
        roster, roster_bytes = world.roster_at_install(self)
        self.node = Node(options, roster, roster_bytes, Senses(()), rng.randbytes, rng.random())
        self.scribe = Scribe(self, self.journal, rng)
        self._tick_ms, self._log_bytes, self._is_linked, self._held = float("inf"), -1, False, []
        self._sign_free_ms = self._verify_free_ms = self._archive_free_ms = world.now
        card.recover(self.disk, self.journal, self.node, self.store if self.is_gateway else None)
        self.node.voting.note.recall(card.noted_votes(self.keys))
        self.node.voting.agreement.is_silent = self.is_liar
        world.breaks(self)
        floor = card.noted_incarnation(self.disk)
        effects = self.node.start(floor, self.clock.now(world.now))
        world.checkers.booted(self)
        card.note_incarnation(self.disk, self.node.incarnation)
        self.node.note_lives(lambda incarnation: card.note_incarnation(self.disk, incarnation))
        self.is_ready = False
        self._carry_out(effects)
        self._plan_tick()
        self.later(SECOND_MS, self._look)

    def cut_power(self, tail: Tail, back_ms: float | None) -> None:
        """At any moment, also inside a call of the disk. `back_ms`: when it comes back; never if None."""
        if self.is_on:
            self._end()
        self.disk.crash(tail, self._rng)
        self.keys.crash(tail)
        self._come_back(back_ms)

    def kill(self, back_ms: float | None) -> None:
        """The process dies; what it wrote is still in the page cache."""
        if self.is_on:
            self._end()
        self._come_back(back_ms)

    def shut_down(self) -> None:
        """Stop as a service does: drain, mark the log clean, leave."""
        if self.is_awake and not self.is_stopping:
            self.is_stopping = True
            self.wants_up = False
            self.later(3_000.0, self._end)
            self.feed_plain(self.node.stop)

    def _end(self) -> None:
        self.is_on = False
        self.life += 1
        self.world.network.forget(self)
        self.world.checkers.ended(self)

    def _come_back(self, back_ms: float | None) -> None:
        self.wants_up = back_ms is not None
        if back_ms is not None:
            self.world.time.after(back_ms, self._boot_if_wanted)

    def _boot_if_wanted(self) -> None:
        if self.wants_up and not self.is_on:
            self.boot()

    def sleep(self) -> None:
        if self.is_awake and not self.is_stopping:
            self.is_asleep = True
            self.clock.suspend(self.world.now)
            self.world.network.forget(self)

    def wake(self) -> None:
        """What finished meanwhile is noticed now."""
        if not (self.is_on and self.is_asleep):
            return
        self.is_asleep = False
        self.clock.resume(self.world.now)
        held, self._held = self._held, []
        for act, args in held:
            self.later(0.0, act, *args)
        self.linked(False)
        self._plan_tick()
        self.world.network.review_soon(self)

    # ---- inputs

    def later(self, delay_ms: float, act: Callable[..., None], *args: Any) -> None:
        """Plan something of this life."""
        self.world.time.after(delay_ms, self._act, self.life, act, args)

    def _act(self, life: int, act: Callable[..., None], args: tuple[Any, ...]) -> None:
        if life != self.life:
            return
        if self.is_asleep:
            self._held.append((act, args))
        else:
            self.guard(act, *args)

    def guard(self, act: Callable[..., None], *args: Any) -> None:
        """Run something of this machine; what ends its life ends there."""
        life = self.life
        try:
            act(*args)
        except PowerCut:
            if life == self.life:
                self.world.power_gone(self)
        except StorageError:
            if life == self.life:  # the process says so and ends with code 74
                self.world.checkers.note("disk failures")
                self.kill(RESTART_MS)
        except Exception as error:
            self.world.checkers.violated("exception", self, f"{error!r} at {_where(error)}")
            if life == self.life:
                self.kill(RESTART_MS)

    def feed(self, method: Callable[..., Any], *args: Any) -> None:
        """One input to the node, its effects, and what the checkers say."""
        if not self.is_on:
            return
        life = self.life
        effects: list[Effect] = method(*args, self.clock.now(self.world.time.now))
        self._carry_out(effects)
        if life == self.life:
            self.world.checkers.stepped(self, bool(effects))
            self._plan_tick()
            if not self.is_ready and (not self.node.is_booting or self.node.is_disk_full):
                self.is_ready = True
                self.world.network.review_soon(self)
            if self.is_stopping:
                self._go_on_stopping()

    def feed_plain(self, method: Callable[..., Any], *args: Any) -> None:
        """Like `feed`, for callers outside of this machine."""
        self.guard(self.feed, method, *args)

    def receive(self, channel: Channel, payload: bytes) -> None:
        self.world.checkers.receiving = channel
        self.guard(self.feed, self.node.receive, channel, payload)
        self.world.checkers.receiving = None
        if self.is_liar and channel is Channel.REQUEST:
            self.world.liars.requested(self, payload)

    def submit(self, event: Event, urgent: bool, retention: int) -> None:
        if self.is_awake and self.is_ready and not self.is_stopping:
            self.submitted += 1
            node = self.node
            self.feed_plain(lambda now: node.submit(event, now, urgent=urgent, retention=retention))

    def linked(self, up: bool) -> None:
        if up or self._is_linked:
            self._is_linked = up
            self.guard(self.feed, self.node.linked, up)

    def _go_on_stopping(self) -> None:
        if self.node.is_closed:
            self._end()
        elif self.node.is_idle and self.is_stopping and not self.node._is_closing:
            self.feed(self.node.close)

    def _plan_tick(self) -> None:
        time = self.world.time
        due = max(self.clock.when(self.node.deadline()), time.now + 0.05)
        if due < self._tick_ms:
            self._tick_ms = due
            time.at(due, self._act, self.life, self._tick, (due,))

    def _tick(self, due: float) -> None:
        if due == self._tick_ms:
            self._tick_ms = float("inf")
            self.feed(self.node.tick)

    def _look(self) -> None:
        """How full the log is, as the service tells its node, and whether the node is within its bounds."""
        self.later(self.world.profile.look_s * SECOND_MS, self._look)
        journal = self.journal
        if journal.size_bytes != self._log_bytes or journal.share > 0.5:
            self._log_bytes, most = journal.size_bytes, journal.options.max_bytes
            segments = tuple((number, used / most) for number, used in journal.segments())
            self.feed(lambda now: self.node.log_share(journal.share, now, segments))
        self.world.checkers.now_and_then(self)

    # ---- effects

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, FinalsSealed):
                continue  # for people alone
            if self.crash_in is not None:
                if self.crash_in <= 0:
                    raise PowerCut
                self.crash_in -= 1
            self._carry[type(effect)](effect)  # type: ignore[operator]

    def _trim(self, effect: Trim) -> None:
        self.world.checkers.trimming(self, effect)
        self.scribe.put(effect)

    def _fetch(self, effect: Fetch) -> None:
        self.later(self._rng.uniform(0.5, 5.0), self._fetched, effect)

    def _fetched(self, effect: Fetch) -> None:
        found = [self.store.named(key) for key in effect.keys]
        records = tuple(None if vertex is None else Record(VERTEX, encode_vertex(*vertex)) for vertex in found)
        self.feed(self.node.loaded, effect.ticket, records)

    def _persist(self, effect: Persist | Load | Elide | NoteVotes) -> None:
        if isinstance(effect, Persist):
            self.world.checkers.persisting(self, effect.records)
        self.scribe.put(effect)

    def _sign(self, effect: Sign) -> None:
        signature = self.world.signatures.sign(self.name, effect.message)
        now = self.world.now
        self._sign_free_ms = max(self._sign_free_ms, now) + 0.4 + 3.0 * self._rng.random() ** 4
        self.later(self._sign_free_ms - now, self.feed, self.node.signed, effect.ticket, signature)

    def _verify(self, effect: Verify) -> None:
        self.world.checkers.verifying(self, effect)
        ok = self.world.signatures.verify(effect.suite, effect.public_key, effect.message, effect.signature)
        now = self.world.now
        self._verify_free_ms = max(self._verify_free_ms, now) + 0.15
        self.later(self._verify_free_ms - now, self.feed, self.node.verified, effect.ticket, ok)

    def _archive(self, effect: Archive) -> None:
        now = self.world.now
        self._archive_free_ms = max(self._archive_free_ms, now) + self._rng.uniform(0.5, 8.0)
        self.later(self._archive_free_ms - now, self._archived, effect)

    def _archived(self, effect: Archive) -> None:
        self.store.put(effect.vertices)
        self.feed(self.node.archived, effect.ticket)

    def _publish(self, channel: Channel, to: int, payload: bytes) -> None:
        if not self.is_liar or channel is Channel.REQUEST:
            self.world.network.publish(self, channel, to, payload)

    def _broadcast(self, effect: Broadcast) -> None:
        self.world.checkers.sending(self, effect.payload)
        channel = Channel.VOTE if effect.is_vote else Channel.VERTEX
        self._publish(channel, self.index, effect.payload)

    def _send(self, effect: Send) -> None:
        self._publish(effect.channel, effect.to, effect.payload)

    def _announce(self, effect: Announce) -> None:
        self._publish(effect.channel, self.index, effect.payload)

    def _recorded(self, effect: Recorded) -> None:
        self.world.checkers.recorded_events += len(effect.events)

    def _decided(self, effect: Decided) -> None:
        self.world.checkers.note("decided")
        self.world.checkers.ledger.decided(self, effect)

    def _report(self, effect: Report) -> None:
        if effect.level != "debug":
            self.world.checkers.note(effect.event)


def _where(error: Exception) -> str:
    """The innermost line of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    return f"{last.filename.rpartition('edge/')[2]}:{last.lineno} {last.name}"
