"""Members ask for checkpoints by themselves, and what is below a final one is known to be sealed."""

from typing import Any

from edge.consensus.checkpoint import CHECKPOINT_KEY, decode_checkpoint, encode_checkpoint
from edge.dag.records import CERTIFICATE, SEAL, Record
from edge.wire.refusal import Refusal
from tests.builders import Machine, World, event
from tests.unit.node.test_succession import change, epoch, spread
from tests.unit.node.test_succession import site as larger_site
from tests.unit.node.test_voting import propose, site, values

SOON = {"checkpoint_ms": 5_000.0, "witness_ms": 500.0}


def version(machine: Machine) -> int:
    return machine.node.voting.agreement.checkpoints.version("site")


def sealed(machine: Machine) -> tuple[int, int]:
    """Up to where its own line is witnessed, and sealed."""
    status = machine.node.status(machine.world.now)
    return status["witnessed_seq"], status["sealed_seq"]


def is_sealed(machine: Machine, key: str = "model") -> bool:
    final = machine.node.voting.agreement.registers.get("site", key)
    assert final is not None
    return machine.node.voting.agreement.checkpoints.is_sealed(final.question)


def at_work(**options: object) -> World:
    world = site("x", **{**SOON, **options})
    world.machines["x"].submit(event(1), urgent=True)
    propose(world.machines["a"], "model", b"one")
    world.run(3)
    return world


def test_what_is_recorded_and_final_is_sealed_everywhere_and_then_nobody_says_anything() -> None:
    world = at_work()
    assert [version(machine) for machine in world.up()] == [0] * 5
    assert not is_sealed(world.machines["a"])
    world.run(22)
    assert [version(machine) for machine in world.up()] == [1] * 5
    assert all(is_sealed(machine) for machine in world.up())
    assert sealed(world.machines["x"]) == (1, 1)
    asked = [machine.node.counts()["checkpoints_asked"] for machine in world.up()]
    assert sum(asked) == 1, "the others saw that it was asked for"
    counts = [machine.vertex_count() for machine in world.up()]
    world.run(120)
    assert [machine.vertex_count() for machine in world.up()] == counts


def test_nothing_new_is_not_sealed_again_and_something_is() -> None:
    world = at_work()
    world.run(60)
    assert version(world.machines["a"]) == 1
    world.machines["x"].submit(event(2), urgent=True)
    world.run(20)
    assert [version(machine) for machine in world.up()] == [2] * 5
    assert sealed(world.machines["x"]) == (2, 2)


def test_a_few_registers_that_changed_are_sealed_once_no_more_do() -> None:
    world = at_work(checkpoint_ms=600_000.0)
    keys = ("config", "firmware", "threshold")
    for at, key in enumerate(keys * 2):
        propose(world.machines["a"], key, b"%d" % at)
        world.run(6)
        assert version(world.machines["a"]) == 0, "a checkpoint is not to come between decisions"
    world.run(20)
    assert version(world.machines["a"]) == 1 and all(is_sealed(world.machines["a"], key) for key in keys)


def test_a_vertex_that_too_few_members_hold_is_not_sealed() -> None:
    world = site("x", **SOON)
    for name in ("c", "d"):
        world.fate = lambda sender, to, channel: int(not (sender == 4 and to in (2, 3)))
        world.machines[name].node._exchange.repair.requests_due = lambda now: []  # type: ignore[method-assign]
    world.machines["x"].submit(event(1), urgent=True)
    propose(world.machines["a"], "model", b"one")
    world.run(20)
    assert version(world.machines["x"]) == 1
    assert sealed(world.machines["x"]) == (0, 0), "two of the three that were named have it"


def test_a_quorum_seals_while_one_member_is_away_and_that_one_learns_it() -> None:
    world = site("x", **SOON)
    world.machines["b"].kill()
    world.machines["x"].submit(event(1), urgent=True)
    propose(world.machines["a"], "model", b"one")
    world.run(30)
    assert [version(machine) for machine in world.up()] == [1] * 4
    world.boot("b")
    world.run(20)
    assert len({version(machine) for machine in world.up()}) == 1 and is_sealed(world.machines["b"])


def test_what_is_sealed_is_known_after_a_start_and_outlives_the_log() -> None:
    world = at_work()
    world.run(20)
    x = world.machines["x"]
    assert [record.type for record in x.log if record.type in (CERTIFICATE, SEAL)] == [CERTIFICATE, CERTIFICATE, SEAL]
    for name in world.names:
        world.machines[name].kill()
    for name in world.names:
        world.boot(name)
    assert [version(machine) for machine in world.up()] == [1] * 5
    x = world.machines["x"]
    assert sealed(x)[1] == 1 and is_sealed(x)
    outliving = x.node.voting.certified.outliving(1)
    assert [record.type for record in outliving.values()] == [CERTIFICATE, CERTIFICATE, SEAL]
    propose(world.machines["b"], "model", b"two")
    world.run(20)
    assert values(world) == [b"two"] * 5 and [version(machine) for machine in world.up()] == [2] * 5


def test_a_spoilt_seal_is_reported_and_the_checkpoint_stands() -> None:
    world = at_work()
    world.run(20)
    x = world.machines["x"]
    x.kill()
    at = next(at for at, record in enumerate(x.log) if record.type == SEAL)
    x.log[at] = Record(SEAL, x.log[at].payload[:-3])
    x = world.boot("x")
    assert [dict(report.fields)["reason"] for report in x.reports if report.event == "certificate-refused"] == [
        "certificate-shape: seal"
    ]
    assert version(x) == 1, "its value has every key, and the log says what each is"


def test_nobody_asks_by_hand() -> None:
    world = at_work()
    refused = propose(world.machines["a"], CHECKPOINT_KEY, b"mine")
    assert isinstance(refused, Refusal) and refused.reason == "proposal-checkpoint"


def test_a_false_checkpoint_by_a_member_is_answered_by_nobody_and_a_true_one_is_decided_beside_it() -> None:
    world = site("x", **SOON)
    d = world.machines["d"]
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    checkpoints = d.node.voting.agreement.checkpoints
    true = checkpoints.value

    def false(*asked: Any) -> bytes | None:
        checkpoint = decode_checkpoint(true(*asked) or b"")
        return encode_checkpoint(checkpoint._replace(root=bytes(32))) if checkpoint is not None else None

    checkpoints.value = false  # type: ignore[method-assign]
    d.node.voting.sealing._every_ms = 0.0
    for name in ("a", "b", "c"):
        world.machines[name].node.voting.sealing._every_ms = 20_000.0
    world.run(10)
    assert d.node.counts()["checkpoints_asked"] == 1
    assert [machine.node.counts()["sets_open"] for machine in world.up()] == [1] * 5
    counts = [machine.vertex_count() for machine in world.up()]
    world.run(5)
    assert [machine.vertex_count() for machine in world.up()] == counts, "nobody says anything to it"
    world.run(30)
    finals = [machine.node.voting.agreement.registers.get("site", CHECKPOINT_KEY) for machine in world.up()]
    roots = [checkpoint.root for final in finals if final and (checkpoint := decode_checkpoint(final.value))]
    assert len(roots) == 5 and len(set(roots)) == 1
    assert all(is_sealed(machine) for machine in world.up())


def test_the_next_committee_seals_with_its_own_heads() -> None:
    world = larger_site()
    for machine in world.up():
        machine.node.voting.sealing._every_ms = 5_000.0
        machine.node.voting.witnessing._least_ms = machine.node.voting.witnessing._wait_ms = 500.0
    propose(world.machines["a"], "model", b"one")
    world.run(20)
    change(world, "b", "c", "e", "f")
    spread(world)
    world.run(10)
    world.machines["a"].submit(event(1), urgent=True)
    propose(world.machines["e"], "model", b"two")
    world.run(30)
    assert [epoch(machine) for machine in world.up()] == [2] * 6
    assert len({version(machine) for machine in world.up()}) == 1
    seal = world.machines["a"].node.voting.agreement.checkpoints.seals["site"]
    assert {head.author for head in seal.heads} <= {1, 2, 4, 5}
    assert sealed(world.machines["a"])[1] >= 1
    assert all(is_sealed(machine) for machine in world.up())
