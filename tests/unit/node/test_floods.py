"""One member, or somebody in a member's name, says more than is good: what that costs, and that others do not pay."""

from random import Random

from edge.effects import Effect, Hush, Load, Persist, Send, Verify
from edge.limits import (
    CHECKING_MAX,
    LIVE_VERTICES_BURST,
    LIVE_VERTICES_PER_S,
    REPAIR_RANGES_MAX,
    SERVE_ALL_BURST,
    SERVE_ALL_PER_S,
    SERVE_LOADS_MAX,
    SERVE_REQUESTS_BURST,
    SERVE_REQUESTS_PER_S,
    UNFIT_VERTICES_BURST,
    UNFIT_VERTICES_PER_S,
    VOTES_CHECKING_MAX,
)
from edge.wire.frame import Channel, RequestFrame, Want, decode_reply, decode_vertex, encode_request, encode_vertex
from edge.wire.vertex import Header, encode_header
from tests.builders import SUITE, World, event
from tests.unit.node.test_bounds import frames_of, header_of


def three() -> World:
    world = World(["a", "b", "c"])
    world.boot_all()
    world.deliver()
    return world


def frames_by(world: World, name: str, count: int) -> list[bytes]:
    """Vertex frames by this machine, each once."""
    return list(dict.fromkeys(frames_of(world, name, count)))


def receive(world: World, name: str, frames: list[bytes], *, good: bool = True) -> int:
    """Hear frames one by one and answer every check at once; how many checks that were."""
    machine = world.machines[name]
    checks = 0
    for frame in frames:
        effects: list[Effect] = machine.node.receive(Channel.VERTEX, frame, world.now)
        for effect in effects:
            if isinstance(effect, Verify):
                checks += 1
                machine.do(machine.node.verified(effect.ticket, good, world.now))
            else:
                machine.do([effect])
    return checks


def forged(frame: bytes, **changes: object) -> bytes:
    """As somebody without a key would make it."""
    header = header_of(frame)
    fields = {name: getattr(header, name) for name in Header._fields if name not in ("raw", "id", "key")}
    made = encode_header(**{**fields, **changes})  # type: ignore[arg-type]
    return encode_vertex(made.raw, bytes(2420), decode_vertex(frame).body)


def test_a_member_has_only_so_many_vertices_checked_unasked():
    world = three()
    frames = frames_by(world, "a", LIVE_VERTICES_BURST + 100)
    assert receive(world, "c", frames) == LIVE_VERTICES_BURST
    counts = world.machines["c"].node.counts()
    assert counts["dropped_greedy"] == 100
    (hush,) = {
        e for e in world.machines["c"].node.receive(Channel.VERTEX, frames[-1], world.now) if isinstance(e, Hush)
    }
    assert hush.author == 0 and world.now.mono_ms < hush.until_mono_ms <= world.now.mono_ms + 1000, "the shell is told"
    assert receive(world, "c", frames_by(world, "b", 50)) == 50, "nobody else's share has become less"
    world.ms += 100
    more = frames_by(world, "a", 100)
    assert receive(world, "c", more) <= LIVE_VERTICES_PER_S // 10 + 1
    world.run(30)
    assert world.is_converged(), "the rest comes home by repair"
    verified = world.machines["c"].node.counts()["signatures_verified"]
    assert verified < LIVE_VERTICES_BURST + 50 + 100, "many to a signature"


def test_who_has_no_key_cannot_use_up_what_a_member_may_say():
    world = three()
    (good,) = frames_by(world, "a", 1)
    lies = [forged(good, seq=1, incarnation=2, hlc=number << 16) for number in range(LIVE_VERTICES_BURST + 10)]
    assert receive(world, "c", lies, good=False) == len(lies)
    counts = world.machines["c"].node.counts()
    assert counts["signatures_bad"] == counts["refused_signature_bad"] == len(lies)
    assert counts["vertices"] == 0 and counts["checking"] == 0
    assert receive(world, "c", [good]) == 1
    assert world.machines["c"].node.graph.vertices == 1


def test_the_node_says_when_it_has_no_room_for_live_frames():
    world = three()
    node = world.machines["c"].node
    checks = []
    for number, frame in enumerate(frames_by(world, "a", CHECKING_MAX)):
        assert node.room.others == CHECKING_MAX - number
        checks += [effect for effect in node.receive(Channel.VERTEX, frame, world.now) if isinstance(effect, Verify)]
    assert (node.room.others, node.counts()["checking"]) == (0, CHECKING_MAX)
    world.machines["c"].do(node.verified(checks[0].ticket, True, world.now))
    assert node.room.others == 1


def test_votes_have_room_where_others_have_none():
    world = three()
    node = world.machines["c"].node
    for frame in frames_by(world, "a", CHECKING_MAX):
        node.receive(Channel.VERTEX, frame, world.now)
    checks = []
    for number, frame in enumerate(frames_by(world, "b", VOTES_CHECKING_MAX)):
        assert node.room == (VOTES_CHECKING_MAX - number, 0)
        checks += [effect for effect in node.receive(Channel.VOTE, frame, world.now) if isinstance(effect, Verify)]
    assert node.room == (0, 0) and all(check.is_vote for check in checks)
    assert node.counts()["checking_votes"] == VOTES_CHECKING_MAX
    world.machines["c"].do(node.verified(checks[0].ticket, True, world.now))
    assert node.room == (1, 0) and node.graph.highest_seq(1) == 1


def test_what_could_not_be_placed_is_not_checked_while_others_wait():
    world = three()
    frames = frames_by(world, "a", CHECKING_MAX)
    node = world.machines["c"].node
    waiting = [e for frame in frames[: CHECKING_MAX // 2] for e in node.receive(Channel.VERTEX, frame, world.now)]
    assert node.counts()["checking"] == CHECKING_MAX // 2
    far = [forged(frames[1], seq=5 + number, prev=bytes([number]) * 32) for number in range(20)]
    assert not [e for frame in far for e in node.receive(Channel.VERTEX, frame, world.now) if isinstance(e, Verify)]
    assert node.counts()["dropped_unfit"] == 20
    follows = node.receive(Channel.VERTEX, frames[CHECKING_MAX // 2], world.now)
    assert [effect for effect in follows if isinstance(effect, Verify)], "what goes on from one that is being checked"
    first = node.receive(Channel.VERTEX, frames_by(world, "b", 1)[0], world.now)
    assert [effect for effect in first if isinstance(effect, Verify)], "and what begins a line"
    for effect in (*waiting, *follows, *first):
        world.machines["c"].do([effect])
    world.run(15)
    assert world.is_converged()


def test_what_would_have_to_wait_is_checked_so_often_in_one_name_and_no_more():
    """Whoever forges in a member's name cannot keep the verifier busy; what goes on from what is held is checked."""
    world = three()
    frames = frames_by(world, "a", 3)
    assert receive(world, "c", frames[:1]) == 1
    lies = [forged(frames[1], seq=5, prev=bytes(32), hlc=number << 16) for number in range(UNFIT_VERTICES_BURST + 50)]
    begun_again = [forged(frames[1], seq=1, prev=None, incarnation=7, hlc=number << 16) for number in range(50)]
    assert receive(world, "c", lies + begun_again, good=False) == UNFIT_VERTICES_BURST
    assert world.machines["c"].node.counts()["dropped_unfit"] == 100
    assert receive(world, "c", frames_by(world, "b", 2)[1:]) == 1, "another's share has become no less"
    assert receive(world, "c", frames[1:2]) == 1, "nor is a line held up"
    world.ms += 1000
    assert receive(world, "c", lies, good=False) == UNFIT_VERTICES_PER_S
    world.run(15)
    assert world.is_converged()


def test_junk_costs_no_check_and_leaves_no_state():
    world = three()
    random = Random(3)
    (good,) = frames_by(world, "a", 1)
    nobody = [forged(good, author=90 + number) for number in range(100)]
    elsewhere = [forged(good, site=b"elsewher") for _ in range(100)]
    unsigned = [encode_vertex(header_of(good).raw, None, None) for _ in range(100)]
    cut = [good[: random.randrange(len(good))] for _ in range(100)]
    noise = [random.randbytes(random.randrange(4000)) for _ in range(100)]
    weak = [forged(good, suite=3 - SUITE if SUITE != 3 else 1) for _ in range(100)]
    node = world.machines["c"].node
    before = node.counts()
    effects = []
    for frame in (*nobody, *elsewhere, *unsigned, *cut, *noise, *weak):
        effects += node.receive(Channel.VERTEX, frame, world.now)
    assert not [effect for effect in effects if isinstance(effect, Verify | Persist)]
    after = node.counts()
    assert sum(n - before.get(name, 0) for name, n in after.items() if name.startswith("refused_")) == 600
    for name in ("open_tickets", "pending", "early", "gaps", "vertices", "signatures_verified", "signatures_bad"):
        assert after[name] == before[name], name


def test_a_parent_that_nobody_has_parks_no_more_than_is_bounded_under_a_flood():
    """Valid vertices that name what is not there: they wait within their author's bound, the rest is refused."""
    world = three()
    frames = frames_by(world, "a", 400)
    checks = 0
    for frame in frames[1:]:
        world.ms += 1000 / UNFIT_VERTICES_PER_S
        checks += receive(world, "c", [frame])
    counts = world.machines["c"].node.counts()
    assert checks == 399 and counts["pending"] == 256 and counts["refused_pending_full"] == 143
    assert receive(world, "c", frames_by(world, "b", 10)) == 10
    assert world.machines["c"].node.graph.highest_seq(1) == 10, "another member's come in meanwhile"


def test_events_are_not_lost_to_a_flood():
    world = three()
    frames = frames_by(world, "a", LIVE_VERTICES_BURST * 2)
    receive(world, "c", frames)
    world.machines["b"].submit(event(1), urgent=True)
    world.run(1)
    assert world.machines["c"].node.graph.highest_seq(1) == 1


def test_requests_in_one_name_are_begun_only_so_often_and_the_rest_is_not_read():
    world = three()
    frames_by(world, "a", 3)
    node = world.machines["a"].node

    def ask(sender: int, correlation: int) -> list[Effect]:
        wants = (Want(0, 0, correlation, 0),) * REPAIR_RANGES_MAX
        frame = RequestFrame(world.roster.site, sender, correlation, 1000, wants)
        effects = node.receive(Channel.REQUEST, encode_request(frame), world.now)
        return [effect for effect in effects if isinstance(effect, Load | Send)]

    begun = sum(bool(ask(1, number + 10)) for number in range(3 * SERVE_REQUESTS_BURST))
    assert begun == SERVE_REQUESTS_BURST
    assert node.counts()["serve_refused"] == 2 * SERVE_REQUESTS_BURST
    assert ask(2, 10), "whoever else asks is answered"
    world.ms += 1000
    assert sum(bool(ask(1, number + 10)) for number in range(SERVE_REQUESTS_BURST)) == SERVE_REQUESTS_PER_S


def test_all_together_are_answered_only_so_often():
    world = World(["a", *(f"asker-{number}" for number in range(6))])
    world.boot_all()
    world.deliver()
    frames_by(world, "a", 3)
    node = world.machines["a"].node

    def begun() -> int:
        count = 0
        for asker in range(1, 7):
            for number in range(SERVE_REQUESTS_BURST):
                frame = RequestFrame(world.roster.site, asker, 1000 + number, 1000, (Want(0, 0, number, 0),))
                effects = node.receive(Channel.REQUEST, encode_request(frame), world.now)
                started = [effect for effect in effects if isinstance(effect, Load | Send)]
                world.machines["a"].do(effects)
                count += bool(started)
        return count

    assert begun() == SERVE_ALL_BURST < 6 * SERVE_REQUESTS_BURST
    world.ms += 1000
    assert begun() == SERVE_ALL_PER_S


def test_what_is_asked_for_twice_in_one_request_is_looked_up_once():
    world = three()
    world.machines["a"].submit(event(1), urgent=True)
    node = world.machines["a"].node
    frame = RequestFrame(world.roster.site, 1, 9, 100_000, (Want(0, 0, 0, 0),) * REPAIR_RANGES_MAX)
    (load,) = [e for e in node.receive(Channel.REQUEST, encode_request(frame), world.now) if isinstance(e, Load)]
    assert len(load.places) <= 2, "a vertex and its signature"


def test_many_who_ask_for_everything_are_answered_a_stretch_at_a_time_in_turn():
    names = [f"n{number}" for number in range(6)]
    world = World(names)
    world.boot_all()
    world.deliver()
    frames_by(world, "n0", 200)
    node = world.machines["n0"].node
    loads: list[Load] = []
    last: list[int] = []

    def note(effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Load):
                loads.append(effect)
            elif isinstance(effect, Send) and effect.channel is Channel.REPLY:
                reply = decode_reply(effect.payload)
                last.extend([effect.to] if reply.is_last else [])  # type: ignore[union-attr]

    for sender in range(1, 6):
        frame = RequestFrame(world.roster.site, sender, 1, 2**40, (Want(0, 0, 0, 0),))
        note(node.receive(Channel.REQUEST, encode_request(frame), world.now))
        assert len(loads) <= SERVE_LOADS_MAX
    log = world.machines["n0"].log
    rounds = 0
    while loads:
        assert len(loads) <= SERVE_LOADS_MAX
        effect = loads.pop(0)
        rounds += 1
        places = {world.machines["n0"].place(number): record for number, record in enumerate(log)}
        note(node.loaded(effect.ticket, tuple(places.get(place) for place in effect.places), world.now))
    assert sorted(last) == [1, 2, 3, 4, 5], "each gets its answer to the end"
    assert rounds > 5 * 3 and last == sorted(last), "nobody is served out of turn"
