"""The loop around a real node: what is fed in which order. Disk, network and signatures are left out."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.effects import Decided, Effect, FinalsSealed, Load, Persist, Sign, Verify
from edge.ids import Instant
from edge.limits import CHECKING_MAX, QUEUE_EVENTS_MAX
from edge.nn.export import export_float32
from edge.nn.mlp import Layer
from edge.sense.options import agent_options
from edge.sense.reading import Reading
from edge.sense.senses import Senses
from edge.shell.engines import open_model
from edge.shell.engines.crowd import Crowds, PopulationCrowd
from edge.shell.homeassistant import AgentCard
from edge.shell.loop import MEMBER_OTHERS_MAX, Loop, NoNet, World
from edge.shell.loop import now as clock
from edge.shell.notify import Notifier, Watchdog
from edge.shell.precedence import BULK_WAITS_MS_MAX
from edge.shell.publish import People
from edge.shell.telemetry import Bounded
from edge.wire.event import Event
from edge.wire.frame import Channel
from edge.wire.items import Question
from tests import builders


class Nothing:
    """A disk and a signer that never answer."""

    def put(self, effect: Persist | Load) -> None: ...

    def sign(self, effect: Sign) -> None: ...

    def verify(self, effect: Verify) -> None: ...


def looped(senses: Senses) -> Iterator[Loop]:
    node = builders.World(["a", "b"]).boot("a", link=False, senses=senses).node
    loop = Loop(node, 0)
    people = People(lambda topic, text, retain: True, "a", "", "00" * 8, [AgentCard("probe", "value")])
    nothing = Nothing()
    loop.attach(World(NoNet(), nothing, nothing, people, Bounded(lambda *_: None), Watchdog(Notifier(None))))
    yield loop
    loop.selector.close()
    loop.inbox.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    yield from looped(Senses(()))


AGENTS = 1000


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Loop]:
    """A thousand agents of one source, each with a factor of its own; that of agent 500 is too large for some."""
    table = {"source": "s", "model": "", "decide": {"kind": "value"}}
    senses = Senses([agent_options({**table, "name": f"a{number}"}, ["x"]) for number in range(AGENTS)])
    crowds, models, path = Crowds(), {}, tmp_path / "one.tflite"
    for number, name in enumerate(senses.names):
        path.write_bytes(export_float32([Layer([1e38 if number == 500 else number / 3], [0.5])]))
        models[name] = crowds.choose(path).model
        senses.model_loaded(name, models[name].digest, 1, 1)
    for loop in looped(senses):
        loop.world.models = models
        yield loop


def test_all_that_are_due_run_with_one_call_and_one_that_breaks_stops_alone(
    crowded: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    together = PopulationCrowd.run
    monkeypatch.setattr(PopulationCrowd, "run", lambda self, due: calls.append(len(due)) or together(self, due))
    recorded: list[Effect] = []
    monkeypatch.setattr(crowded, "_dispatch", recorded.append)
    for value in (1.0, 1000.0, 2.5):
        crowded.execute(crowded.node.read(Reading("s", 1, (value,)), builders.World(["a"]).now))
    assert calls == [AGENTS, AGENTS, AGENTS - 1], "a stopped agent asks for nothing"
    senses = crowded.node.senses
    faulty = [name for name in senses.names if senses.agent(name).fault]
    assert faulty == ["a500"] and "is inf, not a finite number" in senses.agent("a500").fault
    assert senses.tally() == (3 * AGENTS, 3 * AGENTS - 1, 0, 1, 0)
    path = tmp_path / "alone.tflite"
    for number in (0, 1, 499, 501, 999):
        path.write_bytes(export_float32([Layer([number / 3], [0.5])]))
        last = senses.agent(f"a{number}").last
        assert last is not None and last.values == open_model(path).run(_float32(2.5))


def test_readings_of_many_agents_come_a_few_a_turn(crowded: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that they become must find room in the queue of events."""
    for number in range(40):
        assert crowded.inbox.reading(Reading("s", number, (1.0,)))
    fed: list[int] = []
    monkeypatch.setattr(crowded.node, "read", lambda reading, now: fed.append(reading.time_ms) or [])
    crowded.turn(wait_ms_max=0)
    assert fed and len(fed) * AGENTS <= QUEUE_EVENTS_MAX // 2
    for _ in range(40):
        crowded.turn(wait_ms_max=0)
    assert fed == list(range(40))


def _float32(value: float) -> bytes:
    return struct.pack("<f", value)


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


@pytest.mark.parametrize(("members", "taken"), [(frozenset({0}), MEMBER_OTHERS_MAX), (frozenset(), 20)])
def test_a_member_takes_few_vertices_in_a_turn_and_every_vote(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, members: frozenset[int], taken: int
) -> None:
    heard: list[Channel] = []
    monkeypatch.setattr(loop.node, "receive", lambda channel, payload, now: heard.append(channel) or [])
    monkeypatch.setattr(loop.node.voting.agreement, "_members", members)
    for _ in range(20):
        loop.inbox.frame(Channel.VERTEX, b"one", 1)
        loop.inbox.frame(Channel.VOTE, b"one", 1)
    loop.turn(wait_ms_max=0.0)
    assert heard == [*[Channel.VOTE] * 20, *[Channel.VERTEX] * taken]
    while Channel.VERTEX in heard[-1:] and len(heard) < 40:
        loop.turn(wait_ms_max=0.0)
    assert len(heard) == 40, "the others come in the next turns, unasked"


def test_a_member_counts_the_vertices_that_are_being_checked(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their results come before the next vote."""
    monkeypatch.setattr(loop.node.voting.agreement, "_members", frozenset({0}))
    rooms = [CHECKING_MAX, CHECKING_MAX - 3, CHECKING_MAX - MEMBER_OTHERS_MAX, 0]
    assert [loop._others(room, clock()) for room in rooms] == [MEMBER_OTHERS_MAX, MEMBER_OTHERS_MAX - 3, 0, 0]


def test_while_a_question_is_open_a_member_takes_votes_alone(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Channel] = []
    agreement = loop.node.voting.agreement
    is_open, mono_ms = True, 50_000.0
    monkeypatch.setattr("edge.shell.loop.now", lambda: Instant(mono_ms, 0))
    monkeypatch.setattr(loop.node, "receive", lambda channel, payload, now: heard.append(channel) or [])
    monkeypatch.setattr(agreement, "_members", frozenset({0}))
    monkeypatch.setattr(type(agreement), "has_open", property(lambda self: is_open))

    def come(channel: Channel) -> list[Channel]:
        heard.clear()
        loop.inbox.frame(channel, b"one", 1)
        loop.turn(wait_ms_max=0.0)
        return heard

    assert come(Channel.VERTEX) == [] and come(Channel.VOTE) == [Channel.VOTE]
    assert 0 < loop._wait_ms() <= BULK_WAITS_MS_MAX
    is_open = False
    assert loop._wait_ms() <= 0 and come(Channel.VERTEX) == [Channel.VERTEX] * 2, "nothing wakes the loop for it"
    is_open = True
    assert come(Channel.VERTEX) == []
    mono_ms += BULK_WAITS_MS_MAX
    assert come(Channel.VERTEX) == [Channel.VERTEX] * 2, "it does not wait for ever"


def test_whatever_the_node_is_told_between_turns_is_seen_in_how_long_the_loop_waits(loop: Loop) -> None:
    loop.turn(wait_ms_max=0.0)
    before_ms = loop._wait_ms()
    loop.execute(loop.node.submit(Event("a", "value", 1, (1.0,)), clock()))
    assert loop._wait_ms() < before_ms / 2
    assert loop.node.deadline() == loop._deadline_ms()


def test_people_are_told_what_is_sealed_and_nothing_counts_as_decided_twice(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Decided] = []
    monkeypatch.setattr(loop.world.people, "decided", told.append)
    one = Decided(Question("site", 1, "model", 1, None), b"one", 0)
    sealed = one._replace(is_sealed=True)
    loop.execute([one, FinalsSealed((sealed,))])
    assert told == [one, sealed]
    assert [final for final, _ in loop.decided_at] == [one], "what is timed is when it was decided"
