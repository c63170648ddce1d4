"""The loop around a real node: what is fed in which order. Disk, network and signatures are left out."""

from collections.abc import Iterator

import pytest

from edge.effects import Load, Persist, Sign, Verify
from edge.sense.reading import Reading
from edge.shell.homeassistant import AgentCard
from edge.shell.loop import Loop, NoNet, World
from edge.shell.notify import Notifier, Watchdog
from edge.shell.publish import People
from edge.shell.telemetry import Bounded
from tests import builders


class Nothing:
    """A disk and a signer that never answer."""

    def put(self, effect: Persist | Load) -> None: ...

    def sign(self, effect: Sign) -> None: ...

    def verify(self, effect: Verify) -> None: ...


@pytest.fixture
def loop() -> Iterator[Loop]:
    node = builders.World(["a", "b"]).boot("a", link=False).node
    loop = Loop(node, 0)
    people = People(lambda topic, text, retain: True, "a", "", "00" * 8, [AgentCard("probe", "value")])
    nothing = Nothing()
    loop.attach(World(NoNet(), nothing, nothing, people, Bounded(lambda *_: None), Watchdog(Notifier(None))))
    yield loop
    loop.selector.close()
    loop.inbox.close()


@pytest.mark.parametrize("count", [1, 3, 128, 129, 400])
def test_the_end_of_a_source_comes_after_its_last_reading(loop: Loop, count: int) -> None:
    fed: list[str] = []
    loop.node.read = lambda reading, now: fed.append("reading") or []  # type: ignore[method-assign,func-returns-value]
    loop.node.source_ended = lambda source, now: fed.append(source) or []  # type: ignore[method-assign,func-returns-value]
    for number in range(count):
        assert loop.inbox.reading(Reading("s", number, (1.0,)))
    loop.after_readings(loop.node.source_ended, "s")
    for _ in range(count // 128 + 2):
        loop.turn(wait_ms_max=0)
    assert fed == ["reading"] * count + ["s"]
