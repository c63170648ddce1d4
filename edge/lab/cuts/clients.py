"""Who asks the site that is cut: clients that propose, a watcher that looks at every node, and the history of both."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from random import Random

from edge.consensus.lease import LEASES, Term, encode_term
from edge.errors import SynedgeError, UnavailableError
from edge.lab.cuts.history import Asked, Held, History, Outcome, Shown
from edge.lab.process import Device
from edge.limits import LEASE_MS_MIN
from edge.shell.control import ask
from edge.wire.voters import SITE_SCOPE

POLL_S = 0.05
WATCH_S = 0.2
DECIDE_S = 6.0
"""How long a client waits for an answer; what becomes of its proposal then it does not know."""
PAUSE_S_MAX = 0.4
CLIENTS_MAX = 20
ANYONES = ("lease/door", "lease/crane")
"""Keys that every member may propose for, a term of its own alone."""
VOTERS = ("config/night", "config/day", "model/bearing")
"""Keys of those who vote."""
KEYS = (*ANYONES, *VOTERS)


class Witness:
    """What nodes show, as one thread sees it; each thread has its own, over one history."""

    def __init__(self, history: History, lock: threading.Lock) -> None:
        self.history = history
        self._lock = lock
        self._last: dict[tuple[str, str], tuple[int, str]] = {}

    def look(self, node: Device) -> dict[str, tuple[int, str]] | None:
        """Version and value of each key, as the node answers now; None if it does not."""
        asked_ns = time.monotonic_ns()
        rows = node.ask("registers")
        ended_ns = time.monotonic_ns()
        if rows is None:
            return None
        found = {row["key"]: (row["version"], row["value_hex"]) for row in rows}
        for key in KEYS:
            version, value = found.get(key, (0, ""))
            if self._last.get((node.name, key), (0, "")) != (version, value):
                self._last[node.name, key] = (version, value)
                with self._lock:
                    self.history.shown.append(Shown(node.name, key, version, value, asked_ns, ended_ns))
        return found

    def look_at_leases(self, node: Device) -> None:
        """Which ones it takes for its own now."""
        asked_ns = time.monotonic_ns()
        rows = node.ask("leases")
        ended_ns = time.monotonic_ns()
        for row in rows or ():
            if row["state"] == "ours":
                held = Held(node.name, LEASES + row["name"], row["token"], asked_ns, ended_ns, row["left_ms"])
                with self._lock:
                    self.history.held.append(held)

    def asked(self, asked: Asked) -> None:
        with self._lock:
            self.history.asked.append(asked)


class Client:
    """Proposes through one node, of this index in the roster, one thing after the other. No two have one `number`."""

    def __init__(
        self, number: int, node: Device, index: int, keys: Sequence[str], rng: Random, witness: Witness
    ) -> None:
        self.name = f"client-{number}"
        self._term_ms = LEASE_MS_MIN + number
        self.node = node
        self._index = index
        self._keys = keys
        self._rng = rng
        self._witness = witness
        self._number = 0
        self.refusals: Counter[str] = Counter()
        """What the node said to what it did not take, by reason."""

    @property
    def has_leases(self) -> bool:
        return bool(set(self._keys) & set(ANYONES))

    def run(self, is_over: threading.Event) -> None:
        """Until it is over; what was begun by then is waited for."""
        while not is_over.is_set():
            if self.node.is_running:
                self.propose(self._rng.choice(self._keys), DECIDE_S)
            is_over.wait(self._rng.uniform(0, PAUSE_S_MAX))

    def propose(self, key: str, timeout_s: float) -> Asked:
        """A value that nobody else has, and what became of it."""
        self._number += 1
        value = self._value(key).hex()
        asked_ns = time.monotonic_ns()
        version: int | None = None
        outcome: Outcome = "unknown"
        try:
            version = self._ask(key, value)
            outcome = self._wait(key, value, version, time.monotonic() + timeout_s)
        except UnavailableError:
            pass  # the node may have taken it before it fell silent
        except SynedgeError as error:
            outcome = "refused"
            self.refusals[str(error).removeprefix("the agent refused: ").partition(":")[0]] += 1
        asked = Asked(self.name, key, value, asked_ns, time.monotonic_ns(), outcome, version)
        self._witness.asked(asked)
        return asked

    def _value(self, key: str) -> bytes:
        if key in ANYONES:
            return encode_term(Term(self._index, self._term_ms + CLIENTS_MAX * self._number))
        return f"{self.name}/{self._number}".encode()

    def _ask(self, key: str, value: str) -> int:
        socket = self.node.directory / "run" / "synedge.sock"
        answer = ask(socket, "propose", scope=SITE_SCOPE, key=key, value_hex=value)
        version: int = answer["version"]
        return version

    def _wait(self, key: str, value: str, version: int, deadline_s: float) -> Outcome:
        while time.monotonic() < deadline_s and self.node.is_running:
            found = (self._witness.look(self.node) or {}).get(key, (0, ""))
            if found[0] == version:
                return "final" if found[1] == value else "lost"
            if found[0] > version:
                return "unknown"
            time.sleep(POLL_S)
        return "unknown"


class Crowd:
    """All of them at once, each in a thread of its own, and the watcher."""

    def __init__(self, clients: Sequence[Client], nodes: Sequence[Device], watcher: Witness) -> None:
        self._is_over = threading.Event()
        self._is_unwatched = threading.Event()
        self.nodes = nodes
        self._watcher = watcher
        self._holders = list(dict.fromkeys(client.node for client in clients if client.has_leases))
        self._threads = [threading.Thread(target=client.run, args=(self._is_over,)) for client in clients]
        self._watching = threading.Thread(target=self._watch)

    def start(self) -> None:
        for thread in (*self._threads, self._watching):
            thread.start()

    def stop(self) -> None:
        """End the clients; the watcher goes on."""
        self._is_over.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def close(self) -> None:
        self.stop()
        self._is_unwatched.set()
        if self._watching.is_alive():
            self._watching.join()

    def _watch(self) -> None:
        while not self._is_unwatched.wait(WATCH_S):
            for node in self.nodes:
                if node.is_running:
                    self._watcher.look(node)
            for node in self._holders:
                if node.is_running:
                    self._watcher.look_at_leases(node)
