"""What a checkpoint vouches for travels without certificates of its own, and only if its root is over it."""

from edge.wire.finals import FinalsReply, decode_finals_reply, encode_finals_reply, is_about_finals
from edge.wire.frame import Channel
from tests.builders import Machine, World
from tests.unit.node.test_handover import final_of, own_site, told, watched
from tests.unit.node.test_voting import propose


def sealed_site() -> World:
    """Ten registers are final and sealed while x sleeps, and an eleventh is decided after that."""
    world = own_site(checkpoint_ms=5_000.0)
    x = world.machines["x"]
    x.kill()
    for number in range(10):
        propose(world.machines["a"], f"key/{number}", b"%d" % number)
        world.run(1)
    world.run(20)
    assert world.machines["a"].node.voting.agreement.checkpoints.version("site") >= 1
    propose(world.machines["b"], "late", b"late")
    world.run(1)
    return world


def keys_of(machine: Machine) -> dict[str, bytes]:
    return {final.question.key: final.value for final in machine.node.voting.finals.values()}


def test_who_slept_gets_one_certificate_for_all_that_is_sealed_and_hands_it_on() -> None:
    world = sealed_site()
    counts = watched(world)
    x = world.boot("x")
    world.run(5)
    assert keys_of(x) == keys_of(world.machines["a"])
    assert told(x)["finals_unsealed"] >= 10 and 1 <= told(x)["finals_taken"] <= 2
    assert counts[f"{Channel.REPLY} bytes"] < 4 * len(final_of(world, "late"))
    x.kill()
    x = world.boot("x")
    assert keys_of(x) == keys_of(world.machines["a"]), "its own log vouches for it now"
    assert x.node.voting.agreement.checkpoints.version("site") >= 1
    propose(world.machines["a"], "key/3", b"next")
    world.run(5)
    assert keys_of(x)["key/3"] == b"next", "the next version goes on from it"


def test_what_a_checkpoint_does_not_vouch_for_is_refused_and_asked_for_elsewhere() -> None:
    world = sealed_site()
    put = world._put
    forged = 0

    def forge(sender: int, to: int, channel: Channel, payload: bytes) -> None:
        nonlocal forged
        frame = decode_finals_reply(payload) if channel is Channel.REPLY and is_about_finals(payload) else None
        if isinstance(frame, FinalsReply) and frame.unsealed is not None and not forged:
            forged += 1
            rows = tuple(row._replace(value=b"forged") for row in frame.unsealed.rows)
            payload = encode_finals_reply(frame._replace(unsealed=frame.unsealed._replace(rows=rows)))
        put(sender, to, channel, payload)

    world._put = forge  # type: ignore[method-assign]
    x = world.boot("x")
    world.run(20)
    assert forged == 1
    assert x.node.counts()["refused_sealed_other"] == 1
    assert "certificate-wrong" not in [report.event for report in x.reports], "it may know a newer one"
    assert keys_of(x) == keys_of(world.machines["a"])
