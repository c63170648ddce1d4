"""A BrokerChoice by the clock of the test, and brokers to find."""

from typing import Any

from edge import limits
from edge.shell.candidates import OWN_KEY, Found, parse_url
from edge.shell.choice import (
    Action,
    BrokerChoice,
    ChoiceOptions,
    Connect,
    Host,
)

AUTO = limits.MEMBERS_MAX
"""Rank 0 of a node that hosts by default, as adverts say it."""
NAME = "50" * 8
LOW = Found("00" * 8, "127.0.0.1", 1001, AUTO + 0)
HIGH = Found("ff" * 8, "127.0.0.1", 1099, AUTO + 9)


def key(found: Found) -> str:
    return f"{found.name}@{found.host}:{found.port}"


class Driver:
    """A BrokerChoice and its clock; remembers what it was told to do."""

    def __init__(self, *urls: str, hears: bool = False, **options: Any) -> None:
        self.now = 1_000.0
        targets = tuple(parse_url(url, number) for number, url in enumerate(urls))
        self.choice = BrokerChoice(
            ChoiceOptions(name=NAME, urls=targets, **options), jitter=lambda: 1.0, now_ms=self.now, hears=hears
        )

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.choice, name)
        return lambda *args, **kwargs: method(*args, self.now, **kwargs)

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
