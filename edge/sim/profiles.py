"""Named worlds: how large, how loud, and how much goes wrong in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from string import ascii_lowercase

from edge.limits import LOG_BYTES_MAX, RECORD_BYTES_MAX
from edge.sim.network import Weather
from edge.wire.voters import SITE_SCOPE

MINUTE_MS = 60_000.0
SEGMENT_BYTES = 96 * 1024
assert SEGMENT_BYTES > RECORD_BYTES_MAX + 64


@dataclass(frozen=True)
class Profile:
    """`faults`: how many of each kind of `edge.sim.faults.KINDS` are expected in a run."""

    name: str
    summary: str
    minutes: float = 1.0
    nodes: int = 5
    gateways: int = 1
    committee: int = 0
    """The first so many machines vote on the site; r, how many of them may lie, is as large as can be."""
    cells: tuple[tuple[int, ...], ...] = ()
    """Who votes in scopes of their own, `cell-a` and so on; r likewise."""
    byzantine: int = 0
    """So many of these do lie, the last ones."""
    behaviour: str = "mix"
    """How: one of `edge.sim.behaviours.BEHAVIOURS`, or each its own of one of `MIXES`."""
    keys: tuple[str, ...] = ("model", "config/night", "lease/door")
    """Of registers that somebody wants to have another value, where a committee votes."""
    brokers: int = 2
    links: int = 2
    rate_per_minute: float = 40.0
    """Vertices a device makes, on average."""
    keep_all: bool = True
    """False: devices keep their own line, gateways everything."""
    commit_window_ms: int = 500
    checkpoint_ms: float = 15_000.0
    witness_ms: float = 5_000.0
    """So long that what members owe mostly rides with what they make anyway."""
    weather: Weather = field(default_factory=Weather)
    faults: dict[str, float] = field(default_factory=dict)
    sleepers: float = 0.0
    """The share of devices of which each sleeps once a minute, on average, beside `faults`."""
    log_bytes: int = LOG_BYTES_MAX
    leaf_log_bytes: int = 0
    """Of devices that do not vote at first; 0: as all others."""
    segment_bytes: int = SEGMENT_BYTES
    are_gateways_late: bool = False
    """They come when all else is over, with empty stores."""
    stop_minutes: float | None = None
    """Heal already then, although faults are planned for `minutes`."""
    look_s: int = 1
    """How often each node is told how full its log is, and held to its bounds; the service tells it every second."""
    quiet_s: float = 300.0
    """Keepers agree within this after everything has healed, or the run is unconverged."""

    @property
    def scopes(self) -> dict[str, tuple[int, ...]]:
        """Who votes at first, where anybody does. Of a world that was made smaller, who is there."""
        votes = {SITE_SCOPE: tuple(range(min(self.committee, self.nodes)))}
        for letter, members in zip(ascii_lowercase, self.cells, strict=False):
            votes[f"cell-{letter}"] = tuple(index for index in members if index < self.nodes - self.gateways)
        return {scope: members for scope, members in votes.items() if members}

    @property
    def faults_a_minute(self) -> dict[str, float]:
        """By kind, how many are expected."""
        naps = self.sleepers * (self.nodes - self.gateways)
        return self.faults | ({"sleep": self.faults.get("sleep", 0.0) + naps} if naps else {})

    @property
    def load_ms(self) -> float:
        """How long load and faults last."""
        return (self.minutes if self.stop_minutes is None else self.stop_minutes) * MINUTE_MS


_CRASHES = {"power": 3.0, "kill": 1.5, "crash at an effect": 2.0, "crash at a disk operation": 2.0, "restart": 1.0}
_NETWORK = {
    "loss": 1.0, "twice": 0.7, "delay": 0.7, "reorder": 0.7, "mute": 0.8, "deaf": 0.8, "partition": 0.8,
    "broker crash": 0.8, "split view": 0.7, "queue limit": 0.5, "stale retained": 0.8,
    "repeat": 0.4, "garble": 0.4, "lie": 0.15,
}  # fmt: skip
_HIDING = {"loss": 0.7, "delay": 1.5, "partition": 1.0, "split view": 1.5, "reorder": 0.5}
_DISKS = {"full": 0.6, "sync fails": 0.5, "slow disk": 0.5, "rot": 0.6, "misdirected": 0.4}
_CLOCKS = {"clock jump": 1.0, "1970": 0.6}
_COMINGS = {"sleep": 1.0, "late": 0.5, "roster": 0.4}
_LOAD = {"burst": 0.5}

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("calm", "nothing goes wrong"),
        Profile("crashes", "power cuts and killed processes, at any moment", committee=4, faults=_CRASHES),
        Profile(
            "committees",
            "a committee of four out of six devices changes again and again, while power and links fail",
            committee=4,
            nodes=7,
            faults={"committee": 3.0, "power": 2.0, "kill": 1.0, "crash at an effect": 1.0, "loss": 0.7}
            | {"partition": 0.7, "restart": 0.5, "sleep": 0.5},
        ),
        Profile(
            "cells",
            "parts of a site have committees of their own, which share members and change; power and links fail",
            nodes=10,
            committee=4,
            cells=((3, 4, 5, 6), (0, 4, 7)),
            keep_all=False,
            rate_per_minute=20.0,
            faults={"committee": 1.5, "power": 2.0, "kill": 1.0, "crash at an effect": 1.0, "loss": 0.7}
            | {"partition": 0.7, "split view": 0.7, "restart": 0.5, "sleep": 1.0, "late": 0.5},
        ),
        Profile(
            "recoveries",
            "half of a committee burns, and two of three keys put another one in its place, while power and links fail",
            committee=4,
            nodes=9,
            rate_per_minute=12.0,
            faults={"lost committee": 1.5, "committee": 1.0, "power": 1.0, "kill": 0.7, "loss": 0.7, "partition": 0.5},
        ),
        Profile("network", "loss, cuts, partitions, brokers that die or hide", faults=_NETWORK),
        Profile("disks", "full, failing, rotten and misdirecting disks", faults=_DISKS | _CRASHES),
        Profile(
            "rot",
            "logs that rot while they are written, far from everyone; then new cards, for whom all of it is read",
            faults={"decay": 4.0, "lonely rot": 4.0, "new card": 1.5, "deaf": 1.0, "partition": 1.0}
            | {"power": 0.5, "kill": 0.5, "loss": 0.7},
        ),
        Profile(
            "logs",
            "members of a committee whose logs are lost while their keys stay, so that they abstain",
            committee=4,
            rate_per_minute=6.0,
            faults={"new log": 1.5, "power": 1.0, "kill": 0.5, "loss": 0.7},
        ),
        Profile("clocks", "wall clocks that jump or stand in 1970", faults=_CLOCKS | {"power": 2.0}),
        Profile(
            "mixed",
            "everything at once, but for disks that lie",
            committee=4,
            faults=_CRASHES | _NETWORK | _DISKS | _CLOCKS | _COMINGS | _LOAD,
        ),
        Profile(
            "lying",
            "flushes that keep nothing: only what a gateway acknowledged is promised, and votes are lost unseen",
            committee=4,
            faults=_CRASHES | {"lying flush": 2.0, "loss": 1.0, "partition": 0.5},
        ),
        Profile(
            "images",
            "devices that come back from an older image of their card, members who voted since among them",
            committee=4,
            faults=_CRASHES | {"image": 1.5, "loss": 1.0},
        ),
        Profile(
            "forks",
            "one image put back twice into devices without a clock: they fork, and are named",
            faults={"same image": 1.5, "power": 1.0, "kill": 0.5, "loss": 0.5},
        ),
        Profile(
            "lives",
            "two images of one card, put back so that both go on in one incarnation without a name in common",
            faults={"two images": 2.0, "kill": 1.5, "power": 0.5, "partition": 1.0, "loss": 0.5},
        ),
        Profile(
            "trim",
            "logs so small that they must drop what a gateway has acknowledged",
            minutes=2.0,
            log_bytes=6 * SEGMENT_BYTES,
            rate_per_minute=60.0,
            faults=_CRASHES
            | {"loss": 1.0, "broker crash": 0.5, "partition": 0.7, "full": 0.3, "sleep": 0.7, "gateway away": 3.0},
        ),
        Profile(
            "successions",
            "committees follow one another while logs drop what let them in, and machines start anew",
            minutes=3.0,
            nodes=7,
            committee=4,
            log_bytes=20 * SEGMENT_BYTES,
            rate_per_minute=60.0,
            faults={"committee": 2.0, "power": 2.0, "kill": 2.0, "restart": 1.0, "loss": 0.5, "gateway away": 1.0},
        ),
        Profile(
            "pruning",
            "no gateway until the end: leaves drop what the committee has sealed, and take its seats later",
            minutes=3.0,
            nodes=9,
            committee=4,
            leaf_log_bytes=18 * SEGMENT_BYTES,
            are_gateways_late=True,
            rate_per_minute=30.0,
            faults={"power": 1.0, "kill": 0.7, "crash at an effect": 1.0, "crash at a disk operation": 1.0}
            | {"loss": 0.7, "partition": 0.5, "members away": 0.7, "committee": 0.6, "late": 0.4},
        ),
        Profile(
            "liars",
            "one of a committee of four lies, while power, links and disks fail and brokers hide members",
            committee=4,
            byzantine=1,
            rate_per_minute=6.0,
            faults=_CRASHES | _HIDING | _DISKS,
        ),
        Profile(
            "evictions",
            "devices fork, and are evicted, or are evicted by hand, while power and links fail; some come late",
            committee=4,
            nodes=8,
            faults={"evict": 1.0, "same image": 1.0, "power": 1.0, "kill": 0.5, "loss": 0.7, "partition": 0.7}
            | {"restart": 0.7, "sleep": 0.7, "late": 1.0, "mute": 0.5},
        ),
        Profile(
            "flood", "bursts behind cuts: what peers can make grow", faults={"burst": 3.0, "mute": 2.0, "loss": 1.0}
        ),
        Profile(
            "leaves",
            "devices that keep their own line and vote not, sleep and come late, and learn what a committee decides",
            nodes=8,
            committee=4,
            keep_all=False,
            faults=_CRASHES | {"sleep": 3.0, "late": 1.0, "loss": 1.0, "partition": 0.8, "deaf": 0.8, "mute": 0.5},
        ),
        Profile(
            "site",
            "a large site: devices keep their own line, gateways everything",
            minutes=60.0,
            nodes=1000,
            gateways=1,
            links=1,
            rate_per_minute=1.0,
            keep_all=False,
            look_s=10,
            commit_window_ms=1000,
        ),
    )
}


def profile_named(name: str, **changes: object) -> Profile:
    """A profile with some fields changed. KeyError for an unknown one."""
    return replace(PROFILES[name], **changes)  # type: ignore[arg-type]
