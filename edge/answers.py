"""What the running agent answers on its control socket."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from edge import __version__, converged, levels, registers
from edge.consensus.shown import eviction_row, handover_row
from edge.dag.frontier import named_tips
from edge.identity import committee_rows
from edge.shell import telemetry
from edge.shell.control_server import Operation
from edge.shell.loop import now

if TYPE_CHECKING:
    from edge.agent import Agent


FAULTS_MAX = 64
"""Of a status; `agents` has them all."""


def operations(agent: Agent) -> dict[str, Operation]:
    """Every `op` of docs/OPERATING.md, by name."""
    return {
        "ping": lambda asked: {"version": __version__, "pid": os.getpid()},
        "status": lambda asked: status(agent),
        "peers": lambda asked: _peers(agent),
        "committees": lambda asked: _committees(agent),
        "agents": lambda asked: _agents(agent),
        "counts": lambda asked: counts(agent),
        "trace": lambda asked: _trace(agent, asked.get("only")),
        "frontier": lambda asked: named_tips(agent.node.graph),
        "blobs": lambda asked: _blobs(agent),
        "registers": lambda asked: registers.registers(agent),
        "checkpoints": lambda asked: registers.checkpoints(agent),
        "levels": lambda asked: levels.levels(agent),
        "certificate": lambda asked: registers.certificate(agent, asked),
        "propose": lambda asked: registers.propose(agent, asked),
        "state": lambda asked: converged.state(agent, asked),
        "state_get": lambda asked: converged.state_get(agent, asked),
        "state_say": lambda asked: converged.state_say(agent, asked),
        "state_said": lambda asked: converged.state_said(agent),
        "leases": lambda asked: registers.leases(agent),
        "lease": lambda asked: registers.lease(agent, asked),
        "evict": lambda asked: registers.evict(agent, asked),
        "blob_get": lambda asked: _blob(agent, asked, agent.node.blobs.get),
        "blob_add": lambda asked: _blob_add(agent, asked),
        "blob_remove": lambda asked: _blob(agent, asked, agent.node.blobs.remove),
    }


def status(agent: Agent) -> dict[str, Any]:
    """Everything a person asks first, in one object."""
    config, member = agent.config, agent.identity.member
    figures = telemetry.figures()
    return {
        "node": config.node.name,
        "label": config.node.label,
        "role": config.node.role,
        "version": __version__,
        "pid": os.getpid(),
        "node_id": member.node_id.hex(),
        "site": agent.identity.roster.site.hex(),
        "ready_ms": None if agent.ready_ms is None else round(agent.ready_ms, 1),
        "rss_mb": round(figures.rss_bytes / 1e6, 1),
        "rss_mb_max": round(figures.rss_max_bytes / 1e6, 1),
        "written_bytes": figures.written_bytes,
        "written_bytes_per_day": figures.written_bytes_per_day,
        "uptime_s": round(figures.uptime_s, 1),
        "engines": sorted({model.engine for model in agent.models.values()}),
        "mqtt": agent.site.status() if agent.site else None,
        "log": _log(agent),
        "agents": len(agent.senses.names),
        "agents_failing": sum(1 for _ in _faults(agent)),
        "faults": dict(islice(_faults(agent), FAULTS_MAX)),
        "sources": {source.name: source.status() for source in agent.sources},
        **_turned_away(agent),
        **agent.node.status(now()),
    }


def _faults(agent: Agent) -> Iterator[tuple[str, str]]:
    """What is wrong with which agent."""
    return ((name, fault) for name in agent.senses.names if (fault := agent.senses.agent(name).fault))


LOST = ("dropped_", "inbox_dropped_", "early_dropped")


def _turned_away(agent: Agent) -> dict[str, dict[str, int]]:
    """What others said and we did not take since the start: refused by reason, and dropped where there was no room."""
    told = counts(agent)
    prefix = "refused_"
    refused = {name.removeprefix(prefix): n for name, n in told.items() if name.startswith(prefix) and n}
    return {
        "refused": {name.replace("_", "-"): n for name, n in sorted(refused.items())},
        "dropped": {name: n for name, n in sorted(told.items()) if name.startswith(LOST) and n},
    }


def counts(agent: Agent) -> dict[str, int]:
    """Every counter of every part."""
    counts = {**agent.node.counts(), **agent.loop.inbox.counts(), **agent.journal.counts(), **agent.reports.counts()}
    counts |= agent.loop.world.people.counts() | {f"sense_{key}": n for key, n in agent.senses.counts().items()}
    for name, count in agent.door.counts().items():
        counts[name] = counts.get(name, 0) + count
    if agent.site is not None:
        counts |= agent.site.counts()
    if agent.archiver is not None:
        counts |= agent.archiver.counts()
    if agent.librarian is not None:
        counts |= agent.librarian.counts()
    return counts


def _peers(agent: Agent) -> list[dict[str, object]]:
    """A row for each other member; `online` is null of those whose signs of life we do not listen to."""
    node = agent.node
    views = node.voting.agreement.views
    rows = {int(str(row["index"])): row for row in node.peers.rows(now())}
    return [
        {
            "name": member.name,
            "roles": list(member.roles),
            "checkpoint": views.named[index].version if index in views.named else None,
            "checkpoint_differs": index in views.differing,
            **rows.get(index, {"index": index, "online": False if node.reach.hears(index) else None}),
        }
        for index, member in node.roster.by_index.items()
        if index != agent.identity.member.index
    ]


def _committees(agent: Agent) -> dict[str, Any]:
    roster, epochs = agent.node.roster, agent.node.voting.agreement.epochs
    rows = [{**row, **handover_row(epochs.handover(row["scope"]), roster)} for row in committee_rows(roster)]
    evicted = [eviction_row(eviction, roster) for eviction in agent.node.voting.evictions()]
    asked = agent.node.voting.agreement.evictions.asked()
    open_ = [
        {"node": roster.name_of(index), "said": [roster.name_of(one) for one in said]} for index, said in asked.items()
    ]
    return {"roster_version": roster.version, "committees": rows, "evicted": evicted, "evicting": open_}


def _agents(agent: Agent) -> dict[str, Any]:
    return {
        name: {**status, "engine": agent.models[name].engine if name in agent.models else None}
        for name, status in agent.senses.status().items()
    }


def _trace(agent: Agent, only: object = None) -> dict[str, Any]:
    """Times of the newest vertices on the monotonic clock that all processes of a machine share; or of finals only, for
    who looks often and must not be felt."""
    decided = [[final.question.key, final.ballot, final.value.hex(), at_ns] for final, at_ns in agent.loop.decided_at]
    if only == "decided":
        return {"decided": decided}
    return {
        "recorded": [[*key, at_ns] for key, at_ns in agent.loop.recorded_at],
        "accepted": [[*key, at_ns] for key, at_ns in agent.loop.accepted_at],
        "decided": decided,
    }


def _log(agent: Agent) -> dict[str, Any]:
    """How full the log is, and how much of it went: segments dropped since the start, our own line up to `floor`; and
    segments that have fewer signatures than were written."""
    journal = agent.journal
    return {
        "size_bytes": journal.size_bytes,
        "max_bytes": journal.options.max_bytes,
        "segments": len(journal.segments()),
        "segments_dropped": journal.counts()["segments_dropped"],
        "segments_elided": journal.counts()["segments_elided"],
        "floor": [
            {"incarnation": branch.incarnation, "seq": branch.floor_seq}
            for branch in agent.node.graph.branches(agent.identity.member.index)
            if branch.is_cut
        ],
    }


def _blobs(agent: Agent) -> dict[str, Any]:
    """What is kept or on its way, and where a command may leave a file for `blob_add`."""
    store, names = agent.blobs.store, agent.node.roster.by_index
    try:
        store.directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{store.directory}: {error.strerror}") from None
    coming = agent.node.blobs.rows()
    for row in coming:
        row["from"] = [names[index].name for index in row["from"]]
    known = {row["sha256"]: row for row in store.rows()} | {row["sha256"]: row for row in coming}
    return {"directory": str(store.directory), "blobs": list(known.values())}


def _blob(agent: Agent, asked: Mapping[str, Any], act: Callable[[bytes], None]) -> None:
    """ValueError for what is no SHA-256, or by the node."""
    name = asked.get("sha256")
    if not isinstance(name, str) or not re.fullmatch("[0-9a-f]{64}", name):
        raise ValueError(f"sha256 {name!r}: allowed: 64 hex digits")
    act(bytes.fromhex(name))
    agent.loop.tell(lambda: None)


def _blob_add(agent: Agent, asked: Mapping[str, Any]) -> None:
    """Take over the file `file` in the directory of blobs, whose SHA-256 is `sha256`."""
    draft = str(asked.get("file"))

    def adding(digest: bytes) -> None:
        agent.node.blobs.adding(digest)

        def adopt() -> None:
            taken = agent.blobs.store.adopt(draft, digest)
            agent.loop.tell(lambda: agent.node.blobs.add(digest, taken))

        agent.blobs.task(adopt)

    _blob(agent, asked, adding)
