"""The demo's check of shared state: it must see devices that hold the same and do not show the same."""

from pathlib import Path
from typing import Any

import pytest

from edge.lab import roots
from edge.lab.process import Device
from edge.lab.roots import BUSY, DONE, Sharing

HELD = [[1, 1, 5, "aa"]]
ROOT, OTHER = "11" * 32, "22" * 32


class Fake(Device):
    """Answers as an agent that was told `say`, with the root that it is given."""

    def __init__(self, name: str, root: str | None = ROOT) -> None:
        super().__init__(name, Path(name))
        self.root = root
        self.frontier: Any = HELD
        self.said: list[tuple[str, str]] = []
        self.shows = {BUSY: 0, DONE: 2}

    def ask(self, op: str, **fields: object) -> Any:
        if op == "frontier":
            return self.frontier
        if op == "state":
            return {"root": self.root, "names": [{"name": name, "count": count} for name, count in self.shows.items()]}
        if op == "state_say":
            self.said.append((str(fields["verb"]), str(fields["name"])))
        return {"number": len(self.said), "recorded": len(self.said)}


def run(one: Fake, other: Fake, logs: tuple[str | None, ...] = (ROOT, ROOT)) -> tuple[dict[str, Any], list[str]]:
    sharing = Sharing()
    sharing.begin([one, other])
    sharing.end([one, other])
    assert sharing.look([one, other]) == [one.frontier, other.frontier]
    answer = sharing.answer(bytes.fromhex(log) if log else None for log in logs)
    return answer, sharing.faults(answer)


def test_one_root_everywhere_is_told_and_nothing_else() -> None:
    one, other = Fake("one"), Fake("other")
    assert run(one, other) == ({"roots_equal": True, "state_root": ROOT}, [])
    assert [verb for verb, _ in one.said] == ["add", "grow", "set", "count", "remove"]


def test_equal_frontiers_with_different_roots_are_a_failure() -> None:
    answer, faults = run(Fake("one"), Fake("other", OTHER))
    assert answer == {"roots_equal": False, "state_root": None}
    assert faults == ["devices with equal frontiers show different roots of shared state"]


@pytest.mark.parametrize("logs", [(ROOT, OTHER), (OTHER, OTHER), (ROOT, None)])
def test_a_root_that_a_log_does_not_come_to_is_a_failure(logs: tuple[str | None, ...]) -> None:
    answer, faults = run(Fake("one"), Fake("other"), logs)
    assert answer["roots_equal"] is False
    assert len(faults) == 1 and "those of their logs" in faults[0]


def test_who_shows_no_root_is_a_failure() -> None:
    answer, faults = run(Fake("one", None), Fake("other", None))
    assert answer["roots_equal"] is False and faults


def test_what_was_said_must_be_there() -> None:
    one, other = Fake("one"), Fake("other")
    other.shows = {BUSY: 1, DONE: 1}
    (fault,) = run(one, other)[1]
    assert fault.startswith("other: of 2 who said that they are done")


def test_who_cannot_be_told_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "SAY_S_MAX", 0.0)
    gone = Fake("gone")
    monkeypatch.setattr(gone, "ask", lambda op, **fields: None)
    sharing = Sharing()
    sharing.begin([gone])
    assert sharing.failures == ["gone: what it was to say in shared state was not recorded"]


def test_a_device_that_moves_while_it_is_looked_at_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    moving, sharing = Fake("moving"), Sharing()
    ask = moving.ask

    def moved(op: str, **fields: object) -> Any:
        if op == "state":
            moving.frontier = [[1, 1, 6, "bb"]]
        return ask(op, **fields)

    monkeypatch.setattr(moving, "ask", moved)
    assert sharing.look([moving]) is None
