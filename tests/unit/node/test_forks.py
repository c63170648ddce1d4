"""Two signed vertices under one name: found wherever they lie, proven, kept, and known again after a restart."""

import pytest

from edge.dag.evidence import Evidence, decode_evidence, judge
from edge.dag.pending import Candidate
from edge.dag.records import EVIDENCE
from edge.dag.verify import verify_log
from edge.effects import Announce
from edge.ids import Parent
from edge.wire import suite
from edge.wire.frame import Channel, Range, decode_frontier, decode_vertex, encode_vertex
from edge.wire.refusal import Refusal
from edge.wire.vertex import Header, encode_header
from tests.builders import AUTHORITY, SUITE, WALL_MS, Machine, World, event, signer

THIEF = 2
"""The member whose key somebody uses twice."""


def site(*names: str) -> World:
    world = World([*names, "thief"])
    for name in names:
        world.boot(name)
    world.deliver()
    return world


def branch(world: World, length: int, mark: int, after: Header | None = None) -> list[Header]:
    """`length` vertices of the thief; another `mark` makes another branch."""
    made: list[Header] = []
    for _ in range(length):
        after = encode_header(
            suite=SUITE, site=world.roster.site, epoch=1, author=THIEF, incarnation=1,
            seq=after.seq + 1 if after else 1, prev=after.id if after else None, parents=(),
            hlc=(WALL_MS + mark) << 16, body=None,
        )  # fmt: skip
        made.append(after)
    return made


def signed(header: Header) -> bytes:
    message = suite.sig_structure(SUITE, suite.PURPOSE_VERTEX, header.raw)
    return encode_vertex(header.raw, signer("thief").sign(message, deterministic=True), None)


def tell(machine: Machine, headers: list[Header]) -> None:
    for header in headers:
        machine.do(machine.node.receive(Channel.VERTEX, signed(header), machine.world.now))


def quarantined(world: World) -> list[list[int]]:
    return [machine.node.status(world.now)["quarantined"] for machine in world.up()]


def test_branches_of_equal_length_are_noticed() -> None:
    world = site("a", "b")
    a, b = world.up()
    common = branch(world, 3, 0)
    tell(a, common + branch(world, 4, 1, common[-1]))
    tell(b, common + branch(world, 4, 2, common[-1]))
    assert a.node.graph.highest_seq(THIEF) == b.node.graph.highest_seq(THIEF) == 7
    world.run(15)
    assert quarantined(world) == [[THIEF], [THIEF]]
    before = a.node.counts()["requests_sent"], b.node.counts()["requests_sent"]
    world.run(30)
    assert (a.node.counts()["requests_sent"], b.node.counts()["requests_sent"]) == before, "proven: nothing is asked"
    assert a.node.counts()["gaps"] == b.node.counts()["gaps"] == 0


def test_branches_of_unequal_length_are_noticed_by_both() -> None:
    world = site("a", "b")
    a, b = world.up()
    common = branch(world, 3, 0)
    tell(a, common + branch(world, 100, 1, common[-1]))
    tell(b, common + branch(world, 4, 2, common[-1]))
    world.run(30)
    assert quarantined(world) == [[THIEF], [THIEF]]


def forked_site() -> World:
    """Two nodes that have proven a fork, one side each."""
    world = site("a", "b")
    a, b = world.up()
    common = branch(world, 3, 0)
    tell(a, common + branch(world, 4, 1, common[-1]))
    tell(b, common + branch(world, 4, 2, common[-1]))
    world.run(15)
    return world


def proofs(machine: Machine) -> list[Evidence]:
    found = [decode_evidence(record.payload) for record in machine.log if record.type == EVIDENCE]
    assert all(isinstance(one, Evidence) for one in found)
    return found  # type: ignore[return-value]


def test_the_proof_is_kept_and_needs_nothing_but_the_roster() -> None:
    world = forked_site()
    for machine in world.up():
        (proof,) = proofs(machine)
        assert judge(proof, world.roster) is None
        assert proof.key == (THIEF, 1, 7)
        for at in range(2):
            side = proof.sides[at]
            forged = side._replace(signature=bytes([side.signature[0] ^ 1]) + side.signature[1:])
            sides = (forged, proof.sides[1]) if at == 0 else (proof.sides[0], forged)
            assert judge(proof._replace(sides=sides), world.roster) is not None
        verdict = verify_log(machine.log, world.roster, AUTHORITY.public_key, own=machine.index)[0]
        assert verdict.forks == (proof.key,) and verdict.faults == ()


def test_after_a_restart_the_author_is_still_quarantined() -> None:
    world = forked_site()
    a, b = world.up()
    a.stop()
    b.kill()
    world.fate = lambda sender, to, channel: 0
    again = world.boot("a")
    assert again.node.status(world.now)["quarantined"] == [THIEF]
    tell(again, branch(world, 1, 9))
    assert again.node.counts()["refused_quarantined"] == 1


def test_a_frontier_shows_the_fork_and_hands_on_the_proof() -> None:
    world = World(["a", "b", "thief", "late"])
    world.boot("a"), world.boot("b")
    a, b = world.up()
    common = branch(world, 3, 0)
    tell(a, common + branch(world, 4, 1, common[-1]))
    tell(b, common + branch(world, 4, 2, common[-1]))
    world.run(15)
    b.is_up = False
    (frame,) = [
        decode_frontier(effect.payload)
        for effect in a.node.linked(True, world.now)
        if isinstance(effect, Announce) and effect.channel is Channel.FRONTIER
    ]
    told = [entry for entry in frame.entries if entry.author == THIEF]
    assert [entry[:3] for entry in told] == [(THIEF, 1, 7)] * 2 and told[0].tag != told[1].tag
    late = world.boot("late")
    world.run(30)
    assert late.node.status(world.now)["quarantined"] == [THIEF]
    assert len(proofs(late)) == 1


def test_our_side_is_proven_by_a_signature_above_it() -> None:
    """What came as a range has one signature, over its last vertex."""
    world = World(["a", "b", "thief"])
    a = world.boot("a")
    common = branch(world, 3, 0)
    tell(a, common + branch(world, 40, 1, common[-1]))
    b = world.boot("b")
    world.run(5)
    assert b.node.graph.highest_seq(THIEF) == 43
    tell(b, branch(world, 1, 2, common[-1]))
    (proof,) = proofs(b)
    assert judge(proof, world.roster) is None
    assert sorted(len(side.headers) for side in proof.sides) == [1, 40]


def test_a_proof_outlives_the_segment_it_lies_in() -> None:
    world = World(["a", "b", "thief", "gw"], ("gw",))
    world.segment_records, world.log_records = 10, 200
    a, b, _ = (world.boot(name) for name in ("a", "b", "gw"))
    common = branch(world, 3, 0)
    tell(a, common + branch(world, 4, 1, common[-1]))
    tell(b, branch(world, 7, 2))
    world.run(15)
    for number in range(400):
        b.submit(event(number), urgent=True)
        world.run(0.1)
    assert a.dropped > 100
    assert len(proofs(a)) == 1
    a.stop()
    assert world.boot("a").node.status(world.now)["quarantined"] == [THIEF]


def life(world: World, base: Header, length: int) -> list[Header]:
    """What a device wrote in incarnation 2 that had come back with its line up to `base`."""
    made: list[Header] = []
    for _ in range(length):
        last = made[-1] if made else base
        made.append(
            encode_header(
                suite=SUITE, site=world.roster.site, epoch=1, author=THIEF, incarnation=2, seq=last.seq + 1,
                prev=last.id, parents=(), hlc=(WALL_MS + 5) << 16, body=None,
            )
        )  # fmt: skip
    return made


def two_lives(*names: str) -> World:
    """Two images of one card, put back under a clock in 1970: 4..6 and 9..12 of one incarnation share no name."""
    world = World(["a", "b", "thief", *names])
    a, b = world.boot("a"), world.boot("b")
    line = branch(world, 8, 0)
    tell(a, line[:3] + life(world, line[2], 3))
    tell(b, line + life(world, line[7], 4))
    world.run(20)
    return world


def test_two_lives_in_one_incarnation_are_proven_by_both_who_hold_one() -> None:
    world = two_lives()
    assert quarantined(world) == [[THIEF], [THIEF]]
    for machine in world.up():
        (proof,) = proofs(machine)
        assert judge(proof, world.roster) is None
        low, high = proof.names
        assert low[:2] == high[:2] == (THIEF, 2) and low.seq < high.seq == 9
        verdict = verify_log(machine.log, world.roster, AUTHORITY.public_key, own=machine.index)[0]
        assert verdict.forks == (proof.key,) and verdict.faults == ()
    before = [machine.node.counts()["requests_sent"] for machine in world.up()]
    world.run(30)
    assert [machine.node.counts()["requests_sent"] for machine in world.up()] == before, "proven: nothing is asked"


def test_two_lives_are_not_forgotten_by_a_restart() -> None:
    world = two_lives()
    for machine in world.up():
        machine.kill()
    world.fate = lambda sender, to, channel: 0
    assert world.boot("a").node.status(world.now)["quarantined"] == [THIEF]
    assert world.boot("b").node.status(world.now)["quarantined"] == [THIEF]


@pytest.mark.parametrize("server", ["a", "b"])
def test_whoever_comes_later_gets_the_proof_of_two_lives_from_either(server: str) -> None:
    world = two_lives("late")
    for machine in world.up():
        machine.is_up = machine.name == server
    late = world.boot("late")
    world.run(40)
    assert late.node.status(world.now)["quarantined"] == [THIEF]
    assert len(proofs(late)) == 1


def test_a_life_whose_beginning_was_dropped_punishes_nobody() -> None:
    """Its first vertex cannot be shown any more, and that it was the first is what we remember, not what is signed."""
    world = site("a", "b")
    a, _ = world.up()
    line = branch(world, 8, 0)
    late = life(world, line[7], 4)
    tell(a, line + late)
    graph = a.node.graph
    graph.forget(graph.branch(THIEF, 2).floor_line(11))
    tell(a, life(world, line[2], 3))
    assert a.node.status(world.now)["quarantined"] == []
    assert a.node.counts()["refused_prev_mismatch"] == 3


def test_a_line_whose_end_waits_here_already_is_asked_for_from_lower_down() -> None:
    """It forks off below what we hold, and what its answer begins with came live."""
    world = site("a", "b")
    a, b = world.up()
    line = branch(world, 8, 0)
    other = life(world, line[1], 9)
    nobodys = Parent(THIEF, 1, 12, branch(world, 12, 1)[-1].id)
    waits = encode_header(
        suite=SUITE, site=world.roster.site, epoch=1, author=0, incarnation=a.node.incarnation, seq=1, prev=None,
        parents=(nobodys,), hlc=WALL_MS << 16, body=None,
    )  # fmt: skip
    world.fate = lambda sender, to, channel: int(channel is not Channel.VERTEX)
    tell(a, line + other)
    tell(b, line + other[6:])
    message = suite.sig_structure(SUITE, suite.PURPOSE_VERTEX, waits.raw)
    frame = encode_vertex(waits.raw, signer("a").sign(message, deterministic=True), None)
    b.do(b.node.receive(Channel.VERTEX, frame, world.now))
    world.run(30)
    assert b.node.graph.holds(other[-1].key, other[-1].id)


def test_what_is_lacking_twice_in_one_line_is_no_second_life() -> None:
    """One vertex rotted, others of a later life never came: of a range that has both, they are looked at in turn."""
    world = site("a", "b")
    a, _ = world.up()
    line = branch(world, 8, 0)
    later = life(world, line[7], 6)
    tell(a, line + later[:1])
    assert a.node.graph.lose(line[2].key, a.node.graph.place(line[2].key)[0])
    lacking = [Candidate(header, None, None) for header in (line[2], *later[1:-1])]
    last = Candidate(later[-1], b"checked", None)
    answers = [a.node._admission.settle(one, (*lacking[at + 1 :], last)) for at, one in enumerate(lacking)]
    assert not [answer for answer in answers if isinstance(answer, Refusal)]
    assert quarantined(world) == [[], []] and not a.node.graph.lost


def test_a_side_of_which_a_part_waits_here_already_is_a_proof_all_the_same() -> None:
    world = site("a", "b")
    a, b = world.up()
    line = branch(world, 8, 0)
    early = life(world, line[2], 4)
    tell(b, line[:3] + early)
    world.fate = lambda sender, to, channel: int(channel is not Channel.VERTEX)
    tell(a, line)
    tell(a, early[1:2])
    tell(a, life(world, line[7], 3))
    assert a.node.counts()["pending"] == 1 and quarantined(world)[0] == []
    given = Range(tuple(one.raw for one in early), (None,) * 4, decode_vertex(signed(early[-1])).signature)
    a.node._intake._check(a.node._intake._chain(given, b.index), given.signature)
    a.do(a.node.tick(world.now))
    assert quarantined(world)[0] == [THIEF] and len(proofs(a)) == 1


def asked(machine: Machine) -> list[str]:
    """The keys of which something is open; members ask to evict the thief, too."""
    return [contest.question.key for contest in machine.node.voting.agreement.open_sets()]


def test_who_starts_with_a_vote_above_the_other_side_before_the_proof_goes_on_voting() -> None:
    """The log has the vote first and the proof behind it, and there is no other question."""
    world = World(["a", "b", "thief", "c"], voting=("a", "b", "thief", "c"))
    a, b = world.boot("a"), world.boot("b")
    world.deliver()
    tell(a, branch(world, 1, 1))
    tell(b, branch(world, 1, 2))
    a.do(a.node.propose("site", "model", b"one", world.now)[1])
    world.run(10)
    assert quarantined(world) == [[THIEF], [THIEF]] and "model" in asked(b)
    b.kill()
    a.is_up = False
    world.ms += 5000
    b = world.boot("b")
    assert b.node.counts()["agreement_early"] > 0 and "model" not in asked(b)
    a.is_up = True
    world.boot("c")
    world.run(20)
    for name in ("a", "b", "c"):
        final = world.machines[name].node.voting.agreement.registers.get("site", "model")
        assert final is not None and final.value == b"one", name


@pytest.mark.parametrize("length", [4, 200])
def test_the_other_side_is_asked_for_down_to_where_it_parts(length: int) -> None:
    """By who follows an agreement, as far up as a member stands on it."""
    world = World(["a", "b", "thief", "c"], voting=("a", "b", "thief", "c"))
    a, b = world.boot("a"), world.boot("b")
    world.deliver()
    common = branch(world, 3, 0)
    tell(a, common + branch(world, length, 1, common[-1]))
    tell(b, common + branch(world, 200, 2, common[-1]))
    a.do(a.node.propose("site", "model", b"one", world.now)[1])
    world.run(15)
    assert quarantined(world) == [[THIEF], [THIEF]]
    counts = b.node.counts()
    assert (counts["agreement_beside"], counts["agreement_early"], "model" in asked(b)) == (length, 0, True)
    assert b.node.graph.highest_seq(THIEF) == 203, "the line that is held is what it was"
    before = b.node.counts()["requests_sent"]
    world.run(10)
    assert b.node.counts()["requests_sent"] == before, "and nothing more is asked"
