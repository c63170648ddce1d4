"""A BrokerChoice by the clock of the test, brokers to find, and a whole site of such choices."""

import heapq
from collections.abc import Callable
from typing import Any

from edge import limits
from edge.shell.candidates import OWN_KEY, Found, parse_url
from edge.shell.choice import (
    Action,
    Advertise,
    BrokerChoice,
    ChoiceOptions,
    Connect,
    Drop,
    Host,
    Unhost,
    Withdraw,
)

AUTO = limits.MEMBERS_MAX
"""Rank 0 of a node that hosts by default, as adverts say it."""
NAME = "50" * 8
LOW = Found("00" * 8, "127.0.0.1", 1001, AUTO + 0)
MIDDLE = Found("88" * 8, "127.0.0.1", 1050, AUTO + 4)
HIGH = Found("ff" * 8, "127.0.0.1", 1099, AUTO + 9)


def key(found: Found) -> str:
    return f"{found.name}@{found.host}:{found.port}"


class Driver:
    """A BrokerChoice and its clock; remembers what it was told to do."""

    def __init__(self, *urls: str, hears: bool = False, name: str = NAME, **options: Any) -> None:
        self.now = 1_000.0
        targets = tuple(parse_url(url, number) for number, url in enumerate(urls))
        self.choice = BrokerChoice(
            ChoiceOptions(name=name, urls=targets, **options), jitter=lambda: 1.0, now_ms=self.now, hears=hears
        )

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.choice, name)
        return lambda *args, **kwargs: method(*args, self.now, **kwargs)

    def join(self, *found: Found) -> list[Action]:
        """Find brokers and link to them; what the last one led to."""
        actions: list[Action] = []
        for one in found:
            if not connects(self.found(one)):
                self.until(Connect, 1_000)
            actions = self.linked(key(one))
        return actions

    def ports(self) -> list[int]:
        """Of the brokers there is a connection to, best first."""
        return [target.port for target in self.choice.targets]

    def after(self, ms: float) -> list[Action]:
        self.now += ms
        return self.choice.tick(self.now)

    def until(self, kind: type, at_most_ms: float) -> float:
        """How long it takes, in steps of 10 ms, until an action of that kind comes."""
        spent = 0.0
        while spent <= at_most_ms:
            if any(isinstance(action, kind) for action in self.after(10)):
                return spent + 10
            spent += 10
        raise AssertionError(f"no {kind.__name__} within {at_most_ms} ms")

    def host(self, port: int = 2000) -> list[Action]:
        """Wait until it hosts, and link to its own broker."""
        self.until(Host, 60_000)
        actions = self.hosted("127.0.0.1", port)
        assert self.linked(OWN_KEY) == []
        return actions


def connects(actions: list[Action]) -> list[str]:
    return [action.target.address for action in actions if isinstance(action, Connect)]


class World:
    """Members by rank. An advert takes 200 ms, a broker 100 ms to start, a CONNECT 20 ms; port 2000 + rank."""

    def __init__(self, ranks: list[int]) -> None:
        self.drivers = {rank: Driver(rank=rank, name=f"{rank:016x}") for rank in ranks}
        self._now = 1_000.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._side = dict.fromkeys(ranks, 0)
        self._told: dict[int, Found] = {}
        self._brokers: list[int] = []
        self._links: list[tuple[int, int, str]] = []  # member, broker, key

    def hosting(self) -> list[int]:
        return sorted(self._brokers)

    def run(self, ms: float) -> None:
        until = self._now + ms
        while self._now < until:
            self._now += 10
            while self._queue and self._queue[0][0] <= self._now:
                heapq.heappop(self._queue)[2]()
            for rank in list(self.drivers):
                self._call(rank, "tick")

    def cut(self, *sides: set[int]) -> None:
        self._side = {rank: number for number, side in enumerate(sides) for rank in sorted(side)}
        self._break(lambda member, broker: not self._reaches(member, broker))

    def mend(self) -> None:
        self._side = dict.fromkeys(self._side, 0)
        for found in list(self._told.values()):
            self._spread(found)

    def end(self, rank: int) -> None:
        """A member dies, and its broker with it."""
        del self.drivers[rank]
        self._told.pop(rank, None)
        self._stop_broker(rank)

    def _reaches(self, one: int, other: int) -> bool:
        return self._side[one] == self._side[other]

    def _later(self, ms: float, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (self._now + ms, self._number, act))

    def _call(self, rank: int, method: str, *args: Any) -> None:
        driver = self.drivers.get(rank)
        if driver is None:
            return
        driver.now = self._now
        for action in getattr(driver, method)(*args):
            self._do(rank, action)

    def _do(self, rank: int, action: Action) -> None:
        match action:
            case Host():
                self._later(100, lambda: self._start_broker(rank))
            case Unhost():
                self._stop_broker(rank)
            case Advertise(port, announced):
                self._told[rank] = Found(f"{rank:016x}", "127.0.0.1", port, announced)
                self._spread(self._told[rank])
            case Withdraw():
                name = self._told.pop(rank).name
                for other in self.drivers:
                    if self._reaches(rank, other):
                        self._later(200, lambda other=other: self._call(other, "lost", name))  # type: ignore[misc]
            case Connect(target):
                self._later(20, lambda: self._connect(rank, target.port - 2000, target.key))
            case Drop(key):
                self._links = [link for link in self._links if (link[0], link[2]) != (rank, key)]

    def _spread(self, found: Found) -> None:
        host = found.port - 2000
        for other in self.drivers:
            if other != host and self._reaches(host, other):
                self._later(200, lambda other=other: self._call(other, "found", found))  # type: ignore[misc]

    def _start_broker(self, rank: int) -> None:
        if rank in self.drivers:
            self._brokers.append(rank)
            self._call(rank, "hosted", "127.0.0.1", 2000 + rank)

    def _stop_broker(self, rank: int) -> None:
        self._brokers = [other for other in self._brokers if other != rank]
        self._break(lambda member, broker: broker == rank)

    def _break(self, is_broken: Callable[[int, int], bool]) -> None:
        broken = [link for link in self._links if is_broken(link[0], link[1])]
        self._links = [link for link in self._links if link not in broken]
        for member, _, key_ in broken:
            self._call(member, "unlinked", key_)

    def _connect(self, member: int, broker: int, key_: str) -> None:
        if broker in self._brokers and self._reaches(member, broker):
            self._links.append((member, broker, key_))
            self._call(member, "linked", key_)
        else:
            self._call(member, "unlinked", key_)
