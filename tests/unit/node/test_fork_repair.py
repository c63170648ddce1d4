"""What is lacking around a fork comes all the same: a body, a signature for the proof, the line above a lost name."""

from edge.dag.evidence import judge
from edge.dag.records import SIGNATURE, VERTEX, Record
from edge.ids import Parent
from edge.wire import suite
from edge.wire.frame import Channel, decode_vertex, encode_vertex
from edge.wire.vertex import encode_header
from tests.builders import SUITE, WALL_MS, World, event, signer
from tests.unit.node.test_forks import THIEF, branch, proofs, site, tell


def test_what_came_without_its_body_does_not_keep_the_same_with_it_out() -> None:
    """As the proof of a fork does, which comes with the vertex itself to whoever lacks just that."""
    world = site("a")
    (a,) = world.up()
    thief = world.boot("thief")
    thief.submit(event(1), urgent=True)
    (whole,) = (record.payload for record in thief.log if record.type == VERTEX)
    frame, signature = decode_vertex(whole), next(r.payload[32:] for r in thief.log if r.type == SIGNATURE)
    sent = [encode_vertex(frame.header, signature, body) for body in (None, frame.body)]
    for effects in [a.node.receive(Channel.VERTEX, payload, world.now) for payload in sent]:
        a.do(effects)
    assert a.node.graph.highest_seq(THIEF - 1) == 1
    assert a.node.counts()["refused_body_missing"] == a.node.counts()["signatures_verified"] == 1


def test_a_signature_over_our_side_that_the_log_lost_is_had_again_for_the_proof() -> None:
    """Of a range only the first vertex was on the disk when the power went; then the other side came."""
    world = World(["a", "b", "thief"])
    a = world.boot("a")
    common = branch(world, 3, 0)
    ours = branch(world, 4, 1, common[-1])
    tell(a, common + ours)
    b = world.boot("b")
    world.run(5)
    first = next(at for at, record in enumerate(b.log) if record.type == VERTEX and ours[0].raw in record.payload)
    b.kill()
    del b.log[first + 1 :]
    b.log[first] = Record(VERTEX, encode_vertex(ours[0].raw, None, None))
    world.fate = lambda sender, to, channel: 0
    b = world.boot("b")
    (theirs,) = branch(world, 1, 2, common[-1])
    tell(b, [theirs])
    assert b.node.status(world.now)["quarantined"] == [THIEF] and not proofs(b)
    world.fate = lambda sender, to, channel: 1
    world.run(10)
    (proof,) = proofs(b)
    assert judge(proof, world.roster) is None
    assert {side.headers[0] for side in proof.sides} == {ours[0].raw, theirs.raw}


def test_what_nobody_has_is_not_asked_for_in_place_of_what_is_above() -> None:
    """A vertex waits for another one under a name that is held, in vain; the line goes on all the same."""
    world = site("a", "b")
    a, b = world.up()
    line = branch(world, 6, 0)
    tell(a, line[:3]), tell(b, line[:3])
    (gone,) = branch(world, 1, 9, line[1])
    waiting = encode_header(
        suite=SUITE, site=world.roster.site, epoch=1, author=0, incarnation=7, seq=1, prev=None,
        parents=(Parent(*gone.key, gone.id),), hlc=WALL_MS << 16, body=None,
    )  # fmt: skip
    message = suite.sig_structure(SUITE, suite.PURPOSE_VERTEX, waiting.raw)
    frame = encode_vertex(waiting.raw, signer("a").sign(message, deterministic=True), None)
    b.do(b.node.receive(Channel.VERTEX, frame, world.now))
    assert b.node.counts()["pending"] == 1
    world.run(20)
    tell(a, line[3:])
    world.run(20)
    assert b.node.graph.highest_seq(THIEF) == 6
