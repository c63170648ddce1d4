"""The checks of `synedge doctor`: each looks at the real thing and answers with what it found and how to mend it."""

import os
import shutil
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from edge.cli.output import bytes_text
from edge.cli.site import YEAR_2024_MS
from edge.config import Config, broker_url, find, load
from edge.errors import SynedgeError, UnavailableError
from edge.shell.control import ask

EXTENSIONS = ("edge.wire._cbor", "edge.wire._event", "edge.dag._crc32c", "edge.nn._kernels")
PYTHON_MIN = (3, 11)
FREE_BYTES_MIN = 64_000_000
SBIN_PATH = "/usr/sbin:/usr/local/sbin"
MDNS_GROUP = "224.0.0.251"  # RFC 6762 §3
CONNECT_S = 2.0


class Check(NamedTuple):
    """One look. `state` is ok, warn or fail; `fix` is empty when it is ok."""

    check: str
    state: str
    found: str
    fix: str = ""


def examine(config_file: str | None) -> list[Check]:
    """Every check, in the order in which a start would stumble. None of them raises."""
    found = [*_guarded("python", _python), *_guarded("extensions", _extensions)]
    if any(item.state == "fail" for item in found):
        return found
    found += _guarded("signatures", _signatures)
    config: Config | None = None
    try:
        config = load(find(config_file), check_files=True)
        found.append(Check("config", "ok", str(config.origin)))
    except SynedgeError as error:
        found.append(Check("config", "fail", str(error), "mend the file; `synedge config check` reads it again"))
        try:
            config = load(find(config_file), check_files=False)
        except SynedgeError:
            found += _guarded("engines", lambda: _engines(None))
            return found + _guarded("clock", lambda: _clock(None))
    chosen = config
    for name, look in _LOOKS.items():
        found += _guarded(name, lambda look=look: look(chosen))  # type: ignore[misc]  # bound at once
    return found


def _guarded(name: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    """What a check found; its own failure is a finding too."""
    try:
        return list(look())
    except SynedgeError as error:
        return [Check(name, "fail", str(error), "see the message")]
    except PermissionError as error:
        said = f"{error.filename}: may not be read by user {os.geteuid()}"
        return [Check(name, "fail", said, "use sudo or the agent's own user")]
    except Exception as error:  # a doctor that falls over helps nobody
        return [Check(name, "fail", f"{type(error).__name__}: {error}", "this check itself failed; please report it")]


def _python() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < PYTHON_MIN:
        yield Check("python", "fail", version, "install Python 3.11 or newer")
    else:
        yield Check("python", "ok", f"{version} ({sys.executable})")


def _extensions() -> Iterator[Check]:
    missing = []
    for name in EXTENSIONS:
        try:
            import_module(name)
        except ImportError as error:
            missing.append(f"{name} ({error})")
    if missing:
        yield Check("extensions", "fail", f"not built: {', '.join(missing)}", "make build")
    else:
        yield Check("extensions", "ok", f"{len(EXTENSIONS)} built")


def _signatures() -> Iterator[Check]:
    from edge.wire.suite import SUITES, selftest

    try:
        selftest()
    except RuntimeError as error:
        yield Check("signatures", "fail", str(error), "reinstall pycryptodome 4.4; do not run with this one")
        return
    yield Check("signatures", "ok", f"known answers of {', '.join(suite.name for suite in SUITES.values())}")


def _key(config: Config) -> Iterator[Check]:
    from edge.shell.keys import load_seed

    key = config.node.key_file
    try:
        load_seed(key)
        yield Check("key", "ok", f"{key} 0600 or narrower")
    except SynedgeError as error:
        yield Check("key", "fail", str(error), "see the message; `synedge init` makes a missing key")
    for name in ("password_file", "key_file"):
        path: Path | None = getattr(config.mqtt, name)
        if path is not None and path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o007:
            mode = stat.S_IMODE(path.stat().st_mode)
            yield Check(f"mqtt.{name}", "warn", f"{path} mode {mode:04o}: everyone may read it", f"chmod o= {path}")


def _membership(config: Config) -> Iterator[Check]:
    from edge.identity import identify

    for path in (config.site.authority, config.site.roster):
        if not path.exists():
            yield Check(
                "site",
                "fail",
                f"{path} is not there",
                f"on the site's machine: synedge fleet add {config.node.name} --public-key node.pub, then copy "
                "authority.pub and roster.cose here",
            )
            return
    try:
        identity = identify(config)
    except SynedgeError as error:
        yield Check("site", "fail", str(error), "see the message")
        return
    roster = identity.roster
    said = f"member {identity.member.index} of {len(roster.members)} in site {roster.site.hex()}"
    yield Check("site", "ok", f"{said}, roster version {roster.version}")
    if config.node.role == "gateway" and "gateway" not in identity.member.roles:
        yield Check(
            "role",
            "warn",
            "role is gateway here, but not in the roster: nobody believes its acknowledgements",
            "synedge fleet add … --role gateway (a new name and key)",
        )


def _engines(config: Config | None) -> Iterator[Check]:
    from edge.shell.engines import probe

    reports = probe()
    works = [f"{report.name} {report.version}".strip() for report in reports if report.ok]
    native = reports[0]
    if native.ok:
        yield Check("kernels", "ok", native.path.removeprefix("kernels "))
    else:
        yield Check("kernels", "fail", native.why, "unset SYNEDGE_KERNEL, or name a variant that this CPU runs")
    is_needed = config is not None and any(agent.model for agent in config.agents)
    if works:
        yield Check("engines", "ok", ", ".join(works))
    else:
        reasons = "; ".join(report.why for report in reports)
        fix = "pip install 'synedge[tflite]', or name a library in SYNEDGE_TFLITE_C"
        yield Check("engines", "fail" if is_needed else "warn", f"no engine works: {reasons}", fix)


def _models(config: Config) -> Iterator[Check]:
    from edge.shell.engines import choose_model

    works: dict[tuple[str, str], list[str]] = {}
    for agent in config.agents:
        if agent.model is None:
            continue
        try:
            choice = choose_model(agent.model)
        except SynedgeError as error:
            yield Check(f"model of {agent.name}", "fail", str(error), "put a whole .tflite file there")
            continue
        model = choice.model
        shapes = f"{list(model.input_shape)} → {list(model.output_shape)}"
        others = "".join(f"; not by {report.name}: {report.why}" for report in choice.passed_over)
        works.setdefault((agent.table, f"{shapes} by {model.engine}{others}"), []).append(agent.model.name)
        model.close()
    for (table, how), names in works.items():
        what = names[0] if len(names) == 1 else f"{len(names)} files from {names[0]} to {names[-1]}"
        yield Check(f"model of {table}", "ok", f"{what} {how}")


def _broker(config: Config) -> Iterator[Check]:
    if config.mqtt.urls:
        for url in config.mqtt.urls:
            yield _ask_broker(config, url)
        return
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path=SBIN_PATH)
    engines = [str(program)] if program else []
    engines += ["iotcore"] if find_spec("iotcore") else []
    if config.broker.host == "never":
        yield Check("broker", "ok", "found by mDNS; this node never hosts one")
    elif engines:
        yield Check("broker", "ok", f"found by mDNS, else hosted by {' or '.join(engines)}")
    else:
        fix = "apt install mosquitto (nothing needs to be configured), or pip install 'synedge[broker]'"
        yield Check("broker", "warn", "this node cannot host a broker if none is found", fix)
    if config.broker.host != "never" and config.broker.listen not in ("127.0.0.1", "::1", "localhost"):
        who = "sends its password in the clear" if config.mqtt.username else "is open to everyone who reaches it"
        yield Check(
            "broker.listen",
            "warn",
            f"a broker hosted on {config.broker.listen} {who}, and bodies are readable",
            "only in a network you trust (docs/OPERATING.md)",
        )


def _ask_broker(config: Config, url: str) -> Check:
    from edge.shell.probe import ask as ask_broker

    target, mqtt = broker_url(url), config.mqtt
    if target.tls:
        try:
            socket.create_connection((target.host, target.port), timeout=CONNECT_S).close()
        except OSError as error:
            return Check("broker", "fail", f"{url}: {error.strerror or error}", "start it, or mend mqtt.urls")
        return Check("broker", "ok", f"{url} listens (its certificate is checked by the agent)")
    password = mqtt.password_file.read_text().rstrip("\n") if mqtt.password_file else None
    answer = ask_broker(
        target.host,
        target.port,
        client_id=f"synedge-doctor-{os.getpid()}",
        username=mqtt.username,
        password=password,
        timeout_s=CONNECT_S,
    )
    if answer.accepted:
        return Check("broker", "ok", f"{url} accepts us")
    fix = "mqtt.username and mqtt.password_file" if answer.refused else "start it, or mend mqtt.urls"
    return Check("broker", "fail", f"{url}: {answer.reason}", fix)


def _mdns(config: Config) -> Iterator[Check]:
    if not config.mqtt.discover:
        yield Check("mdns", "ok", "off (mqtt.discover = false)")
        return
    joined, refused = [], []
    for shown, membership in _memberships(config.mqtt.interfaces):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
                joined.append(shown)
            except OSError as error:
                refused.append(f"{shown} ({error.strerror})")
    if refused and config.mqtt.interfaces:
        yield Check(
            "mdns", "fail", f"cannot listen on {', '.join(refused)}", "mqtt.interfaces: addresses of this machine"
        )
    elif joined in ([], ["lo"]) and not config.mqtt.interfaces:
        yield Check("mdns", "warn", f"multicast on {', '.join(joined) or 'no interface'} only", "connect a network")
    else:
        yield Check("mdns", "ok", f"multicast on {', '.join(joined)}")


def _memberships(addresses: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """struct ip_mreqn (ip(7)) of each chosen address, or of each interface that is up."""
    group = socket.inet_aton(MDNS_GROUP)
    for address in addresses:
        yield address, struct.pack("=4s4si", group, socket.inet_aton(address), 0)
    for index, name in [] if addresses else socket.if_nameindex():
        try:
            is_up = int(Path("/sys/class/net", name, "flags").read_text(), 16) & 1
        except OSError:
            is_up = 1
        if is_up:
            yield name, struct.pack("=4s4si", group, bytes(4), index)


def _disk(config: Config) -> Iterator[Check]:
    directory = config.node.data_dir
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    room = os.statvfs(existing)
    free = room.f_bavail * room.f_frsize
    used = sum(path.stat().st_size for path in config.node.log_dir.glob("*.seg")) if directory.exists() else 0
    most = config.log.max_mb * 1024 * 1024
    said = f"{bytes_text(free)} free for {directory}, the log may take {bytes_text(max(0, most - used))} more"
    if not os.access(existing, os.W_OK):
        yield Check("disk", "fail", f"{existing} cannot be written by this user", "run as the agent's own user")
    elif free < FREE_BYTES_MIN:
        yield Check("disk", "fail", said, "make room, or put node.data_dir on a larger disk")
    elif free < most - used:
        yield Check("disk", "warn", said, "make room, or lower log.max_mb so that it fits")
    else:
        yield Check("disk", "ok", said)


def _clock(config: Config | None) -> Iterator[Check]:
    del config
    now_ms = time.time_ns() // 1_000_000
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_ms / 1000))
    if now_ms < YEAR_2024_MS:
        yield Check(
            "clock", "warn", stamp, "set the clock (timedatectl set-ntp true); until then events say time_unsure"
        )
    else:
        yield Check("clock", "ok", stamp)


def _agent(config: Config) -> Iterator[Check]:
    try:
        answer = ask(config.node.control_socket, "ping")
        yield Check("agent", "ok", f"runs, pid {answer['pid']}, version {answer['version']}")
        status = ask(config.node.control_socket, "status")
        yield from _votes(status)
        yield from _lost(status)
    except UnavailableError:
        yield Check("agent", "ok", "does not run")
    except SynedgeError as error:
        yield Check("agent", "warn", str(error), "see the message")


def _votes(status: Mapping[str, Any]) -> Iterator[Check]:
    """Whether votes have their connection to each broker that the agent is linked to, where anybody votes."""
    links = [link for link in (status.get("mqtt") or {}).get("links", ()) if link.get("votes")]
    lacking = [f"{link['broker']}: {link['votes']}" for link in links if link["votes"] != "connected"]
    if lacking:
        fix = "let the agent's user read and write synedge/1/<site>/c/# there, on a second connection"
        yield Check("votes", "warn", f"they go with the rest, which may hold them up; {'; '.join(lacking)}", fix)
    elif links:
        yield Check("votes", "ok", f"on a connection of their own to {len(links)} broker{'s'[: len(links) > 1]}")


def _lost(status: Mapping[str, Any]) -> Iterator[Check]:
    """Whether this member may use its seats."""
    if scopes := ", ".join(status.get("votes_lost") or ()):
        said = f"votes-lost: it may have voted in {scopes} what its log does not have, and abstains there"
        fix = (
            "the others go on without it; a changed committee lets it vote: synedge fleet committee (docs/OPERATING.md)"
        )
        yield Check("votes lost", "warn", said, fix)


def _vote_note(config: Config) -> Iterator[Check]:
    from edge.node.votenote import decode_note
    from edge.shell.votenote import NAME, load

    path = config.node.key_file.with_name(NAME)
    data = load(path)
    if data is not None and decode_note(data) is None:
        said = f"{path}: no note of votes: the next start abstains wherever this node has a seat"
        yield Check("votes note", "warn", said, "look at the disk; the next start writes it anew")


_LOOKS: dict[str, Callable[[Config], Iterator[Check]]] = {
    "key": _key,
    "votes note": _vote_note,
    "site": _membership,
    "engines": _engines,
    "models": _models,
    "broker": _broker,
    "mdns": _mdns,
    "disk": _disk,
    "clock": _clock,
    "agent": _agent,
}
