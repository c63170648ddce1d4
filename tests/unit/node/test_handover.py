"""What is final travels as certificates, to who slept or keeps its own line, and is judged before it is believed."""

from collections import Counter

import pytest

from edge.consensus.certificate import decode_certificate
from edge.dag.records import CERTIFICATE
from edge.effects import Decided, Effect, Send, Verify
from edge.limits import (
    CERTIFICATE_BYTES_MAX,
    FINALS_ALL_BURST,
    FINALS_ALL_PER_S,
    FINALS_FRAME_BYTES_MAX,
    FINALS_REQUESTS_BURST,
    FINALS_REQUESTS_PER_S,
    TICKETS_MAX,
)
from edge.wire.cbor import decode, encode
from edge.wire.finals import (
    FinalsReply,
    FinalsRequest,
    decode_finals_reply,
    decode_finals_request,
    encode_finals_reply,
    encode_finals_request,
    is_about_finals,
    mark_of,
    tag_of,
)
from edge.wire.frame import Channel, FrontierFrame, decode_frontier, encode_frontier
from edge.wire.items import Question
from tests.builders import Machine, World, roster_of
from tests.unit.node.test_voting import propose, site, values


def own_site(**options: object) -> World:
    """Four who vote, one of them a gateway, and a device that keeps its own line."""
    world = World(["a", "b", "c", "g", "x"], ("g",), own_only=("x",), voting=("a", "b", "c", "g"), **options)
    world.boot_all()
    world.deliver()
    world.run(12)
    return world


def watched(world: World) -> Counter[str]:
    """Counts the frames about finals that are sent from now on, and their bytes."""
    counts: Counter[str] = Counter()
    put = world._put

    def note(sender: int, to: int, channel: Channel, payload: bytes) -> None:
        if channel in (Channel.REQUEST, Channel.REPLY) and is_about_finals(payload):
            counts[str(channel)] += 1
            counts[f"{channel} bytes"] += len(payload)
        put(sender, to, channel, payload)

    world._put = note  # type: ignore[method-assign]
    return counts


def told(machine: Machine) -> dict[str, int]:
    return {name: count for name, count in machine.node.counts().items() if name.startswith("finals_")}


def final_of(world: World, key: str = "model") -> bytes:
    final = world.machines["a"].node.voting.agreement.registers.get("site", key)
    assert final is not None
    return final.certificate


def test_a_device_that_keeps_its_own_line_learns_each_final_with_one_question() -> None:
    world = own_site()
    x, counts = world.machines["x"], watched(world)
    question = propose(world.machines["a"], "model", b"one")
    world.run(3)
    assert values(world) == [b"one"] * 5
    assert x.decided == [Decided(question, b"one", 0)]
    assert [record.payload for record in x.log if record.type == CERTIFICATE] == [
        x.node.voting.agreement.registers.get("site", "model").certificate
    ]
    assert (counts["rq"], counts["rs"]) == (1, 1)
    assert x.node.graph.branches(0) == [], "it holds nobody's vertices"
    x.kill()
    x = world.boot("x", link=False)
    assert x.node.voting.agreement.registers.get("site", "model").value == b"one", "from its log"
    propose(world.machines["a"], "model", b"two")
    world.run(3)
    x.do(x.node.linked(True, world.now))
    world.run(15)
    assert values(world) == [b"two"] * 5


def test_who_keeps_its_own_line_hears_of_a_final_at_once_where_nobody_else_listens() -> None:
    world = World(["g", "x"], ("g",), own_only=("x",), voting=("g",))
    world.boot_all()
    world.run(15)
    propose(world.machines["g"], "model", b"one")
    world.run(2)
    assert values(world) == [b"one"] * 2


def test_a_sleeper_gets_the_newest_of_each_key_alone_and_nothing_that_it_has() -> None:
    world = own_site()
    for key in ("model", "config/day"):
        propose(world.machines["a"], key, b"1")
        world.run(3)
    x = world.machines["x"]
    assert len(x.decided) == 2
    x.kill()
    for number in range(2, 6):
        propose(world.machines["b"], "model", b"%d" % number)
        world.run(1)
    counts = watched(world)
    x = world.boot("x")
    world.run(3)
    assert sorted((one.question.key, one.question.version) for one in x.decided) == [("model", 5)]
    assert (counts["rq"], counts["rs"]) == (1, 1)
    assert counts["rs bytes"] < 1.05 * len(final_of(world))
    assert counts["rq bytes"] < 96


def test_a_member_that_cannot_hear_votes_learns_what_others_decided_and_votes_on_what_follows() -> None:
    world = site()
    world.fate = lambda sender, to, channel: int(
        to != 3 or channel not in (Channel.VERTEX, Channel.VOTE, Channel.REPLY)
    )
    propose(world.machines["a"], "model", b"one")
    world.run(5)
    assert values(world) == [b"one"] * 3 + [None]
    world.fate = lambda sender, to, channel: int(to != 3 or channel is not Channel.VOTE)
    d = world.machines["d"]
    d.node._exchange.repair.requests_due = lambda now: []  # nothing of the graph is mended
    world.run(10)
    assert values(world) == [b"one"] * 4
    assert d.node.graph.branches(0) == [] and d.node.counts()["sets_open"] == 0
    second = propose(d, "model", b"two")
    assert isinstance(second, Question) and second.version == 2


def test_nothing_is_asked_where_everyone_counts_and_nothing_once_all_is_known() -> None:
    world = own_site()
    counts = watched(world)
    for number in range(8):
        propose(world.machines["abc"[number % 3]], f"config/{number % 3}", b"%d" % number)
        world.run(1)
    world.run(30)  # what changed is sealed
    assert counts["rq"] == counts["rs"] == told(world.machines["x"])["finals_asked"], "members ask for nothing"
    before = counts.copy()
    world.run(120)
    assert counts == before


def test_who_asks_shows_what_it_has_and_is_asked_for_that() -> None:
    """Each has decided something that the other lacks; only one of them asks first."""
    world = site("x")
    a, x = world.machines["a"], world.machines["x"]
    propose(a, "model", b"one")
    world.run(2)
    propose(a, "config/night", b"on")
    world.run(2)
    finals = a.node.voting.agreement.registers._finals
    mine = {key: final for key, final in finals.items() if key[1] == "model"}
    for machine in world.up():
        machine.node.voting.agreement.registers._finals = dict(mine)
        machine.node.voting.agreement.registers.changes += 1
    x.node.voting.agreement.registers._finals = {key: final for key, final in finals.items() if key not in mine}
    propose(a, "model", b"two")
    world.run(20)
    assert values(world) == [b"two"] * 5
    assert values(world, "config/night") == [b"on"] * 5


def asking() -> tuple[World, Machine, FinalsRequest, int]:
    """A device that waits for an answer about `model`, and who is to give it."""
    world = own_site()
    x, found = world.machines["x"], list[tuple[FinalsRequest, int]]()
    put = world._put

    def note(sender: int, to: int, channel: Channel, payload: bytes) -> None:
        if channel is Channel.REQUEST and sender == x.index:
            request = decode_finals_request(payload)
            assert isinstance(request, FinalsRequest)
            found.append((request, to))
        elif found or channel is not Channel.REPLY:
            put(sender, to, channel, payload)

    world._put = note  # type: ignore[method-assign]
    propose(world.machines["a"], "model", b"one")
    while not found:
        world.run(0.05)
    world._put = put  # type: ignore[method-assign]
    assert values(world)[4] is None
    return world, x, *found[0]


def answer(world: World, machine: Machine, *certificates: bytes, sender: int, correlation: int) -> None:
    raw = encode([world.roster.site, sender, correlation, list(certificates)])
    machine.do(machine.node.receive(Channel.REPLY, raw, world.now))


def edited(raw: bytes, at: int, value: object) -> bytes:
    fields = decode(raw, depth_max=4)
    fields[at] = value
    return encode(fields)


def flipped(raw: bytes) -> bytes:
    """With one bit of the last signature changed."""
    return raw[:-1] + bytes([raw[-1] ^ 1])


WRONG = {
    "signature-bad": flipped,
    "certificate-short": lambda raw: edited(raw, 5, decode(raw, depth_max=4)[5][:2]),
    "certificate-order": lambda raw: edited(raw, 5, decode(raw, depth_max=4)[5][::-1]),
    "vote-other": lambda raw: edited(raw, 3, b"two"),
    "epoch-unknown": lambda raw: edited(raw, 2, ["site", 9, "model", 1, None]),
    "scope-unknown": lambda raw: edited(raw, 2, ["cell-9", 1, "model", 1, None]),
    "site-other": lambda raw: edited(raw, 1, b"elsewher"),
    "cbor-truncated": lambda raw: raw[:-1],
    "certificate-shape": lambda raw: encode([1, 2, 3]),
}


@pytest.mark.parametrize("reason", WRONG)
def test_what_is_wrong_is_refused_by_name_and_not_believed_and_another_is_asked(reason: str) -> None:
    world, x, request, sender = asking()
    answer(world, x, WRONG[reason](final_of(world)), sender=sender, correlation=request.correlation)
    assert values(world)[4] is None
    counts = x.node.counts()
    assert counts[f"refused_{reason.replace('-', '_')}"] == 1 and counts["finals_wrong"] == 1
    assert [r.fields for r in x.reports if r.event == "certificate-wrong"] == [(("sender", sender), ("reason", reason))]
    world.run(20)
    assert values(world)[4] == b"one", "the truth is asked for once more"


def test_one_that_is_wrong_does_not_spoil_the_next_one() -> None:
    world, x, request, sender = asking()
    raw = final_of(world)
    answer(world, x, flipped(raw), raw, raw, sender=sender, correlation=request.correlation)
    assert values(world)[4] == b"one"
    assert x.node.counts()["refused_certificate_stale"] == 1 and told(x)["finals_taken"] == 1


def test_an_answer_that_nobody_asked_for_is_refused_unread() -> None:
    world, x, request, sender = asking()
    raw = final_of(world)
    for said_by, number in ((sender, request.correlation + 1), ((sender + 1) % 4, request.correlation)):
        answer(world, x, raw, sender=said_by, correlation=number)
    assert values(world)[4] is None and x.node.counts()["refused_reply_unasked"] == 2
    answer(world, x, raw, sender=sender, correlation=request.correlation)
    answer(world, x, raw, sender=sender, correlation=request.correlation)
    assert values(world)[4] == b"one" and x.node.counts()["refused_reply_unasked"] == 3


def test_an_answer_is_bounded() -> None:
    world, x, request, sender = asking()
    answer(world, x, bytes(CERTIFICATE_BYTES_MAX + 1), sender=sender, correlation=request.correlation)
    assert x.node.counts()["refused_certificate_too_large"] == 1
    x.do(x.node.receive(Channel.REPLY, b"\x84" + bytes(FINALS_FRAME_BYTES_MAX), world.now))
    assert x.node.counts()["refused_frame_too_large"] == 1
    answer(world, x, *[b""] * 1025, sender=sender, correlation=request.correlation)
    assert x.node.counts()["refused_finals_many"] == 1


def test_signatures_are_verified_elsewhere_one_certificate_at_a_time() -> None:
    world, x, request, sender = asking()
    raw = final_of(world)
    frame = FinalsReply(world.roster.site, sender, request.correlation, (flipped(raw), raw))
    effects = x.node.receive(Channel.REPLY, encode_finals_reply(frame), world.now)
    checks = [effect for effect in effects if isinstance(effect, Verify)]
    assert len(checks) == len(decode_certificate(raw).votes) == 3, "the second one waits for the first"
    assert values(world)[4] is None
    x.do(effects)
    assert values(world)[4] == b"one"


def test_while_the_verifier_is_behind_nobody_is_asked() -> None:
    world = own_site()
    x = world.machines["x"]
    desk, counts = x.node._desk, watched(world)
    waiting = [desk.ticket(lambda result, now: None) for _ in range(TICKETS_MAX // 2 + 1)]
    propose(world.machines["a"], "model", b"one")
    world.run(3)
    assert counts["rq"] == 0
    for ticket in waiting:
        desk.answer(ticket, None, world.now)
    world.run(1)
    assert values(world)[4] == b"one"


def request_by(world: World, sender: int, correlation: int = 1, held: tuple = ()) -> bytes:
    return encode_finals_request(FinalsRequest(world.roster.site, sender, correlation, 1, (0,), held))


def served(effects: list[Effect]) -> list[FinalsReply]:
    replies = [decode_finals_reply(effect.payload) for effect in effects if isinstance(effect, Send)]
    assert all(isinstance(reply, FinalsReply) for reply in replies)
    return replies  # type: ignore[return-value]


def test_who_is_no_member_is_not_answered() -> None:
    world = own_site()
    propose(world.machines["a"], "model", b"one")
    world.run(3)
    a = world.machines["a"]
    for sender in (99, a.index):
        assert served(a.node.receive(Channel.REQUEST, request_by(world, sender), world.now)) == []
    assert a.node.counts()["refused_author_unknown"] == 2
    other = request_by(world, 1).replace(world.roster.site, b"elsewher")
    assert served(a.node.receive(Channel.REQUEST, other, world.now)) == []
    (reply,) = served(a.node.receive(Channel.REQUEST, request_by(world, 1, 7), world.now))
    assert reply.correlation == 7 and reply.certificates == (final_of(world),)
    held = ((tag_of("site", "model"), 1),)
    assert served(a.node.receive(Channel.REQUEST, request_by(world, 1, 8, held), world.now))[0].certificates == ()


def test_each_member_has_so_many_answers_a_second_and_all_together_too() -> None:
    world = World([f"n{number}" for number in range(12)], voting=("n0",))
    (a, *_) = world.boot_all()
    tries = range(3 * FINALS_REQUESTS_BURST)
    counts = [
        sum(len(served(a.node.receive(Channel.REQUEST, request_by(world, sender, n), world.now))) for n in tries)
        for sender in range(1, 12)
    ]
    assert counts == [FINALS_REQUESTS_BURST] * 8 + [0] * 3 and sum(counts) == FINALS_ALL_BURST
    assert told(a)["finals_dropped"] == 11 * len(tries) - FINALS_ALL_BURST
    world.ms += 1000
    again = [served(a.node.receive(Channel.REQUEST, request_by(world, 1, n), world.now)) for n in range(50)]
    assert sum(map(len, again)) == FINALS_REQUESTS_PER_S
    others = [
        len(served(a.node.receive(Channel.REQUEST, request_by(world, sender, n), world.now)))
        for n in range(20)
        for sender in (9, 10, 11)
    ]
    assert sum(others) == FINALS_ALL_PER_S - FINALS_REQUESTS_PER_S


def test_a_peer_that_claims_much_and_has_nothing_is_asked_ever_more_rarely_and_hinders_nobody() -> None:
    world = own_site()
    x, counts = world.machines["x"], Counter[int]()
    lie = mark_of([(bytes(8), 2**40)])
    put = world._put

    def note(sender: int, to: int, channel: Channel, payload: bytes) -> None:
        if channel is Channel.FRONTIER and sender == 3:
            frame = decode_frontier(payload)
            assert isinstance(frame, FrontierFrame)
            payload = encode_frontier(frame._replace(finals=lie))
        elif channel is Channel.REQUEST and is_about_finals(payload) and sender == x.index:
            counts[to] += 1
        put(sender, to, channel, payload)

    world._put = note  # type: ignore[method-assign]
    world.run(120)
    assert 4 <= counts[3] <= 9
    propose(world.machines["a"], "model", b"one")
    world.run(5)
    assert values(world) == [b"one"] * 5


def test_who_does_not_answer_costs_three_seconds_and_then_another_is_asked() -> None:
    world = site("x")
    x = world.machines["x"]
    world.run(1)
    world.fate = lambda sender, to, channel: int(
        x.index not in (sender, to) or channel in (Channel.FRONTIER, Channel.REQUEST)
    )
    propose(world.machines["a"], "model", b"one")
    world.run(30)
    assert told(x)["finals_timeouts"] >= 4 and values(world)[4] is None
    world.fate = lambda sender, to, channel: int(
        x.index not in (sender, to) or channel not in (Channel.VERTEX, Channel.VOTE)
    )
    world.run(70)
    assert values(world)[4] == b"one"


def test_what_a_newer_committee_certified_is_judged_once_its_roster_is_here() -> None:
    world = own_site()
    x = world.machines["x"]
    world.fate = lambda sender, to, channel: int(to != x.index or channel is not Channel.ROSTER)
    world.roster, world.roster_bytes = roster_of(
        world.names, ("g",), 2, ("b", "c", "g"), since=2, ended=world.roster.committees, anew=1
    )
    for machine in world.up():
        if machine is not x:
            machine.do(machine.node.receive(Channel.ROSTER, world.roster_bytes, world.now))
    propose(world.machines["b"], "model", b"one")
    world.run(20)
    assert values(world) == [b"one"] * 4 + [None]
    asked = told(x)["finals_asked"]
    assert x.node.counts()["refused_epoch_unknown"] == asked and 2 <= asked <= 3
    world.fate = lambda sender, to, channel: 1
    x.do(x.node.receive(Channel.ROSTER, world.roster_bytes, world.now))
    world.run(2)
    assert values(world) == [b"one"] * 5
