"""Which brokers a node uses and whether it hosts one: decisions only, no socket, thread or clock.

Every node prefers the same two brokers: configured ones first, then those whose hosts have the lowest ranks. It holds
on to what it has until something better has accepted a connection, so moving costs no gap; and fail-over follows the
connection, never mDNS. An address that swallows packets costs a moment, since the next is tried beside it. The rules:

1. Configured brokers come first, in their order. One that refuses is a mistake for a person to mend: it is tried again
   slowly, and neither hosted nor found ones take its place.
2. Found brokers fill the places that configured ones leave.
3. With no connection a node hosts after 0.5 s and 0.15 s per rank, with one connection after 0.5 s and 0.3 s per rank,
   so that usually only the first two do. With brokers configured it hosts only if told to `always`, once each of them
   has answered or failed. `always` hosts without waiting and outranks.
4. A host with connections to two better brokers takes its advert back and, a little later, ends its own. So does one
   that only this machine can reach, once it has found a broker elsewhere.
5. Of two connections to one broker, by whatever names, the less preferred is left.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from edge import limits
from edge.shell.broker_config import is_loopback
from edge.shell.candidates import (
    BACKOFF_MAX_MS,
    LOST_RETRY_MS,
    MISSED_BACKOFF_MAX_MS,
    MISSED_MS,
    OWN_KEY,
    STABLE_MS,
    Candidate,
    Candidates,
    Found,
    Order,
    Target,
)

HOST_WAIT_MS = 500
LISTEN_WAIT_MS = 3_000  # how long starting to listen for adverts may hold back hosting
HOST_WAIT_PER_RANK_MS = 150
HOST_WAIT_RANKS_MAX = 20  # everybody further down waits as long: if the first twenty are gone, haste matters more
SECOND_WAIT_PER_RANK_MS = 300  # of those that have one broker: haste matters less than that only one of them hosts
ATTEMPTS_MAX = 4
ATTEMPT_STAGGER_MS = 300  # how much later than the last one another broker is tried beside it
ATTEMPT_GRACE_MS = 2_500  # how long a first attempt that hangs may hold back hosting
RETIRE_LINGER_MS = 1_000
HOST_RETRY_MS = 500
HOST_RETRY_MAX_MS = 30_000
MISSED_WAIT_PER_RANK_MS = 20  # so that a large site does not look for one dead host all at once
HASTE_MS = 10_000  # how long what is missing is looked after at every turn


class Connect(NamedTuple):
    """Try this broker, beside the connections there are; answer with `linked` or `unlinked`."""

    target: Target


class Drop(NamedTuple):
    """Leave this connection: there are better ones."""

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
    """`rank`: our position among the members that may host. `name`: what our adverts are called. `listen`: where a
    broker of ours would."""

    name: str
    rank: int = 0
    urls: tuple[Target, ...] = ()
    host: Literal["auto", "always", "never"] = "auto"
    listen: str = "127.0.0.1"

    @property
    def announced_rank(self) -> int:
        """Whoever was told to host `always` comes before everyone who would do it by default."""
        return self.rank if self.host == "always" else limits.MEMBERS_MAX + self.rank

    @property
    def order(self) -> Order:
        return (1, self.announced_rank, self.name)


class BrokerChoice:
    """Each input returns the actions it leads to. `jitter()` is uniform in [0.5, 1.5). With `hears` somebody will say
    `listening` once adverts can be heard."""

    def __init__(self, options: ChoiceOptions, *, jitter: Callable[[], float], now_ms: float, hears: bool) -> None:
        self._options = options
        self._jitter = jitter
        self._known = Candidates(list(options.urls))
        self._links: dict[str, Candidate] = {}
        self._attempts: dict[str, Candidate] = {}
        self._attempted_at = now_ms - ATTEMPT_STAGGER_MS
        self._short_since = now_ms + (LISTEN_WAIT_MS if hears else 0)  # of brokers: fewer links than there should be
        self._hosting: Literal["no", "starting", "up", "retiring"] = "no"
        self._retire_at = 0.0
        self._host_failures = 0
        self._host_at = now_ms

    # What happened

    def listening(self, now_ms: float) -> list[Action]:
        """Adverts are heard from now on, or it is known that they will not be."""
        self._short_since = min(self._short_since, now_ms)
        return self._step(now_ms)

    def found(self, advert: Found, now_ms: float) -> list[Action]:
        if advert.name != self._options.name:
            self._known.add_found(advert, self._in_use, now_ms)
        return self._step(now_ms)

    def lost(self, name: str, now_ms: float) -> list[Action]:
        """An advert was taken back: a host that retires has found two better ones, perhaps those that we miss."""
        if any(one.target.order[2] == name for one in self._links.values()):
            for other in self._known:
                other.told_again(now_ms)
        self._known.take_back(name, self._in_use)
        return self._step(now_ms)

    def linked(self, key: str, now_ms: float, peer: str = "") -> list[Action]:
        """An attempt came up. `peer`: what the socket says who answered, "" if nobody asked it."""
        candidate = self._attempts.pop(key)
        candidate.accepted(now_ms, peer)
        self._links[key] = candidate
        actions: list[Action] = []
        surplus = self._surplus()
        if surplus is not None:
            actions.append(self._leave(surplus))
        if len(self._links) < limits.LINKS_MAX:
            self._short_since = now_ms
        return actions + self._step(now_ms)

    def unlinked(self, key: str, now_ms: float, *, refused: str = "") -> list[Action]:
        """An attempt failed, or a connection ended. `refused`: the words of a broker that said no."""
        actions: list[Action] = []
        candidate = self._attempts.pop(key, None)
        if candidate is not None:
            self._fail(candidate, now_ms, refused)
            if candidate is self._known.own:
                actions += self._end_own(now_ms)
        elif key in self._links:
            self._lose(self._links.pop(key), now_ms, refused)
        return actions + self._step(now_ms)

    def hosted(self, host: str, port: int, now_ms: float) -> list[Action]:
        if self._is_spare():
            self._hosting = "no"  # something better answered while ours was starting
            return [Unhost(), *self._step(now_ms)]
        self._known.own = Candidate(Target(OWN_KEY, host, port, "hosted", self._options.order))
        self._hosting = "up"
        return [Advertise(port, self._options.announced_rank), *self._step(now_ms)]

    def unhosted(self, now_ms: float) -> list[Action]:
        """Our broker could not be started, or ended by itself."""
        actions: list[Action] = [Withdraw()] if self._hosting == "up" else []
        self._forget_own(now_ms)
        return actions + self._step(now_ms)

    def rank_changed(self, rank: int, now_ms: float) -> list[Action]:
        """The roster has another order now."""
        if rank == self._options.rank:
            return []
        self._options = replace(self._options, rank=rank)
        own = self._known.own
        if own is None:
            return self._step(now_ms)
        own.target = own.target._replace(order=self._options.order)
        told: list[Action] = []
        if self._hosting == "up":
            told.append(Advertise(own.target.port, self._options.announced_rank))
        return told + self._step(now_ms)

    def tick(self, now_ms: float) -> list[Action]:
        return self._step(now_ms)

    # What to say about it

    @property
    def targets(self) -> tuple[Target, ...]:
        """What there is a connection to, best first."""
        return tuple(one.target for one in self._ordered())

    @property
    def is_hosting(self) -> bool:
        return self._hosting in ("up", "retiring")

    def wait_ms(self, now_ms: float) -> float:
        """How long nothing needs deciding."""
        if self._hosting == "retiring":
            return max(1.0, self._retire_at - now_ms)
        if len(self._links) < limits.LINKS_MAX and now_ms < self._short_since + HASTE_MS:
            return 50.0
        return 1_000.0 if self._links else 250.0

    def counts(self) -> dict[str, int]:
        known = self._known
        return {"brokers_known": len(known), "brokers_evicted": known.evicted, "host_rank": self._options.rank}

    # The rules

    def _step(self, now_ms: float) -> list[Action]:
        actions = self._retire(now_ms)
        better = self._better(now_ms)
        if better is not None and self._may_try(better, now_ms):
            self._attempts[better.target.key] = better
            self._attempted_at = now_ms
            actions.append(Connect(better.target))
        if self._may_host(now_ms):
            self._hosting = "starting"
            actions.append(Host())
        return actions

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
        """The most preferred broker that is worth trying now; with all connections, only what is preferred to one."""
        known, links = self._known, list(self._links.values())
        usable = list(known.configured)
        if self._are_configured_tried() and not any(one.refused for one in known.configured):
            usable += known.found.values()
        if known.own is not None and self._hosting == "up":
            usable.append(known.own)
        ready = (
            one
            for one in usable
            if one.retry_at_ms <= now_ms
            and not self._in_use(one)
            and not any(one.is_same_broker(other) for other in links)
        )
        best = min(ready, key=_order, default=None)
        if best is not None and len(links) >= limits.LINKS_MAX and _order(best) > max(map(_order, links)):
            return None
        return best

    def _are_configured_tried(self) -> bool:
        return all(one.failures or one.target.key in self._links for one in self._known.configured)

    def _ordered(self) -> list[Candidate]:
        return sorted(self._links.values(), key=_order)

    def _surplus(self) -> Candidate | None:
        """The connection that is one too many: the worse of two to one broker, else the worst."""
        ordered = self._ordered()
        for number, one in enumerate(ordered):
            if any(one.is_same_broker(better) for better in ordered[:number]):
                return one
        return ordered[-1] if len(ordered) > limits.LINKS_MAX else None

    def _leave(self, candidate: Candidate) -> Action:
        key = candidate.target.key
        del self._links[key]
        if candidate.gone:
            self._known.drop(candidate)
        return Drop(key)

    def _may_host(self, now_ms: float) -> bool:
        options = self._options
        if self._hosting != "no" or options.host == "never" or now_ms < self._host_at or self._is_spare():
            return False
        if any(one.refused for one in self._known):
            return False  # there is a broker, and we may not use it
        if options.host == "always":
            return self._are_configured_tried()
        if options.urls or len(self._links) >= limits.LINKS_MAX:
            return False
        wait = HOST_WAIT_MS + HOST_WAIT_PER_RANK_MS * min(options.rank, HOST_WAIT_RANKS_MAX)
        if self._links:
            wait = HOST_WAIT_MS + SECOND_WAIT_PER_RANK_MS * options.rank
        return now_ms >= self._short_since + wait + (ATTEMPT_GRACE_MS if self._is_hopeful() else 0)

    def _is_spare(self) -> bool:
        """Nobody needs a broker of ours: there are two better ones, or one for others than this machine."""
        options, own = self._options, self._known.own
        others = [one for one in self._links.values() if own is None or not one.is_same_broker(own)]
        if sum(_order(one) < options.order for one in others) >= limits.LINKS_MAX:
            return True
        is_private = is_loopback(options.listen) and options.host == "auto"
        return is_private and any(not is_loopback(one.target.host) for one in others)

    def _retire(self, now_ms: float) -> list[Action]:
        own, is_spare = self._known.own, self._is_spare()
        if self._hosting == "up" and is_spare:
            self._hosting = "retiring"
            self._retire_at = now_ms + RETIRE_LINGER_MS
            return [Withdraw()]
        if self._hosting == "retiring" and not is_spare:
            assert own is not None
            self._hosting = "up"
            return [Advertise(own.target.port, self._options.announced_rank)]
        if self._hosting == "retiring" and now_ms >= self._retire_at:
            actions: list[Action] = [self._leave(self._links[OWN_KEY])] if OWN_KEY in self._links else []
            self._hosting = "no"
            self._known.own = None
            self._host_failures = 0
            if len(self._links) < limits.LINKS_MAX:
                self._short_since = now_ms
            return [*actions, Unhost()]
        return []

    def _fail(self, candidate: Candidate, now_ms: float, refused: str) -> None:
        wait_max = BACKOFF_MAX_MS[min(len(self._links), limits.LINKS_MAX)]
        if now_ms < candidate.missed_until_ms:  # a cut that is soon mended
            wait_max = min(wait_max, MISSED_BACKOFF_MAX_MS + MISSED_WAIT_PER_RANK_MS * self._options.rank)
        candidate.failed(now_ms, wait_max, self._jitter(), refused)
        if candidate.gone:
            self._known.drop(candidate)

    def _lose(self, lost: Candidate, now_ms: float, refused: str) -> None:
        """The lost broker is tried again in a moment, unless it keeps dropping us; all others at once."""
        if now_ms - lost.linked_at_ms >= STABLE_MS:
            lost.failures = 0
            lost.missed_until_ms = now_ms + MISSED_MS
            self._host_failures = 0
        self._short_since = now_ms
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
        return candidate.target.key in self._links or candidate.target.key in self._attempts


def _order(candidate: Candidate) -> Order:
    return candidate.target.order
