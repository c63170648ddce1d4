"""Which broker a node uses and whether it hosts one: decisions only, no socket, thread or clock.

Every node prefers the same broker: a configured one first, then the one whose host has the lowest rank. It holds on to
what it has until something better has accepted a connection, so moving costs no gap; and fail-over follows the
connection, never mDNS. An address that swallows packets costs a moment, since the next is tried beside it. The rules:

1. Configured brokers are tried in their order. One that refuses is a mistake for a person to mend: it is tried again
   slowly, and nothing is hosted meanwhile.
2. Found brokers are tried at once when nothing configured answers.
3. With no connection a node hosts after 0.5 s and 0.15 s per rank, so that usually only the first does. With brokers
   configured it hosts only if told to `always`, once all of them failed. `always` hosts without waiting and outranks.
4. A host that got a connection to a better broker takes its advert back and, a little later, ends its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from edge import limits
from edge.shell.candidates import (
    BACKOFF_MAX_MS,
    LOST_RETRY_MS,
    OWN_KEY,
    SETTLED_BACKOFF_MAX_MS,
    STABLE_MS,
    Candidate,
    Candidates,
    Found,
    Target,
)

HOST_WAIT_MS = 500
LISTEN_WAIT_MS = 3_000  # how long starting to listen for adverts may hold back hosting
HOST_WAIT_PER_RANK_MS = 150
HOST_WAIT_RANKS_MAX = 20  # everybody further down waits as long: if the first twenty are gone, haste matters more
ATTEMPTS_MAX = 4
ATTEMPT_STAGGER_MS = 300  # how much later than the last one another broker is tried beside it
ATTEMPT_GRACE_MS = 2_500  # how long a first attempt that hangs may hold back hosting
RETIRE_LINGER_MS = 1_000
HOST_RETRY_MS = 500
HOST_RETRY_MAX_MS = 30_000


class Connect(NamedTuple):
    """Try this broker, beside the connection there is; answer with `linked` or `unlinked`."""

    target: Target


class Drop(NamedTuple):
    """Leave this connection: it came up after a better one."""

    key: str


class Host(NamedTuple):
    """Start a broker; answer with `hosted` or `unhosted`."""


class Unhost(NamedTuple):
    """End our broker."""


class Advertise(NamedTuple):
    """Tell others about our broker."""

    port: int
    rank: int


class Withdraw(NamedTuple):
    """Stop telling."""


Action = Connect | Drop | Host | Unhost | Advertise | Withdraw


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceOptions:
    """`rank`: our position among the members that may host. `name`: what our adverts are called."""

    name: str
    rank: int = 0
    urls: tuple[Target, ...] = ()
    host: Literal["auto", "always", "never"] = "auto"

    @property
    def announced_rank(self) -> int:
        """Whoever was told to host `always` comes before everyone who would do it by default."""
        return self.rank if self.host == "always" else limits.MEMBERS_MAX + self.rank


class BrokerChoice:
    """Each input returns the actions it leads to. `jitter()` is uniform in [0.5, 1.5). With `hears` somebody will say
    `listening` once adverts can be heard."""

    def __init__(self, options: ChoiceOptions, *, jitter: Callable[[], float], now_ms: float, hears: bool) -> None:
        self._options = options
        self._jitter = jitter
        self._known = Candidates(list(options.urls))
        self._current: Candidate | None = None
        self._current_since = now_ms
        self._attempts: dict[str, Candidate] = {}
        self._attempted_at = now_ms - ATTEMPT_STAGGER_MS
        self._alone_since = now_ms + (LISTEN_WAIT_MS if hears else 0)
        self._hosting: Literal["no", "starting", "up", "retiring"] = "no"
        self._retire_at = 0.0
        self._host_failures = 0
        self._host_at = now_ms

    # What happened

    def listening(self, now_ms: float) -> list[Action]:
        """Adverts are heard from now on, or it is known that they will not be."""
        self._alone_since = min(self._alone_since, now_ms)
        return self._step(now_ms)

    def found(self, advert: Found, now_ms: float) -> list[Action]:
        self._known.add_found(advert, self._in_use)
        return self._step(now_ms)

    def lost(self, name: str, now_ms: float) -> list[Action]:
        self._known.take_back(name, self._in_use)
        return self._step(now_ms)

    def linked(self, key: str, now_ms: float) -> list[Action]:
        """An attempt came up: it is the connection now, unless what there is is better."""
        candidate = self._attempts.pop(key)
        candidate.accepted()
        if self._current is not None and self._order(self._current) < self._order(candidate):
            return [Drop(key), *self._step(now_ms)]
        old, self._current = self._current, candidate
        self._current_since = now_ms
        if old is not None and old.gone:
            self._known.drop(old)
        return self._step(now_ms)

    def unlinked(self, key: str, now_ms: float, *, refused: str = "") -> list[Action]:
        """An attempt failed, or the connection ended. `refused`: the words of a broker that said no."""
        actions: list[Action] = []
        candidate = self._attempts.pop(key, None)
        if candidate is not None:
            self._fail(candidate, now_ms, refused)
            if candidate is self._known.own:
                actions += self._end_own(now_ms)
        elif self._current is not None and self._current.target.key == key:
            self._lose_current(now_ms, refused)
        return actions + self._step(now_ms)

    def hosted(self, host: str, port: int, now_ms: float) -> list[Action]:
        order = (1, self._options.announced_rank, self._options.name)
        if self._current is not None and self._order(self._current) < order:
            self._hosting = "no"  # something better answered while ours was starting
            return [Unhost(), *self._step(now_ms)]
        self._known.own = Candidate(Target(OWN_KEY, host, port, "hosted", order))
        self._hosting = "up"
        return [Advertise(port, self._options.announced_rank), *self._step(now_ms)]

    def unhosted(self, now_ms: float) -> list[Action]:
        """Our broker could not be started, or ended by itself."""
        actions: list[Action] = [Withdraw()] if self._hosting == "up" else []
        self._forget_own(now_ms)
        return actions + self._step(now_ms)

    def rank_changed(self, rank: int, now_ms: float) -> list[Action]:
        """The roster has another order now."""
        self._options = replace(self._options, rank=rank)
        own = self._known.own
        if own is None:
            return self._step(now_ms)
        own.target = own.target._replace(order=(1, self._options.announced_rank, self._options.name))
        told: list[Action] = []
        if self._hosting == "up":
            told.append(Advertise(own.target.port, self._options.announced_rank))
        return told + self._step(now_ms)

    def tick(self, now_ms: float) -> list[Action]:
        return self._step(now_ms)

    # What to say about it

    @property
    def current(self) -> Target | None:
        return self._current.target if self._current is not None else None

    @property
    def is_hosting(self) -> bool:
        return self._hosting in ("up", "retiring")

    def wait_ms(self, now_ms: float) -> float:
        """How long nothing needs deciding."""
        if self._hosting == "retiring":
            return max(1.0, self._retire_at - now_ms)
        if self._current is not None:
            return 1_000.0
        return 50.0 if now_ms < self._alone_since + 10_000 else 250.0

    def counts(self) -> dict[str, int]:
        return {"brokers_known": len(self._known), "brokers_evicted": self._known.evicted}

    # The rules

    def _step(self, now_ms: float) -> list[Action]:
        actions: list[Action] = []
        better = self._better(now_ms)
        if better is not None and self._may_try(better, now_ms):
            self._attempts[better.target.key] = better
            self._attempted_at = now_ms
            actions.append(Connect(better.target))
        if self._may_host(now_ms):
            self._hosting = "starting"
            actions.append(Host())
        return actions + self._retire(now_ms)

    def _may_try(self, better: Candidate, now_ms: float) -> bool:
        """One after the other, beside each other if need be; a fresh one does not wait for those that failed before."""
        if len(self._attempts) >= ATTEMPTS_MAX:
            return False
        if not self._attempts or now_ms >= self._attempted_at + ATTEMPT_STAGGER_MS:
            return True
        return better.failures == 0 and not self._is_hopeful()

    def _is_hopeful(self) -> bool:
        return any(one.failures == 0 for one in self._attempts.values())

    def _better(self, now_ms: float) -> Candidate | None:
        """The most preferred broker that is worth trying now; with a connection, only what is preferred to it."""
        known = self._known
        usable = list(known.configured)
        if not usable or (all(one.failures for one in usable) and not any(one.refused for one in usable)):
            usable += known.found.values()
        if known.own is not None:
            usable.append(known.own)
        if self._current is not None:
            usable = [one for one in usable if one.target.order < self._order(self._current)]
        ready = (one for one in usable if one.retry_at_ms <= now_ms and one.target.key not in self._attempts)
        return min(ready, key=self._order, default=None)

    @staticmethod
    def _order(candidate: Candidate) -> tuple[int, int, str]:
        return candidate.target.order

    def _may_host(self, now_ms: float) -> bool:
        options = self._options
        if self._hosting != "no" or options.host == "never" or self._current is not None or now_ms < self._host_at:
            return False
        if any(one.refused for one in self._known):
            return False  # there is a broker, and we may not use it
        if options.urls:
            return options.host == "always" and all(one.failures for one in self._known.configured)
        if options.host == "always":
            return True
        ready_at = self._alone_since + HOST_WAIT_MS + HOST_WAIT_PER_RANK_MS * min(options.rank, HOST_WAIT_RANKS_MAX)
        return now_ms >= ready_at + (ATTEMPT_GRACE_MS if self._is_hopeful() else 0)

    def _retire(self, now_ms: float) -> list[Action]:
        own, current = self._known.own, self._current
        elsewhere = current is not None and own is not None and self._order(current) < self._order(own)
        if self._hosting == "up" and elsewhere:
            self._hosting = "retiring"
            self._retire_at = now_ms + RETIRE_LINGER_MS
            return [Withdraw()]
        if self._hosting == "retiring" and not elsewhere:
            assert own is not None
            self._hosting = "up"
            return [Advertise(own.target.port, self._options.announced_rank)]
        if self._hosting == "retiring" and now_ms >= self._retire_at:
            self._hosting = "no"
            self._known.own = None
            self._host_failures = 0
            return [Unhost()]
        return []

    def _fail(self, candidate: Candidate, now_ms: float, refused: str) -> None:
        settled = self._current is not None
        candidate.failed(now_ms, SETTLED_BACKOFF_MAX_MS if settled else BACKOFF_MAX_MS, self._jitter(), refused)
        if candidate.gone:
            self._known.drop(candidate)

    def _lose_current(self, now_ms: float, refused: str) -> None:
        """The lost broker is tried again in a moment, unless it keeps dropping us; all others at once."""
        lost, self._current = self._current, None
        assert lost is not None
        if now_ms - self._current_since >= STABLE_MS:
            lost.failures = 0
            self._host_failures = 0
        self._alone_since = now_ms
        for other in self._known:
            if not other.refused:
                other.retry_at_ms = min(other.retry_at_ms, now_ms)
        if lost.failures or refused:
            self._fail(lost, now_ms, refused)
        else:
            lost.failures = 1
            lost.retry_at_ms = now_ms + LOST_RETRY_MS * self._jitter()
            if lost.gone:
                self._known.drop(lost)

    def _end_own(self, now_ms: float) -> list[Action]:
        """Our broker runs and does not answer us: it answers nobody."""
        actions: list[Action] = [Withdraw(), Unhost()] if self._hosting == "up" else [Unhost()]
        self._forget_own(now_ms)
        return actions

    def _forget_own(self, now_ms: float) -> None:
        self._hosting = "no"
        self._known.own = None
        wait = min(HOST_RETRY_MS * 2.0 ** min(self._host_failures, 10), HOST_RETRY_MAX_MS)
        self._host_failures += 1
        self._host_at = now_ms + wait * self._jitter()

    def _in_use(self, candidate: Candidate) -> bool:
        return candidate is self._current or candidate.target.key in self._attempts
