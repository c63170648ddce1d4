"""A real agent on a device whose clock has no battery: its wall clock stands in 1970 until somebody sets it.

libfaketime stands between the process and the kernel, for the wall clock alone: the monotonic clock goes on whatever is
done to the other, as it does on a device.
"""

import shutil
import time
from pathlib import Path

import pytest

from edge.wire import hlc
from edge.wire.event import TIME_UNSURE, Event
from edge.wire.vertex import Header, body_events
from tests.integration.agents import Field, Node, at, broker, field

SHIM = next((str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), "")
EARLY_MS = 365 * 86_400_000
"""Whatever is older than this was said by a clock that nobody has set."""

pytestmark = [
    pytest.mark.skipif(not SHIM, reason="libfaketime is not installed (deploy/bootstrap.sh --test)"),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="no Mosquitto on this machine"),
]


class WallClock:
    """Of one device, as a file that its libfaketime reads at every look at the clock."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.unset()

    def unset(self) -> None:
        """The power was gone: now is a few seconds after the epoch, and time goes on from there."""
        self._say(f"-{time.time() - 5:.0f}")

    def set_right(self) -> None:
        self._say("+0")

    def _say(self, offset: str) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(offset + "\n")
        draft.replace(self._file)  # it is read at any moment

    def inside(self) -> tuple[str, ...]:
        """What the command line of a process begins with that lives by this clock."""
        settings = {
            "LD_PRELOAD": SHIM,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        return ("env", *(f"{name}={value}" for name, value in settings.items()))


def line_of(site: Field, author: str, at_node: Node) -> list[tuple[Header, tuple[Event, ...]]]:
    """What a node holds of a member's line."""
    index = site.index(author)
    return [
        (header, body_events(body) if body else ()) for header, body in at_node.vertices() if header.author == index
    ]


def unsure(line: list[tuple[Header, tuple[Event, ...]]]) -> dict[float, bool]:
    """Of each event, by its number, whether it says that its time is not sure."""
    events = [event for _, events in line for event in events]
    return {float(event.values[0]): bool(event.flags & TIME_UNSURE) for event in events}


def test_a_device_that_wakes_in_1970_records_and_goes_on_when_its_clock_is_set(tmp_path: Path) -> None:
    with broker() as port, field(tmp_path, "right", "unset") as site:
        right, unset = site["right"], site["unset"]
        clock = WallClock(tmp_path / "clock")
        unset.inside = clock.inside()
        for node in site:
            node.configure(at(port))
            node.up()

        assert unset.now()["time_unsure"] and not right.now()["time_unsure"]
        unset.feed(1, 2)
        unset.records_event(2)
        right.feed(100)
        right.records_event(1)
        site.agree()
        unset.feed(3)
        unset.records_event(3)

        clock.set_right()
        unset.waits_for(lambda status: not status["time_unsure"], "its clock is sure")
        unset.feed(4)
        unset.records_event(4)
        first_life = unset.now()["incarnation"]
        assert unset.down() == 0

        clock.unset()  # and once more without power, by a log that knows what time it was
        unset.up()
        assert unset.now()["time_unsure"]
        unset.feed(5)
        unset.records_event(1)
        site.agree()
        refused = {name: count for name, count in right.counts().items() if name.startswith("refused_") and count}
        assert not refused, "time decides nothing about what is valid"
        for node in site:
            assert node.now()["quarantined"] == []
            assert node.down() == 0

        line = line_of(site, "unset", right)
        assert line == line_of(site, "unset", unset), "a peer accepts all of it"
        assert unsure(line) == {1: True, 2: True, 3: True, 4: False, 5: True}
        headers = [header for header, _ in line]
        assert [header.seq for header in headers] == list(range(1, len(headers) + 1))
        assert [header.hlc for header in headers] == sorted({header.hlc for header in headers})
        assert all(hlc.unpack(header.hlc)[0] >= site.site.roster.issued_ms for header in headers)
        lives = [header.incarnation for header in headers]
        assert lives == sorted(lives) and lives[0] == first_life < lives[-1]
        times = {float(event.values[0]): event.time_ms for _, events in line for event in events}
        assert max(times[1], times[2], times[3], times[5]) < EARLY_MS < times[4]
        for node in site:
            verdict = node.audit()
            assert verdict["ok"] and verdict["forks"] == []
