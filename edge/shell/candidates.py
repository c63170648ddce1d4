"""The brokers a node knows of: configured, told by mDNS or by a broker, its own; each with what came of trying it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from edge import limits

Origin = Literal["configured", "mdns", "broker", "hosted"]
Order = tuple[int, int, str]

OWN_KEY = "own"
BACKOFF_MS = 500
BACKOFF_MAX_MS = (5_000, 15_000, 60_000)  # by how many connections there are
REFUSED_RETRY_MS = 15_000
LOST_RETRY_MS = 250
MISSED_MS = 150_000  # how long a broker that we had is looked for with haste: longer than mDNS remembers it
MISSED_BACKOFF_MAX_MS = 1_000
STABLE_MS = 5_000
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Target(NamedTuple):
    """Where a broker is, and how much it is preferred: configured before found, then the lower order."""

    key: str
    host: str
    port: int
    origin: Origin
    order: Order
    tls: bool = False
    username: str | None = None

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_url(text: str, number: int) -> Target:
    """`mqtt://[user@]host[:port]` or `mqtts://…`, the `number`-th configured; ValueError says what is wrong."""
    parts = urlsplit(text)
    if parts.scheme not in _PORTS:
        raise ValueError(f"{text!r} must start with mqtt:// or mqtts://")
    if parts.password is not None:
        raise ValueError("a broker URL carries no password; set [mqtt] password_file")
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{text!r} must be mqtt://[user@]host[:port]")
    port = parts.port if parts.port is not None else _PORTS[parts.scheme]
    if port == 0:
        raise ValueError(f"{text!r} has port 0")
    username = unquote(parts.username) if parts.username else None
    order = (0, number, "")
    return Target(f"url-{number}", parts.hostname, port, "configured", order, parts.scheme == "mqtts", username)


class Found(NamedTuple):
    """What an advert claims: a hint until a CONNECT proves it. `origin`: who carried it."""

    name: str
    host: str
    port: int
    rank: int
    origin: Literal["mdns", "broker"] = "mdns"


@dataclass(slots=True)
class Candidate:
    """One broker and its history with us."""

    target: Target
    failures: int = 0
    failed_at_ms: float = -inf
    retry_at_ms: float = 0.0
    refused: str = ""
    """Why it said no, while that is fresh."""
    proven: bool = False
    gone: bool = False
    """Its advert was taken back; forgotten when its connection ends."""
    linked_at_ms: float = 0.0
    missed_until_ms: float = -inf
    """A connection that had stood was lost: looked for with haste until then."""
    peer: str = ""
    """Who answered there last, as the socket says; tells two addresses of one broker."""

    def failed(self, now_ms: float, wait_max_ms: float, jitter: float, refused: str) -> None:
        self.failures += 1
        self.failed_at_ms = now_ms
        self.refused = refused
        self.peer = ""
        wait = min(BACKOFF_MS * 2.0 ** min(self.failures - 1, 10), wait_max_ms)
        self.retry_at_ms = now_ms + (REFUSED_RETRY_MS if refused else wait) * jitter

    def told_again(self, now_ms: float) -> None:
        """Somebody says that it is there: while it is missed, wait no longer than after a first failure."""
        if now_ms < self.missed_until_ms and not self.refused:
            self.retry_at_ms = min(self.retry_at_ms, max(now_ms, self.failed_at_ms + BACKOFF_MS))

    def accepted(self, now_ms: float, peer: str) -> None:
        self.proven = True
        self.refused = ""
        self.linked_at_ms = now_ms
        self.peer = peer

    def is_same_broker(self, other: "Candidate") -> bool:
        """By the socket, or because one host told two addresses of one port."""
        if self is other or (self.peer and self.peer == other.peer):
            return True
        mine, theirs = self.target, other.target
        return bool(mine.order[2]) and (mine.order[2], mine.port) == (theirs.order[2], theirs.port)


class Candidates:
    """In order of preference. Found ones are bounded: the oldest unproven one makes room."""

    def __init__(self, urls: list[Target]) -> None:
        self.configured = [Candidate(target) for target in urls]
        self.found: dict[str, Candidate] = {}  # oldest first
        self.own: Candidate | None = None
        self.evicted = 0

    def __iter__(self) -> Iterator[Candidate]:
        yield from self.configured
        yield from self.found.values()
        if self.own is not None:
            yield self.own

    def __len__(self) -> int:
        return len(self.configured) + len(self.found) + (self.own is not None)

    def add_found(self, found: Found, keep: Callable[[Candidate], bool], now_ms: float) -> None:
        """`keep` names those that are in use. A host that tells another port has started another broker."""
        key = f"{found.name}@{found.host}:{found.port}"
        target = Target(key, found.host, found.port, found.origin, (1, found.rank, found.name))
        known = self.found.get(key)
        if known is not None:
            known.target, known.gone = target._replace(origin=known.target.origin), False
            known.told_again(now_ms)
            return
        for other in [one for one in self.found.values() if one.target.order[2] == found.name]:
            if other.target.port != found.port:
                self._forget(other, keep)
        if len(self.found) >= limits.CANDIDATE_BROKERS_MAX and not self._evict(keep):
            return
        self.found[key] = Candidate(target)

    def take_back(self, name: str, keep: Callable[[Candidate], bool]) -> None:
        for candidate in [one for one in self.found.values() if one.target.order[2] == name]:
            self._forget(candidate, keep)

    def drop(self, candidate: Candidate) -> None:
        self.found.pop(candidate.target.key, None)

    def _forget(self, candidate: Candidate, keep: Callable[[Candidate], bool]) -> None:
        candidate.gone = True
        if not keep(candidate):
            self.drop(candidate)

    def _evict(self, keep: Callable[[Candidate], bool]) -> bool:
        free = [candidate for candidate in self.found.values() if not keep(candidate)]
        victim = next((one for one in free if not one.proven), free[0] if free else None)
        if victim is None:
            return False
        self.evicted += 1
        self.drop(victim)
        return True
