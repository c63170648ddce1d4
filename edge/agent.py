"""The composition root: from a configuration to a running agent. The only file that knows every part."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from edge import __version__
from edge.config import Config
from edge.dag.journal import Journal, JournalOptions
from edge.errors import ConfigError, DataError, DiskFullError, StorageError, TryLaterError
from edge.node import Node, NodeOptions
from edge.sense.options import AgentOptions, agent_options
from edge.sense.senses import Senses
from edge.shell import telemetry
from edge.shell.control_server import ControlServer
from edge.shell.disk import DirectoryDisk
from edge.shell.files import read_bounded, write_atomically
from edge.shell.homeassistant import STATUS_TOPIC, AgentCard
from edge.shell.keys import load_seed
from edge.shell.loop import Loop, NoNet, World, now
from edge.shell.notify import Notifier, Watchdog
from edge.shell.publish import People
from edge.shell.scribe import Scribe
from edge.shell.signer import Signing
from edge.shell.sources import open_source
from edge.wire import suite
from edge.wire.refusal import Refusal
from edge.wire.roster import Member, Roster, open_roster

if TYPE_CHECKING:
    from edge.gateway.archive import Archiver
    from edge.gateway.refill import Refill
    from edge.gateway.store import Store
    from edge.nn.backends import Model
    from edge.shell.site import SiteLink

STOP_MS = 3_000.0
"""For the last vertices to become durable; the service manager is promised five seconds in all."""
RELEASE_MS = 1_500.0
BOOT_MS = 10_000.0
SOURCES_STOP_MS = 500.0
AUTHORITY_BYTES_MAX = 8192


@dataclass(slots=True)
class Identity:
    """Who we are: our key, and our place in the newest roster that we know."""

    signer: suite.Signer
    authority: bytes
    roster: Roster
    roster_bytes: bytes
    member: Member


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
        agents = [agent_options(item.options, fields[item.source]) for item in config.agents]
        self.senses = Senses(agents, [source.name for source in self.sources])
        self.node = self._make_node()
        self.store: Store | None = None
        self.archiver: Archiver | None = None
        self._recover()
        self.models = self._open_models()
        self.loop = Loop(self.node, self.identity.member.index)
        self.site: SiteLink | None = None
        self._store_failure: StorageError | None = None
        self._workers: tuple[Scribe, Signing] | None = None
        self._control: ControlServer | None = None

    # ---- building

    def _make_directories(self) -> None:
        for directory in (self.config.node.data_dir, self.config.node.runtime_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _make_node(self) -> Node:
        identity, config = self.identity, self.config
        options = NodeOptions(
            index=identity.member.index,
            suite=identity.member.suite,
            authority=identity.authority,
            commit_window_ms=config.log.commit_window_ms,
            keep_all=config.node.keep == "all",
            is_gateway=config.node.role == "gateway",
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
        recovery = self.node.recovery
        for place, record in self.journal.recover():
            newer = recovery.roster(record, self.identity.authority)
            if newer is not None and newer.version > self.node.roster.version:
                self.node.adopt(newer, record.payload)
            header = recovery.record(place, record)
            if refill is not None:
                refill.take(record, header)
        if refill is not None:
            refill.finish()
            if refill.vertices:
                self._report("info", "store-refilled", (("vertices", refill.vertices),))
        if self.journal.failure:
            raise StorageError(self.journal.failure)
        fresh = sum(not gap.known for gap in self.journal.quarantined)
        found = {"torn_bytes": self.journal.torn_bytes, "gaps": fresh}
        level = "warning" if fresh or recovery.detached else "info"
        self._report(
            level,
            "log-recovered",
            (("vertices", recovery.vertices), ("detached", recovery.detached), *found.items()),
        )

    def _open_store(self) -> Store:
        from edge.gateway.store.sqlite import SqliteStore

        return SqliteStore(self.config.node.data_dir / "store.sqlite")

    def _open_models(self) -> Mapping[str, Model]:
        """Every agent's model, loaded and run once by the engine that takes it."""
        wanted = [agent for agent in self.config.agents if agent.model is not None]
        if not wanted:
            return {}
        from edge.nn.errors import EngineError, InferenceError, ModelError
        from edge.shell.engines import choose_model

        models: dict[str, Model] = {}
        for agent in wanted:
            assert agent.model is not None
            try:
                choice = choose_model(agent.model)
                length = choice.model.input_bytes // 4
                outputs = choice.model.run(bytes(choice.model.input_bytes))
                choice.model.reset()
                self.senses.model_loaded(agent.name, choice.model.digest, length, len(outputs))
            except (ModelError, EngineError, InferenceError) as error:
                raise DataError(f"{self.config.origin}: [[agent]] {agent.name}: {error}") from None
            except ValueError as error:
                raise ConfigError(f"{self.config.origin}: {error}") from None
            models[agent.name] = choice.model
            self._report("info", "model", (("agent", agent.name), ("engine", choice.engine.name)))
            for other in choice.passed_over:
                self._report("info", "engine-passed-over", (("engine", other.name), ("reason", other.why)))
        return models

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
        )
        scribe = Scribe(
            self.journal, loop.stored, lambda ticket, records: loop.post(self.node.loaded, ticket, records), loop.failed
        )
        world = World(NoNet(), scribe, signing, self._people(), self.reports, Watchdog(self.notifier), self.models)
        world.log_share = lambda: self.journal.share
        loop.attach(world)
        self._start_archiver(world)
        scribe.start()
        signing.start()
        self._workers = (scribe, signing)
        self._control = ControlServer(self.config.node.runtime_dir / "synedge.sock", self._operations(), loop.selector)
        loop.execute(self._start_node())
        loop.run_until(lambda: not self.node.is_booting or self.node.is_disk_full, now().mono_ms + BOOT_MS)
        if loop.failure is not None:
            raise loop.failure
        self.ready_ms = telemetry.figures().uptime_s * 1000
        self.notifier.ready(f"{self.config.node.name} {__version__}")
        self._report("info", "ready", (("node", self.config.node.name), ("ms", round(self.ready_ms))))
        self._join(world)

    def _join(self, world: World) -> None:
        """Look for the site; what that needs is loaded only now."""
        from edge.shell.site import SiteLink

        site = SiteLink(site_options(self.config, self.identity), deliver=self._deliver, on_state=self._linked)
        world.net = self.site = site
        if self.config.mqtt.home_assistant:
            heard = world.people.home_assistant
            site.watch(STATUS_TOPIC, lambda _, payload: self.loop.inbox.task(lambda: heard(payload, now())))
        for source in self.sources:
            source.start(self.loop.inbox.reading, site.watch)
        site.start()

    def run(self) -> int:
        """Start, turn until told to stop or a disk dies, leave cleanly; the exit code."""
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
        note = self.config.node.data_dir / "keys" / "incarnation"
        floor = _read_number(note)
        is_clean = self.journal.clean or self.node.recovery.is_empty
        if floor > self.node.recovery.highest_incarnation:
            is_clean = False
        effects = self.node.start(is_clean, floor, now())
        if self.node.incarnation != floor:
            _write_number(note, self.node.incarnation)
        return effects

    def _start_archiver(self, world: World) -> None:
        if self.store is None:
            return
        from edge.gateway.archive import Archiver

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
        )

    def _deliver(self, inbound: Any) -> None:
        self.loop.inbox.frame(inbound.channel, inbound.payload)

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
        if self.archiver is not None and self.store is not None and self.archiver.stop(left_s()):
            self.store.close()
        self._control.close()
        for model in self.models.values():
            model.close()
        self.disk.close()
        self.reports.flush()

    # ---- answers on the control socket

    def _operations(self) -> dict[str, Any]:
        return {
            "ping": lambda asked: {"version": __version__, "pid": os.getpid()},
            "status": lambda asked: self.status(),
            "peers": lambda asked: self._peers(),
            "agents": lambda asked: self._agents(),
            "counts": lambda asked: self.counts(),
            "trace": lambda asked: self._trace(),
            "frontier": lambda asked: self.node.frontier(),
        }

    def status(self) -> dict[str, Any]:
        """Everything a person asks first, in one object."""
        config, member = self.config, self.identity.member
        figures = telemetry.figures()
        return {
            "node": config.node.name,
            "label": config.node.label,
            "role": config.node.role,
            "version": __version__,
            "pid": os.getpid(),
            "node_id": member.node_id.hex(),
            "site": self.identity.roster.site.hex(),
            "ready_ms": None if self.ready_ms is None else round(self.ready_ms, 1),
            "rss_mb": round(figures.rss_bytes / 1e6, 1),
            "rss_mb_max": round(figures.rss_max_bytes / 1e6, 1),
            "written_bytes": figures.written_bytes,
            "written_bytes_per_day": figures.written_bytes_per_day,
            "uptime_s": round(figures.uptime_s, 1),
            "engines": sorted({model.engine for model in self.models.values()}),
            "mqtt": self.site.status() if self.site else None,
            "log": {"size_bytes": self.journal.size_bytes, "max_bytes": self.journal.options.max_bytes},
            "sources": {source.name: source.status() for source in self.sources},
            **self.node.status(now()),
        }

    def counts(self) -> dict[str, int]:
        """Every counter of every part."""
        counts = {**self.node.counts(), **self.loop.inbox.counts(), **self.journal.counts(), **self.reports.counts()}
        counts |= self.loop.world.people.counts() | {f"sense_{key}": n for key, n in self.senses.counts().items()}
        if self.site is not None:
            counts |= self.site.counts()
        if self.archiver is not None:
            counts |= self.archiver.counts()
        return counts

    def _peers(self) -> list[dict[str, object]]:
        by_index = self.node.roster.by_index
        rows = {int(str(row["index"])): row for row in self.node.peers.rows(now())}
        return [
            {"name": member.name, "roles": list(member.roles), **rows.get(index, {"index": index, "online": False})}
            for index, member in by_index.items()
            if index != self.identity.member.index
        ]

    def _agents(self) -> dict[str, Any]:
        return {
            name: {**status, "engine": self.models[name].engine if name in self.models else None}
            for name, status in self.senses.status().items()
        }

    def _trace(self) -> dict[str, Any]:
        """Times of the newest vertices on the monotonic clock that all processes of a machine share."""
        return {
            "recorded": [[*key, at_ns] for key, at_ns in self.loop.recorded_at],
            "accepted": [[*key, at_ns] for key, at_ns in self.loop.accepted_at],
        }


def identify(config: Config) -> Identity:
    """Key, authority and roster as the configuration names them; our member is the one with our key."""
    seed = load_seed(config.node.data_dir / "keys" / "node.seed")
    authority = _read(config, "authority", config.site.authority, AUTHORITY_BYTES_MAX)
    if len(authority) != suite.SUITES[suite.AUTHORITY_SUITE].public_bytes:
        raise ConfigError(
            f"{config.origin}: [site] authority = {config.site.authority}: {len(authority)} bytes are no key"
        )
    data = _read(config, "roster", config.site.roster, 16 * 1024 * 1024)
    roster = open_roster(data, authority)
    if isinstance(roster, Refusal):
        raise ConfigError(f"{config.origin}: [site] roster = {config.site.roster}: refused, {roster}")
    number = suite.SUITE_BY_NAME[config.site.suite].number
    signer = suite.Signer(number, seed)
    member = next((item for item in roster.members if item.public_key == signer.public_key), None)
    if member is None:
        raise ConfigError(
            f"{config.origin}: this node's key is not in {config.site.roster} (site {roster.site.hex()}, version "
            f"{roster.version}); add it with `synedge fleet add {config.node.name} --public-key node.pub`"
        )
    if member.name != config.node.name:
        raise ConfigError(
            f"{config.origin}: [node] name = {config.node.name!r}, but the roster calls this key {member.name!r}"
        )
    return Identity(signer, authority, roster, data, member)


def site_options(config: Config, identity: Identity) -> Any:
    """The mesh's options from ours."""
    from edge.shell.site import SiteOptions

    mqtt, broker = config.mqtt, config.broker
    password = None
    if mqtt.password_file is not None:
        password = _read(config, "password_file", mqtt.password_file, 4096).decode().rstrip("\n")
    return SiteOptions(
        site=identity.roster.site.hex(),
        index=identity.member.index,
        node=config.node.name,
        node_id=identity.member.node_id.hex(),
        keep_all=config.node.keep == "all",
        rank=host_rank(identity),
        urls=mqtt.urls,
        username=mqtt.username,
        password=password,
        ca_file=_text(mqtt.ca_file),
        certificate_file=_text(mqtt.certificate_file),
        key_file=_text(mqtt.key_file),
        discover=mqtt.discover,
        interfaces=mqtt.interfaces,
        host=cast(Literal["auto", "always", "never"], broker.host),
        listen=broker.listen,
        port=broker.port,
        engine=cast(Literal["auto", "mosquitto", "iotcore"], broker.engine),
    )


def host_rank(identity: Identity) -> int:
    """Our place in the order of hosts: gateways first, since they are always on, then by node id."""
    order = sorted(identity.roster.members, key=lambda member: ("gateway" not in member.roles, member.node_id))
    return order.index(identity.member)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _card(options: AgentOptions) -> AgentCard:
    kind = type(options.decide).__name__.removesuffix("Options").lower()
    return AgentCard(options.name, kind, getattr(options.decide, "labels", ()), options.unit)


def _read(config: Config, key: str, path: Path, bytes_max: int) -> bytes:
    try:
        return read_bounded(path, bytes_max)
    except OSError as error:
        raise ConfigError(f"{config.origin}: {key} = {path}: {error.strerror}") from None


def _read_number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def _write_number(path: Path, number: int) -> None:
    """Atomically; on a full disk over the old number, which needs no room and no more than one sector."""
    try:
        write_atomically(path, str(number).encode(), mode=0o600)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not path.exists():
            raise StorageError(f"{path}: {error.strerror}") from None
        with open(path, "r+b") as file:
            file.write(str(number).encode())
            file.flush()
            os.fsync(file.fileno())


def run(config: Config) -> int:
    """`synedge run`."""
    telemetry.setup(os.environ.get("SYNEDGE_LOG_LEVEL", "info"))
    suite.selftest()
    threading.current_thread().name = "loop"
    os.environ.setdefault("TZ", "UTC")
    time.tzset()
    return Agent(config).run()
