"""Links under test and what they report; waiting is for events, with a deadline."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edge.shell.mqtt import Ears, Inbound, Link, MqttOptions

DEADLINE_S = 15.0
SITE = "0123456789abcdef"


class Recorder:
    """What happened, in order; `wait` until it satisfies somebody."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._changed = threading.Condition()

    def add(self, item: Any) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def items(self) -> list[Any]:
        with self._changed:
            return list(self._items)

    def wait(self, satisfied: Callable[[list[Any]], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
        with self._changed:
            if self._changed.wait_for(lambda: satisfied(self._items), deadline_s):
                return satisfied(self._items)
            raise AssertionError(f"{what}: not within {deadline_s} s; so far {self._items[-20:]!r:.2000}")

    def wait_count(self, count: int, what: str) -> list[Any]:
        self.wait(lambda items: len(items) >= count, what)
        return self.items()


class Client:
    """A Link and everything it said."""

    def __init__(self, port: int, index: int, **options: Any) -> None:
        self.frames = Recorder()
        self.states = Recorder()
        self.hints = Recorder()
        self.name = f"node-{index}"
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "client_id": f"test-{index}",
            "site": SITE,
            "index": index,
            "node": self.name,
            "keep_all": True,
        }
        self.link = Link(
            MqttOptions(**{**settings, **options}),
            Ears(self._deliver, hint=lambda index, payload: self.hints.add((index, payload))),
            on_state=lambda up, why: self.states.add((up, why)),
        )

    def _deliver(self, frame: Inbound) -> None:
        self.frames.add(frame)

    def up(self) -> "Client":
        self.link.start()
        self.states.wait(lambda states: states, "the link says something")
        assert self.states.items()[0] == (True, ""), self.states.items()
        return self

    def why_down(self) -> str:
        states = self.states.wait(lambda states: [why for up, why in states if not up], "the link is down")
        return str(states[0])


@contextmanager
def linked(port: int, *indices: int, **options: Any) -> Iterator[list[Client]]:
    """Links that are up, and left when done."""
    clients: list[Client] = []
    try:
        for index in indices:
            clients.append(Client(port, index, **options))
            clients[-1].up()
        yield clients
    finally:
        for client in clients:
            client.link.stop()


def line_in(path: str, name: str) -> str:
    """The rest of the line of a /proc file that starts with `name`."""
    with open(path) as lines:
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(name))
