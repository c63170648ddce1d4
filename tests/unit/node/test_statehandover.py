"""Who has lost the thread of shared state gets it from peers, and believes nothing but the root that is final."""

from itertools import pairwise
from random import Random

import pytest

from edge import limits
from edge.node import statehandover
from edge.node.statehandover import TRIES_MAX, StateHandover
from edge.wire.frame import Channel
from edge.wire.items import REGISTER
from edge.wire.stateparts import StateReply, decode_state_reply, decode_state_request, encode_state_reply
from tests.builders import Machine, World
from tests.unit.node.test_sealedstate import at_work, kept, roots, values
from tests.unit.node.test_shared import say


def states(machine: Machine) -> StateHandover:
    return machine.node._exchange.handover.states


def reply_of(payload: bytes) -> StateReply:
    reply = decode_state_reply(payload)
    assert isinstance(reply, StateReply)
    return reply


def at_two() -> World:
    world = at_work()
    say(world.machines["x"], ("put", REGISTER, "limit", b"30"))
    world.run(20)
    return world


def lose(machine: Machine) -> None:
    """As after a start from a floor without it."""
    kept(machine).restored(None, has_floor=True)
    kept(machine).sealed = type(kept(machine).sealed)()
    kept(machine).version = 0


def test_who_has_lost_it_gets_it_in_parts_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statehandover, "STATE_PART_BYTES_MAX", 100)
    world = at_two()
    b = world.machines["b"]
    lose(b)
    say(world.machines["x"], ("put", REGISTER, "limit", b"40"))
    world.run(30)
    assert kept(b).handed == 1 and states(b).parts > 2 and kept(b).is_current
    assert values(b) == [b"40"] and len(set(roots(world))) == 1
    assert not any(states(machine)._open or states(machine)._got for machine in world.up())


def test_a_newcomer_that_has_everything_comes_to_it_by_itself() -> None:
    world = at_two()
    x = world.machines["x"]
    x.kill()
    x.log.clear()
    x = world.boot("x")
    world.run(30)
    assert kept(x).handed == 0 and values(x) == [b"30"] and len(set(roots(world))) == 1


def test_what_is_not_under_the_root_is_thrown_away_and_another_peer_is_asked() -> None:
    world = at_two()
    b = world.machines["b"]
    liars = {0, 2, 3}
    send = world.send

    def lie(sender: Machine, to: int, channel: Channel, payload: bytes) -> None:
        if channel is Channel.REPLY and payload[:1] == b"\x88" and sender.index in liars:
            site, index, correlation, version, root, _, _, _ = reply_of(payload)
            payload = encode_state_reply(StateReply(site, index, correlation, version, root, 9, 0, b"poisoned!"))
        send(sender, to, channel, payload)

    world.send = lie  # type: ignore[method-assign]
    lose(b)
    world.run(6)
    assert states(b).wrong == 1 and kept(b).handed == 0 and not kept(b).is_current
    assert b.node.counts()["refused_state_other"] == 1
    liars.clear()
    world.run(20)
    assert kept(b).handed == 1 and len(set(roots(world))) == 1


def test_who_does_not_have_it_says_so_and_is_asked_ever_more_rarely() -> None:
    world = at_two()
    for name in ("a", "b", "c", "d"):
        lose(world.machines[name])
    asked: list[float] = []
    send = world.send

    def note(sender: Machine, to: int, channel: Channel, payload: bytes) -> None:
        if sender.name == "b" and channel is Channel.REQUEST and payload[:1] == b"\x84":
            asked.append(world.ms)
        send(sender, to, channel, payload)

    world.send = note  # type: ignore[method-assign]
    world.run(100)
    gaps = [after - before for before, after in pairwise(asked)]
    assert 3 <= len(asked) <= 6 and gaps == sorted(gaps) and gaps[-1] >= 2 * gaps[0]
    assert states(world.machines["b"]).wrong == 0


def test_answers_that_are_lost_are_asked_for_again_from_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statehandover, "STATE_PART_BYTES_MAX", 100)
    world = at_two()
    b, rng = world.machines["b"], Random(1)
    offsets: list[int] = []
    send = world.send

    def lossy(sender: Machine, to: int, channel: Channel, payload: bytes) -> None:
        if channel is Channel.REQUEST and payload[:1] == b"\x84":
            request = decode_state_request(payload)
            assert not hasattr(request, "reason")
            offsets.append(request.offset)  # type: ignore[union-attr]
            if request.offset and rng.random() < 0.5:  # type: ignore[union-attr]
                return
        send(sender, to, channel, payload)

    world.send = lossy  # type: ignore[method-assign]
    lose(b)
    world.run(60)
    assert kept(b).handed == 1 and offsets.count(0) == 1, "it began once"
    assert len(offsets) > len(set(offsets)) and max(offsets.count(offset) for offset in offsets) <= TRIES_MAX


def test_an_answer_that_nobody_asked_for_is_refused_and_no_more_is_taken_than_may_be() -> None:
    """STATE_PART_BYTES_MAX and STATE_HANDED_BYTES_MAX bound what a decoder takes: tests/conformance has both."""
    world = at_two()
    b = world.machines["b"]
    site, root = world.roster.site, kept(b).sealed.root
    b.do(b.node.receive(Channel.REPLY, encode_state_reply(StateReply(site, 0, 1, 2, root, 4, 0, b"some")), world.now))
    assert b.node.counts()["refused_reply_unasked"] == 1
    assert limits.STATE_PART_BYTES_MAX < limits.FRAME_BYTES_MAX < limits.STATE_HANDED_BYTES_MAX
