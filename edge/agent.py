"""The composition root: from a configuration to a running agent. The only file that knows every part."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import __version__, models
from edge.answers import operations
from edge.config import Config
from edge.dag.journal import Journal, JournalOptions
from edge.errors import DiskFullError, StorageError, TryLaterError
from edge.identity import gateways_of, host_rank, identify, site_options
from edge.node import Node, NodeOptions
from edge.node.options import keeps_all
from edge.sense.options import AgentOptions
from edge.sense.senses import Senses
from edge.shell import floor as floors
from edge.shell import telemetry
from edge.shell import votenote as votenotes
from edge.shell.blobs import BlobKeeper, BlobStore
from edge.shell.control_server import ControlServer
from edge.shell.disk import DirectoryDisk
from edge.shell.door import Door
from edge.shell.files import read_number, write_number
from edge.shell.homeassistant import STATUS_TOPIC, AgentCard
from edge.shell.loop import Loop, NoNet, World, now
from edge.shell.notify import Notifier, Watchdog
from edge.shell.publish import People
from edge.shell.scribe import Scribe
from edge.shell.signer import Signing
from edge.shell.sources import open_source
from edge.shell.told import NAME as TOLD_NAME
from edge.shell.told import Told
from edge.wire import suite

if TYPE_CHECKING:
    from edge.gateway.archive import Archiver
    from edge.gateway.librarian import Librarian
    from edge.gateway.refill import Refill
    from edge.gateway.store import Store
    from edge.shell.site import SiteLink
    from edge.wire.roster import Roster

STOP_MS = 3_000.0
"""For the last vertices to become durable; the service manager is promised five seconds in all."""
RELEASE_MS = 1_500.0
BOOT_MS = 10_000.0
SOURCES_STOP_MS = 500.0


class Agent:
    """Builds everything from a configuration; `run` returns the exit code."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.ready_ms: float | None = None
        self.reports = telemetry.Bounded()
        self.notifier = Notifier.from_environment()
        self.identity = identify(config)
        self._make_directories()
        self.disk = DirectoryDisk(config.node.data_dir / "log")
        self.journal = Journal(self.disk, JournalOptions(max_bytes=config.log.max_mb * 1024 * 1024))
        self.sources = [open_source(item.name, item.kind, item.options, self._source_said) for item in config.sources]
        fields = {source.name: source.fields for source in self.sources}
        self.senses = Senses(models.options(config, fields), [source.name for source in self.sources])
        self.node = self._make_node()
        self.store: Store | None = None
        self.archiver: Archiver | None = None
        self.librarian: Librarian | None = None
        self._recover()
        self.models = models.load(config, self.senses, self._report)
        self.loop = Loop(self.node, self.identity.member.index)
        self.door = Door(self.loop.inbox.frame)
        store = BlobStore(config.node.blobs_dir, self.identity.member.index, config.node.blobs_max_mb, self._report)
        self.blobs = BlobKeeper(store, lambda ticket, result: self.loop.post(self.node.answered, ticket, result))
        self.site: SiteLink | None = None
        self._store_failure: StorageError | None = None
        self._workers: tuple[Scribe, Signing] | None = None
        self._control: ControlServer | None = None

    # ---- building

    def _make_directories(self) -> None:
        for directory in (self.config.node.data_dir, self.config.node.runtime_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def _floor_file(self) -> Path:
        return self.config.node.data_dir / floors.NAME

    @property
    def _keys(self) -> Path:
        return self.config.node.data_dir / "keys"

    def _make_node(self) -> Node:
        identity, config = self.identity, self.config
        options = NodeOptions(
            index=identity.member.index,
            suite=identity.member.suite,
            authority=identity.authority,
            commit_window_ms=config.log.commit_window_ms,
            is_gateway=config.node.role == "gateway",
            drops_sealed=config.log.drop == "sealed",
            checkpoint_ms=1000.0 * config.node.checkpoint_s,
        )
        jitter = int.from_bytes(os.urandom(2), "big") / 65536
        return Node(options, identity.roster, identity.roster_bytes, self.senses, os.urandom, jitter)

    def _recover(self) -> None:
        """Read the whole log back; a gateway puts what its store lacks into it on the way."""
        refill: Refill | None = None
        if self.config.node.role == "gateway":
            from edge.gateway.refill import Refill

            self.store = self._open_store()
            refill = Refill(self.store)
        self._recover_floor()
        self.node.voting.note.recall(votenotes.load(self._keys / votenotes.NAME))
        recovery = self.node.recovery
        for place, record in self.journal.recover():
            newer = recovery.roster(record, self.identity.authority)
            if newer is not None and newer.version > self.node.roster.version:
                self.node.membership.adopt(newer, record.payload)
            header = recovery.record(place, record)
            if refill is not None:
                refill.take(record, header)
        if refill is not None:
            refill.finish()
            if refill.vertices:
                self._report("info", "store-refilled", (("vertices", refill.vertices),))
        if self.journal.failure:
            raise StorageError(self.journal.failure)
        is_gateway = self.config.node.role == "gateway"
        if not (is_gateway or keeps_all(self.config.node.keep, self.node.roster)):  # the log may know the newest
            self.node.keep_own_line()
        fresh = sum(not gap.known for gap in self.journal.quarantined)
        found = {"torn_bytes": self.journal.torn_bytes, "gaps": fresh}
        level = "warning" if fresh or recovery.detached else "info"
        self._report(
            level,
            "log-recovered",
            (("vertices", recovery.vertices), ("detached", recovery.detached), *found.items()),
        )

    def _recover_floor(self) -> None:
        """What the log has dropped. A gateway whose store was lost no longer has it, and asks the mesh for it again."""
        floor = floors.load(self._floor_file)
        if floor is None:  # then what lies above it waits for peers, and our own line begins anew
            return self._report("error", "log-floor-unreadable", (("file", str(self._floor_file)),))
        if self.store is not None:
            held = self.store.has([line.id for line in floor.lines])
            own = self.identity.member.index
            kept = [line for line, has in zip(floor.lines, held, strict=True) if has or line.author == own]
            floor = floor._replace(lines=tuple(kept))
        return self.node.recovery.floor(floor)

    def _open_store(self, *, read_only: bool = False) -> Store:
        from edge.gateway.store.sqlite import SqliteStore

        return SqliteStore(self.config.node.data_dir / "store.sqlite", read_only=read_only)

    def _report(self, level: str, event: str, fields: tuple[tuple[str, object], ...]) -> None:
        self.reports.report(level, event, fields, now().mono_ms)

    def _source_said(self, level: str, event: str, fields: tuple[tuple[str, object], ...]) -> None:
        self._report(level, event, fields)
        if event == "source-ended":
            self.loop.after_readings(self.node.source_ended, dict(fields)["source"])

    # ---- running

    def start(self) -> None:
        """Bring everything up, in the order of need; READY waits for the disk, never for the network."""
        loop = self.loop
        signing = Signing(
            self.identity.signer,
            lambda ticket, signature: loop.post(self.node.signed, ticket, signature),
            lambda ticket, ok: loop.post(self.node.verified, ticket, ok),
            loop.failed,
        )
        scribe = Scribe(
            self.journal,
            loop.stored,
            loop.loaded,
            loop.failed,
            lambda ticket, places: loop.post(self.node.trimmed, ticket, places),
            lambda data: floors.save(self._floor_file, data),
            lambda ticket, is_durable: loop.post(self.node.answered, ticket, is_durable),
            lambda data: votenotes.save(self._keys / votenotes.NAME, data),
            lambda ticket, elided: loop.post(self.node.elided, ticket, elided),
        )
        world = World(NoNet(), scribe, signing, self._people(), self.reports, Watchdog(self.notifier), self.models)
        world.log_share = lambda: self.journal.share
        size = self.journal.options.max_bytes
        world.log_segments = lambda: tuple((number, used / size) for number, used in self.journal.segments())
        loop.attach(world)
        self._start_archiver(world)
        world.blobs = self.blobs.put
        world.hush = self.door.hush
        scribe.start()
        signing.start()
        self._workers = (scribe, signing)
        self._control = ControlServer(self.config.node.runtime_dir / "synedge.sock", operations(self), loop.selector)
        loop.execute(self._start_node())
        loop.run_until(lambda: not self.node.is_booting or self.node.is_disk_full, now().mono_ms + BOOT_MS)
        if loop.failure is not None:
            raise loop.failure
        self.ready_ms = telemetry.figures().uptime_s * 1000
        self.notifier.ready(f"{self.config.node.name} {__version__}")
        self._report("info", "ready", (("node", self.config.node.name), ("ms", round(self.ready_ms))))
        self._join(world)
        gc.freeze()  # what stands now stays: later collections need not walk through it
        gc.enable()

    def _join(self, world: World) -> None:
        """Look for the site; what that needs is loaded only now."""
        from edge.shell.site import SiteLink

        options = site_options(self.config, self.identity, keep_all=self.node.reach.keeps_all)
        site = SiteLink(options, deliver=self.door.take, on_state=self._linked)
        world.net = self.site = site
        world.link_status = lambda: {key: site.status()[key] for key in ("broker", "hosting")}
        if self.config.mqtt.home_assistant:
            heard = world.people.home_assistant
            site.watch(STATUS_TOPIC, lambda _, payload: self.loop.inbox.task(lambda: heard(payload, now())))
        for source in self.sources:
            source.start(self.loop.inbox.reading, site.watch)
        membership, node_id = self.node.membership, self.identity.member.node_id

        def adopted(roster: Roster) -> None:
            self.door.members = self.loop.inbox.members = roster.by_index
            self.door.voters = roster.voting
            site.adopt(host_rank(roster, node_id), gateways_of(roster), is_voting=bool(roster.committees))

        membership.on_adopted = adopted
        membership.on_adopted(membership.roster)  # the log may know a newer one than the file
        site.start()
        self.blobs.recover(lambda wanted: self.loop.tell(lambda: self.node.blobs.resume(wanted)))

    def run(self) -> int:
        """Start, turn until told to stop or something dies, leave cleanly; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.loop.interrupt())
        self.start()
        self.loop.run()
        self.stop()
        failure = self.loop.failure or self._store_failure
        if failure is not None:
            raise failure
        return 0

    def _start_node(self) -> list[Any]:
        """Take an incarnation, and note it beside the key: the log may be lost, this must not repeat."""
        note = self._keys / "incarnation"
        floor = read_number(note)
        if floor > self.node.recovery.highest_incarnation:
            self._report("warning", "log-older-than-key", (("incarnation", floor),))
        effects = self.node.start(floor, now())
        write_number(note, self.node.incarnation)
        self.node.note_lives(lambda incarnation: write_number(note, incarnation))
        return effects

    def _start_archiver(self, world: World) -> None:
        if self.store is None:
            return
        from edge.gateway.archive import Archiver
        from edge.gateway.librarian import Librarian

        self.librarian = Librarian(
            lambda: self._open_store(read_only=True),
            self.loop.loaded,
        )
        self.librarian.start()
        world.fetch = self.librarian.put
        self.archiver = Archiver(
            self.store,
            lambda ticket: self.loop.post(self.node.archived, ticket),
            self._store_failed,
        )
        self.archiver.start()
        world.archive = self.archiver.submit

    def _store_failed(self, error: StorageError | TryLaterError) -> None:
        """A store that is full or busy is tried again; any other failure is final, and the log is left cleanly."""
        self._report("error", "store", (("reason", str(error)),))
        if isinstance(error, StorageError) and not isinstance(error, DiskFullError):
            self._store_failure = error
            self.loop.inbox.task(self.loop.stop)

    def _people(self) -> People:
        config = self.config
        return People(
            lambda topic, text, retain: self.site is not None and self.site.publish_text(topic, text, retain=retain),
            config.node.name,
            config.node.label,
            self.identity.roster.site.hex(),
            [_card(self.senses.agent(name).options) for name in self.senses.names],
            home_assistant=config.mqtt.home_assistant,
            told=Told(config.node.data_dir / TOLD_NAME),
        )

    def _linked(self, up: bool, reason: str) -> None:
        def linked() -> None:
            self._report("info" if up else "warning", "link", (("up", up), ("reason", reason)))
            self.loop.execute(self.node.linked(up, now()))
            self.loop.world.people.linked(up, now())

        self.loop.inbox.task(linked)

    def stop(self) -> None:
        """No more readings; what was taken becomes durable and is sent; the log ends with the mark of a clean stop."""
        loop = self.loop
        self.notifier.stopping()
        deadline_ms = now().mono_ms + STOP_MS
        for source in self.sources:  # all are told before any is waited for
            source.stop(0.0)
        sources_ms = now().mono_ms + SOURCES_STOP_MS
        for source in self.sources:
            source.stop(max(0.0, (sources_ms - now().mono_ms) / 1000))
        if loop.failure is None:
            loop.run_until(lambda: not loop.inbox.has_readings(), deadline_ms)
            loop.execute(self.node.stop(now()))
            if loop.run_until(lambda: self.node.is_idle, deadline_ms):
                loop.execute(self.node.close(now()))
                loop.run_until(lambda: self.node.is_closed, deadline_ms)
        self._say_stopped()
        self._release(now().mono_ms + RELEASE_MS)

    def _say_stopped(self) -> None:
        lost = self.node.unrecorded_events
        told = (("recorded_events", self.node.counts()["recorded_events"]), ("unrecorded_events", lost))
        self._report("warning" if lost else "info", "stopped", told)

    def _release(self, deadline_ms: float) -> None:
        """Give back threads, sockets, models and files; what takes longer ends with the process."""
        assert self.site is not None and self._workers is not None and self._control is not None

        def left_s() -> float:
            return max(0.05, (deadline_ms - now().mono_ms) / 1000)

        scribe, signing = self._workers
        self.site.stop(min(1.0, left_s()))
        scribe.stop(left_s())
        signing.stop(min(0.1, left_s()))
        self.blobs.stop(min(0.2, left_s()))
        if self.librarian is not None:
            self.librarian.stop(min(0.2, left_s()))
        if self.archiver is not None and self.store is not None and self.archiver.stop(left_s()):
            self.store.close()
        self._control.close()
        for model in self.models.values():
            model.close()
        self.disk.close()
        self.reports.flush()


def _card(options: AgentOptions) -> AgentCard:
    return AgentCard(options.name, options.decide.kind, getattr(options.decide, "labels", ()), options.unit)


def run(config: Config) -> int:
    """`synedge run`."""
    telemetry.setup(os.environ.get("SYNEDGE_LOG_LEVEL", "info"))
    suite.selftest()
    threading.current_thread().name = "loop"
    os.environ.setdefault("TZ", "UTC")
    time.tzset()
    return Agent(config).run()
