"""`synedge status`: what the running agent says of itself."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from edge.cli.options import add_config, add_example, add_json, load_config
from edge.cli.output import Output, bytes_text
from edge.shell.control import ask

FAULTS_SHOWN = 5
LEVELS = {"seq": "seq", "witnessed": "witnessed_seq", "sealed": "sealed_seq", "acknowledged": "acked_seq"}
"""How far up our own line what is known to be so."""


def arguments(parser: ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--counts", action="store_true", help="every counter instead")
    add_json(parser)
    add_example(parser, "status --config pump-7/synedge.toml", "status --counts --json")


def run(args: Namespace, out: Output) -> int:
    config = load_config(args)
    answer = ask(config.node.control_socket, "counts" if args.counts else "status")
    if out.as_json:
        out.document(answer)
    elif args.counts:
        out.pairs(sorted(answer.items()))
    else:
        out.pairs(_lines(answer))
        sources = answer.get("sources") or {}
        if sources:
            out.line()
            out.table(
                ("source", "kind", "state", "readings", "shed", "detail"),
                [
                    (name, s.get("kind"), s.get("state"), s.get("readings"), s.get("shed_readings"), s.get("detail"))
                    for name, s in sources.items()
                ],
                colours={"running": "green", "failing": "red"},
            )
    return 0


def _lines(status: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What a person asks first; each line only if the agent told it."""
    label = f" ({status['label']})" if status.get("label") else ""
    yield "node", f"{status['node']}{label}, {status['role']}, member {status['index']} of site {status['site']}"
    yield "process", f"pid {status['pid']}, synedge {status['version']}, up {span(status['uptime_s'])}"
    yield "memory", f"{status['rss_mb']} MB, at most {status['rss_mb_max']} MB"
    yield "broker", _broker(status.get("mqtt"))
    yield "peers online", status["peers_online"]
    levels = ", ".join(f"{word} {status[name]}" for word, name in LEVELS.items())
    yield "own chain", f"incarnation {status['incarnation']}, {levels}"
    yield "recorded", f"{status['recorded_events']} events; {status['shed_events']} shed"
    tally = dict(status.get("readings") or {})
    total = tally.pop("readings", 0)
    yield "readings", f"{total} = " + " + ".join(f"{count} {word}" for word, count in tally.items())
    log = status.get("log") or {}
    if log:
        share = f"{status['log_share']:.1%} of {bytes_text(log['max_bytes'])}"
        yield "log", f"{status['vertices']} vertices, {bytes_text(log['size_bytes'])}, {share}"
    if status.get("dropped_vertices"):
        alone = f", {status['dropped_sealed']} of them on members alone" if status["dropped_sealed"] else ""
        yield "log dropped", f"{status['dropped_vertices']} vertices since the start, all held elsewhere{alone}"
    if status.get("elided_signatures"):
        count, size = status["elided_signatures"], bytes_text(status["elided_bytes"])
        yield "log elided", f"{count} signatures since the start that others make needless, {size}"
    state = status.get("state") or {}
    if state.get("names"):
        root = "partial" if state["partial"] else f"root {state['root']}…" if state["root"] else "of its own line"
        yield "shared state", f"{state['names']} names, {root}"
    if status.get("engines"):
        yield "engines", status["engines"]
    for word in ("refused", "dropped"):
        if status.get(word):
            yield word, ", ".join(f"{count} {reason}" for reason, count in status[word].items())
    yield from _warnings(status)


def _warnings(status: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    faults = status.get("faults") or {}
    for agent, fault in islice(faults.items(), FAULTS_SHOWN):
        yield "agent", f"{agent}: {fault}"
    more = max(len(faults), status.get("agents_failing") or 0) - FAULTS_SHOWN
    if more > 0:
        yield "agents", f"{more} more with a fault; synedge agents list has them"
    if status.get("disk_full"):
        yield "warning", "the disk or the log is full: nothing more is recorded until there is room"
    if status.get("time_unsure"):
        yield "warning", "the clock is not sure; events say so"
    elif status.get("clocks_ahead"):
        yield "warning", f"{status['clocks_ahead']} vertices had a clock more than five minutes ahead of this one"
    if status.get("key_in_use"):
        yield "warning", "another device signs with this device's key: give one of them a key of its own"
    if status.get("votes_lost"):
        scopes = ", ".join(status["votes_lost"])
        yield (
            "warning",
            f"votes-lost: it abstains in {scopes} until the committee there changes; synedge doctor says more",
        )
    if status.get("quarantined"):
        yield "warning", f"forked authors, of whom nothing more is accepted: {status['quarantined']}"
    if status.get("broke_word"):
        yield (
            "warning",
            f"members {status['broke_word']} voted twice, or above their own stop: synedge committee audit proves it",
        )
    if status.get("values_groundless"):
        what = "checkpoints that name what is not final here, or evictions without grounds of its own"
        yield "not voted for", f"{status['values_groundless']} open proposals: {what}"
    differing = (status.get("checkpoint") or {}).get("differing")
    if differing:
        yield "warning", f"members {differing} name another checkpoint than ours: compare synedge checkpoint there"
    if status.get("evicted"):
        evicted = ", ".join(f"{index} ({why})" for index, why in status["evicted"].items())
        yield "evicted", f"{evicted}; synedge committee show says more"
        if str(status["index"]) in status["evicted"]:
            yield "warning", "this device is evicted: nobody takes what it says; give it a new key and name"
    if status.get("records_lacking"):
        yield "warning", f"{status['records_lacking']} damaged records in the log, asked for elsewhere"
    if status.get("own_lost"):
        yield "warning", f"{status['own_lost']} vertices of this node rotted on its disk before anybody had them"
    if status.get("gaps") or status.get("pending"):
        yield "catching up", f"{status.get('gaps')} gaps, {status.get('pending')} vertices wait for others"


def _broker(mqtt: Mapping[str, Any] | None) -> str:
    if not mqtt:
        return "-"
    hosting = f"; hosting {mqtt['hosted']} ({mqtt['engine']})" if mqtt.get("hosting") else ""
    if mqtt.get("connected"):
        links = "; ".join(
            f"{link['broker']}, {link['discovery']}" + (f", votes {link['votes']}" if link.get("votes") else "")
            for link in mqtt["links"]
        )
        return f"{links}{hosting}"
    return f"not connected: {mqtt.get('reason') or 'looking for one'}{hosting}"


def span(seconds: float) -> str:
    """`3d 4h`, `5m 6s`: the two largest units."""
    left = int(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts or unit == "s":
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])
