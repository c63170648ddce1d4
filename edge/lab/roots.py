"""What the devices of a demo say in shared state, and whether all who hold the same vertices show the same root.

They are told by their control sockets, as by a person with `synedge state`. What they show is held against the root of
what their logs have, taken anew after every process has ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from edge.lab.process import Device, wait_until

BUSY = "demo/busy"
"""A set: who is at work. Everyone comes, and goes when it is done."""
DONE = "demo/done"
"""A set that only grows: who was."""
LAST = "demo/last"
"""A register: of all who give it a value at once, the newest wins."""
SAID = "demo/said"
"""A counter."""
SAY_S_MAX = 10.0
"""A device that was killed is on its way back when it shall say something."""

Op = tuple[str, str, str]
"""(verb, name, value)"""


class Sharing:
    """One run. `failures` has what was not said."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self._busy: list[str] = []
        self._done: list[str] = []
        self._roots: dict[str, dict[str | None, None]] = {}
        """By frontier, every root that was shown with it."""
        self._shown: dict[str, dict[str, Any]] = {}
        """By device, what it showed last."""

    # ---- what is said

    def begin(self, devices: Iterable[Device]) -> None:
        """Everyone comes; durable when this returns, so that whoever is killed has said it."""
        self._busy = self._say({device: [("add", BUSY, device.name)] for device in devices})

    def end(self, devices: Iterable[Device]) -> None:
        """Everyone goes, and all at once give a register a value: what only a rule of merging can settle."""
        said: dict[Device, Sequence[Op]] = {}
        for device in devices:
            own: list[Op] = [("grow", DONE, device.name), ("set", LAST, device.name), ("count", SAID, "1")]
            said[device] = [*own, ("remove", BUSY, device.name)] if device.name in self._busy else own
        self._done = self._say(said)

    def _say(self, said: dict[Device, Sequence[Op]]) -> list[str]:
        """Names of those who have said everything, durably."""
        numbers = {device: [_tell(device, op) for op in ops] for device, ops in said.items()}
        told = [device.name for device, taken in numbers.items() if _is_recorded(device, taken)]
        for device in numbers:
            if device.name not in told:
                self.failures.append(f"{device.name}: what it was to say in shared state was not recorded")
        return told

    # ---- what is shown

    def look(self, devices: Iterable[Device]) -> list[Any] | None:
        """The frontiers of all, each with its state; None while any of them changes or cannot be seen."""
        frontiers = []
        for device in devices:
            frontier, shown = device.ask("frontier"), device.ask("state")
            if frontier is None or shown is None or device.ask("frontier") != frontier:
                return None
            self._roots.setdefault(json.dumps(frontier), {})[shown["root"]] = None
            self._shown[device.name] = shown
            frontiers.append(frontier)
        return frontiers

    # ---- the verdict

    def answer(self, logs: Iterable[bytes | None]) -> dict[str, Any]:
        """`logs`: the root of what each log has."""
        root = self._root(list(logs))
        return {"roots_equal": root is not None, "state_root": root}

    def _root(self, logs: list[bytes | None]) -> str | None:
        """The one that all have, in hex."""
        of_logs = {root.hex() if root is not None else None for root in logs}
        shown = {show["root"] for show in self._shown.values()}
        differ = any(len(roots) > 1 for roots in self._roots.values())
        return next(iter(shown)) if shown == of_logs and len(shown) == 1 and not differ else None

    def faults(self, answer: dict[str, Any]) -> list[str]:
        """Why the run is not green."""
        said = list(self.failures)
        if any(len(roots) > 1 for roots in self._roots.values()):
            said.append("devices with equal frontiers show different roots of shared state")
        elif not answer["roots_equal"]:
            said.append("the roots of shared state that devices showed and those of their logs are not all the same")
        for name, shown in self._shown.items():
            counts = {row["name"]: row["count"] for row in shown["names"] if row["name"] in (BUSY, DONE)}
            if counts.get(BUSY, 0) or counts.get(DONE, 0) != len(self._done):
                said.append(f"{name}: of {len(self._done)} who said that they are done it shows {counts}")
        return said


def _tell(device: Device, op: Op) -> int | None:
    """The number of the operation there; None if it was not taken."""
    verb, name, value = op
    what: dict[str, object] = {"delta": int(value)} if verb == "count" else {"value_hex": value.encode().hex()}
    answers: list[Any] = []

    def is_taken() -> bool:
        answers[:] = [device.ask("state_say", verb=verb, name=name, **what)]
        return answers[0] is not None

    return int(answers[0]["number"]) if wait_until(is_taken, SAY_S_MAX) else None


def _is_recorded(device: Device, taken: list[int | None]) -> bool:
    """Whether all of these numbers were given, and are durable soon."""
    numbers = [number for number in taken if number is not None]

    def is_durable() -> bool:
        said = device.ask("state_said")
        return said is not None and int(said["recorded"]) >= max(numbers)

    return len(numbers) == len(taken) and wait_until(is_durable, SAY_S_MAX)
