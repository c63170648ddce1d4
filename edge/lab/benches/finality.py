"""How long it takes until a proposal is final: real processes, a real broker, real signatures, every vote on a disk.

From the request on the proposer's control socket until the certificate is durable at the proposer, and at the last of
all members who run; on the one monotonic clock of this machine.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from argparse import ArgumentParser, Namespace
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from edge.cli.certificate import fault_of
from edge.cli.options import add_example, at_least
from edge.cli.rosters import roster_at
from edge.consensus.certificate import Certificate, decode_certificate
from edge.consensus.checkpoint import CHECKPOINT_KEY
from edge.consensus.committee import Committee
from edge.errors import SynedgeError, UnavailableError
from edge.lab.benches.finality_bulk import Bulk
from edge.lab.layout import Seat, found_site, node_settings
from edge.lab.process import Device, cpu_s, wait_until
from edge.lab.report import percentile
from edge.node.sealing import FEW_FINALS
from edge.shell.control import ask

START_S_MAX = 40.0
DECIDE_S_MAX = 20.0
LOOK_S = 0.25
"""Members say later when they knew. Whoever asks them meanwhile takes processor time from what is measured."""
STOP_S = 6.0
JUDGED = 51
"""How often a certificate is judged, for a median."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--committee", type=at_least(1), default=4, metavar="N", help="members who vote (4)")
    parser.add_argument("--decisions", type=at_least(1), default=60, metavar="N", help="of each kind (60)")
    parser.add_argument(
        "--slept",
        type=at_least(1),
        default=40,
        metavar="N",
        help="finals that a sleeper missed (40)",
    )
    parser.add_argument("--slept-keys", type=at_least(1), default=4, metavar="N", help="on so many keys (4)")
    parser.add_argument(
        "--sealed", action="store_true", help="checkpoints every 5 s, and the sleeper wakes when all is sealed"
    )
    parser.add_argument(
        "--bulk", type=at_least(0), default=8, metavar="N", help="authors who gossip beside decisions (8); 0 for none"
    )
    parser.add_argument(
        "--bulk-rate",
        type=at_least(0, whole=False),
        default=10_000.0,
        metavar="X",
        help="their events per second in all (10000); 0 for as many as go",
    )
    parser.add_argument(
        "--bulk-seconds", type=at_least(1, whole=False), default=15.0, metavar="S", help="for so long (15)"
    )
    add_example(
        parser, "bench finality", "bench finality --committee 7 --json", "bench finality --slept-keys 40 --sealed"
    )


def measure(args: Namespace) -> dict[str, Any]:
    """What a sleeper has to fetch; decisions uncontended, by two proposers at once, beside the bulk of others, and with
    one member killed."""
    root = Path(tempfile.mkdtemp(prefix="synedge-bench-"))
    with Bulk(args.bulk, args.bulk_rate) as bulk:
        return _measure(args, root, bulk)


def _measure(args: Namespace, root: Path, bulk: Bulk) -> dict[str, Any]:
    council = _Council(root, int(args.committee), bulk.seats, is_sealing=args.sealed)
    try:
        council.start()
        rule = Committee(council.size, (council.size - 1) // 3)
        figures: dict[str, Any] = {"committee": council.size, "liars": rule.liars, "quorum": rule.quorum}
        figures["sleeper"] = council.wake(args.slept, args.slept_keys)
        figures["alone"] = council.decide("alone", args.decisions, 1)
        figures["finality_ms"] = figures["alone"]["finality_ms"]
        figures["certificate"] = council.certificate("bench/alone-0")
        if council.size > 1:
            figures["contended"] = council.decide("contended", args.decisions, 2)
        council.settle()
        if council.has_checkpoint:
            figures["checkpoint"] = council.certificate(CHECKPOINT_KEY)
        figures["idle"] = council.idle(5.0)
        if bulk.seats:
            figures["beside_bulk"] = council.decide_beside(bulk, args.decisions, args.bulk_seconds)
            figures["bulk_over_alone"] = ratio(figures["beside_bulk"], figures["alone"])
        if rule.absent:
            council.kill_one()
            figures["one_dead"] = council.decide("one-dead", args.decisions, 1)
        return figures
    finally:
        council.stop()
        shutil.rmtree(root, ignore_errors=True)


class _Council:
    """Members who do nothing but vote, and a device that keeps its own line and mostly sleeps."""

    def __init__(self, root: Path, size: int, others: list[Seat], *, is_sealing: bool) -> None:
        self.size = size
        self._is_sealing = is_sealing
        names = [f"member-{number + 1}" for number in range(size)]
        self._seats = [Seat(name, "device", root / name, None) for name in names]
        sleeper = Seat("sleeper", "device", root / "sleeper", None)
        found_site(root, [*self._seats, sleeper, *others], voting=names)
        sleeper.config.write_text(node_settings(sleeper).replace('keep = "all"', 'keep = "own"'))
        self._sleeper = Device(sleeper.name, sleeper.directory)
        self._devices = [Device(seat.name, seat.directory) for seat in self._seats]
        self._pool = ThreadPoolExecutor(4)

    def start(self) -> None:
        for seat, device in zip(self._seats, self._devices, strict=True):
            text = node_settings(seat)
            seat.config.write_text(text.replace("[node]\n", "[node]\ncheckpoint_s = 5\n") if self._is_sealing else text)
            device.start()
        if not wait_until(self._is_together, START_S_MAX):
            raise UnavailableError(f"{self.size} members did not find each other: {self._devices[0].last_words()}")

    def _is_together(self) -> bool:
        statuses = [device.poll() for device in self._devices]
        return all(status is not None and status["peers_online"] == self.size - 1 for status in statuses)

    def stop(self) -> None:
        devices = [device for device in (*self._devices, self._sleeper) if device.is_running]
        for device in devices:
            device.terminate()
        for device in devices:
            device.wait(STOP_S)
        self._pool.shutdown()

    def kill_one(self) -> None:
        """The last one; the hosts of brokers stay, since this is not about fail-over."""
        hosts = [device for device in self._devices if (device.poll() or {}).get("mqtt", {}).get("hosting")]
        victim = next(device for device in reversed(self._devices) if device not in hosts)
        victim.kill()
        self._devices.remove(victim)

    def decide(self, name: str, times: int, proposers: int, until_s: float = float("inf")) -> dict[str, Any]:
        """So many decisions, one after the other, each on a key of its own; fewer if the time is over before."""
        first: list[float] = []
        last: list[float] = []
        ballots = 0
        cpu_before_s = self._cpu_s()
        for number in range(times):
            if number and time.monotonic() >= until_s:
                break
            key = f"bench/{name}-{number}"
            begun_ns = time.monotonic_ns()
            chosen = [self._devices[(number + at) % len(self._devices)] for at in range(proposers)]
            list(self._pool.map(self._propose, chosen, [key] * proposers))
            decided = self._wait(key)
            mine = [decided[device.name] for device in chosen]
            first.append((min(at_ns for at_ns, _ in mine) - begun_ns) / 1e6)
            last.append((max(at_ns for at_ns, _ in decided.values()) - begun_ns) / 1e6)
            ballots += max(ballot for _, ballot in decided.values())
        return {
            "decisions": len(first),
            "finality_ms": _span(first),
            "everywhere_ms": _span(last),
            "further_ballots": ballots,
            "cpu_ms": round(1000 * (self._cpu_s() - cpu_before_s) / len(first), 1),
        }

    def decide_beside(self, bulk: Bulk, times: int, seconds: float) -> dict[str, Any]:
        """The same while others gossip."""
        return bulk.beside(self._devices, seconds, lambda until_s: self.decide("bulk", times, 1, until_s))

    def _cpu_s(self) -> float:
        """Processor seconds of all members so far, kernel and user, without brokers."""
        return sum(cpu_s(device.pid) for device in self._devices)

    def _propose(self, device: Device, key: str) -> None:
        ask(_socket(device), "propose", scope="site", key=key, value_hex=f"by {device.name}".encode().hex())

    def _wait(self, key: str) -> dict[str, tuple[int, int]]:
        """By member, when it knew, and the ballot; SynedgeError if they differ or somebody never does."""
        found: dict[str, tuple[int, int]] = {}
        values: set[str] = set()

        def look() -> bool:
            for device in self._devices:
                if device.name not in found:
                    for said, ballot, value, at_ns in ask(_socket(device), "trace", only="decided")["decided"]:
                        if said == key:
                            found[device.name] = (at_ns, ballot)
                            values.add(value)
            return len(found) == len(self._devices)

        time.sleep(LOOK_S)
        if not wait_until(look, DECIDE_S_MAX, LOOK_S):
            raise SynedgeError(f"{key}: final at {len(found)} of {len(self._devices)} members after {DECIDE_S_MAX:g} s")
        if len(values) != 1:
            raise SynedgeError(f"{key}: members hold different values as final: {sorted(values)}")
        return found

    def wake(self, finals: int, keys: int) -> dict[str, Any]:
        """A device starts after so many finals: what it takes until it knows the newest of each key."""
        newest: dict[str, int] = {}
        for number in range(finals):
            key = f"slept/{number % keys}"
            newest[key] = newest.get(key, 0) + 1
            self._propose(self._devices[0], key)
            if not wait_until(lambda: newest.items() <= _versions(self._devices[0]).items(), DECIDE_S_MAX, 0.02):
                raise SynedgeError(f"{key}: version {newest[key]} is not final after {DECIDE_S_MAX:g} s")
        if self._is_sealing and not wait_until(lambda: not _unsealed(self._devices[0]), DECIDE_S_MAX):
            raise SynedgeError(f"not all is sealed after {DECIDE_S_MAX:g} s: {self._devices[0].last_words()}")
        self._sleeper.start()
        if not wait_until(lambda: (self._sleeper.poll() or {}).get("peers_online"), START_S_MAX, 0.02):
            raise UnavailableError(f"the sleeper found nobody: {self._sleeper.last_words()}")
        begun_s = time.monotonic()
        if not wait_until(lambda: newest.items() <= _versions(self._sleeper).items(), DECIDE_S_MAX, 0.02):
            raise SynedgeError(f"the sleeper knows {_versions(self._sleeper)} after {DECIDE_S_MAX:g} s, not {newest}")
        seconds = time.monotonic() - begun_s
        counts = ask(_socket(self._sleeper), "counts")
        self._sleeper.terminate()
        self._sleeper.wait(STOP_S)
        return {
            "finals": finals,
            "keys": len(newest),
            "sealed": self._is_sealing,
            "round_trips": counts["finals_asked"],
            "bytes": counts["finals_bytes"],
            "seconds": round(seconds, 3),
        }

    @property
    def has_checkpoint(self) -> bool:
        """A few finals alone wait for more."""
        return CHECKPOINT_KEY in _versions(self._devices[0])

    def certificate(self, key: str) -> dict[str, Any]:
        """How large the certificate of a register is, and how long whoever has the roster takes to judge it."""
        answer = ask(_socket(self._devices[0]), "certificate", scope="site", key=key)
        raw = bytes.fromhex(answer["certificate"])
        certificate, roster = decode_certificate(raw), roster_at(self._seats[0].directory / "roster.cose")
        assert isinstance(certificate, Certificate), "a member keeps no other"
        spans: list[float] = []
        for _ in range(JUDGED):
            begun_ns = time.perf_counter_ns()
            fault = fault_of(certificate, roster)
            spans.append((time.perf_counter_ns() - begun_ns) / 1e6)
            if fault is not None:
                raise SynedgeError(f"the certificate of {key} is not true: {fault}")
        return {"bytes": len(raw), "value_bytes": len(certificate.value), "verify_ms": percentile(sorted(spans), 0.5)}

    def settle(self) -> None:
        """Until what was decided is sealed, but for the few that wait for others."""
        wait_until(lambda: _unsealed(self._devices[0]) < FEW_FINALS, DECIDE_S_MAX)

    def idle(self, seconds: float) -> dict[str, Any]:
        """With nothing to decide: what the members say of it."""
        before = [ask(_socket(device), "counts") for device in self._devices]
        time.sleep(seconds)
        after = [ask(_socket(device), "counts") for device in self._devices]
        grown = [new["votes_cast"] - old["votes_cast"] for old, new in zip(before, after, strict=True)]
        made = [new["recorded_vertices"] - old["recorded_vertices"] for old, new in zip(before, after, strict=True)]
        return {"seconds": seconds, "votes": sum(grown), "vertices": sum(made)}


def _socket(device: Device) -> Path:
    return device.directory / "run" / "synedge.sock"


def _versions(device: Device) -> dict[str, int]:
    """By key the newest version that a device takes for final."""
    return {row["key"]: row["version"] for row in ask(_socket(device), "registers")}


def _unsealed(device: Device) -> int:
    """How many registers are not sealed, but for the checkpoint itself, which is not below another one yet."""
    rows = ask(_socket(device), "registers")
    return sum(row["state"] != "sealed" for row in rows if row["key"] != "checkpoint")


def ratio(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float | None]:
    """By how much finality differs, p50 and p99."""
    spans = one["finality_ms"], other["finality_ms"]
    return {key: round(spans[0][key] / spans[1][key], 2) if spans[1][key] else None for key in ("p50", "p99")}


def _span(values: list[float]) -> dict[str, float | None]:
    ordered = sorted(values)
    return {"p50": percentile(ordered, 0.5), "p99": percentile(ordered, 0.99), "max": round(ordered[-1], 2)}
