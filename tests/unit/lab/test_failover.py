"""What `bench failover` makes of the times it saw."""

from types import SimpleNamespace
from typing import Any

import pytest

from edge.errors import SynedgeError
from edge.lab.benches.failover import _Failover

KILL_NS = 50_000_000_000
MS = 1_000_000


@pytest.fixture
def seen() -> _Failover:
    """The gateway (1) was killed; devices 2 and 3 lived."""
    names = {"gateway": 1, "device-1": 2, "device-2": 3}
    made: Any = _Failover.__new__(_Failover)
    made.site = SimpleNamespace(
        roster=SimpleNamespace(by_name={name: SimpleNamespace(index=index) for name, index in names.items()})
    )
    made.devices = dict.fromkeys(names)
    made.chaos = SimpleNamespace(kills=[{"name": "gateway", "broker": {"gone_ms": 3.0}}])
    made._killed_ns = KILL_NS
    made.recorded_at, made.accepted_at = {}, {}
    return made


def vertex(seen: _Failover, author: int, seq: int, recorded_ms: float, *accepted: tuple[str, float]) -> None:
    """Times after the kill."""
    seen.recorded_at[author, 1, seq] = round(KILL_NS + recorded_ms * MS)
    for name, ms in accepted:
        seen.accepted_at[(author, 1, seq), name] = round(KILL_NS + ms * MS)


def test_again_is_when_the_last_survivor_heard_the_last_other(seen):
    vertex(seen, 2, 1, -10, ("device-2", 40))  # on its way when the broker died
    vertex(seen, 2, 2, 100, ("device-2", 103), ("gateway", 4000))
    vertex(seen, 3, 1, 200, ("device-1", 450))
    vertex(seen, 3, 2, 300, ("device-1", 302))
    vertex(seen, 1, 9, -20, ("device-1", 3000))
    figures = seen.figures()
    assert figures["again_ms"] == 302
    assert figures["vertices"] == 4, "of survivors, at survivors"
    assert figures["delay_ms_max"] == 250
    assert figures["broker_gone_ms"] == 3.0


def test_who_is_never_heard_again_is_an_error(seen):
    vertex(seen, 2, 1, 100, ("device-2", 103))
    with pytest.raises(SynedgeError, match="never heard again"):
        seen.figures()
