"""A committee of real nodes: what they decide lies in every log, certified, and outlives restarts and trimming."""

import pytest

from edge.consensus.certificate import Certificate, decode_certificate, judge
from edge.consensus.committee import by_epoch, seats_of
from edge.consensus.lease import Term, encode_term
from edge.consensus.question import final_id, value_digest
from edge.dag.records import CERTIFICATE, SIGNATURE, Record
from edge.effects import Decided, Effect, Persist
from edge.limits import LEASE_MS_MIN
from edge.wire.cbor import decode, encode
from edge.wire.frame import Channel
from edge.wire.items import Question
from edge.wire.refusal import Refusal
from tests.builders import Machine, World, event

VOTERS = ("a", "b", "c", "d")


def site(*others: str, voters: tuple[str, ...] = VOTERS, **options: object) -> World:
    world = World([*voters, *others], voting=voters, **options)  # type: ignore[arg-type]
    world.boot_all()
    world.deliver()
    return world


def propose(machine: Machine, key: str, value: bytes, scope: str = "site") -> Question | Refusal:
    answer, effects = machine.node.propose(scope, key, value, machine.world.now)
    machine.do(effects)
    return answer


def values(world: World, key: str = "model") -> list[bytes | None]:
    """What each machine takes for final."""
    finals = [machine.node.voting.agreement.registers.get("site", key) for machine in world.up()]
    return [final.value if final is not None else None for final in finals]


@pytest.mark.parametrize("voters", [("a",), ("a", "b", "c"), VOTERS])
def test_what_a_member_proposes_becomes_final_everywhere_with_a_certificate(voters: tuple[str, ...]) -> None:
    world = site("x", voters=voters)
    question = propose(world.machines["a"], "model", b"one")
    world.run(2)
    assert values(world) == [b"one"] * (len(voters) + 1)
    for machine in world.up():
        assert machine.decided == [Decided(question, b"one", 0)]
        certificates = [record.payload for record in machine.log if record.type == CERTIFICATE]
        assert len(certificates) == 1
        certificate = decode_certificate(certificates[0])
        assert isinstance(certificate, Certificate)
        assert certificate.question == question and certificate.value == b"one"
        assert judge(certificate, world.roster, by_epoch(seats_of(world.roster))) is None


def test_the_next_value_names_the_one_before() -> None:
    world = site()
    first = propose(world.machines["a"], "model", b"one")
    world.run(2)
    second = propose(world.machines["c"], "model", b"two")
    world.run(2)
    assert isinstance(first, Question) and isinstance(second, Question)
    assert second.version == 2
    assert second.predecessor == final_id(world.roster.site, first, value_digest(b"one"))
    assert values(world) == [b"two"] * 4


def test_two_proposals_at_once_give_one_value_to_all() -> None:
    for seed in range(5):
        world = site(seed=seed)
        propose(world.machines["a"], "model", b"one")
        propose(world.machines["b"], "model", b"two")
        world.run(5)
        assert len(set(values(world))) == 1 and values(world)[0] in (b"one", b"two")


def test_two_keys_that_a_gateway_without_a_seat_asks_for_at_once_are_both_decided() -> None:
    """The past of votes does not go through its line: by the second vertex nobody sees what the first one asks."""
    world = World([*VOTERS, "g"], ("g",), voting=VOTERS)
    world.boot_all()
    world.deliver()
    for key in ("one", "two", "three"):
        propose(world.machines["g"], key, key.encode())
    world.run(3)
    for key in ("one", "two", "three"):
        assert values(world, key) == [key.encode()] * 5


def test_a_quorum_decides_while_one_is_away_and_that_one_learns_it() -> None:
    world = site()
    world.machines["d"].kill()
    propose(world.machines["a"], "model", b"one")
    world.run(5)
    assert values(world) == [b"one"] * 3
    world.boot("d")
    world.run(10)
    assert values(world) == [b"one"] * 4


def test_less_than_a_quorum_decides_nothing_until_it_is_one() -> None:
    world = site()
    world.machines["c"].kill()
    world.machines["d"].kill()
    propose(world.machines["a"], "model", b"one")
    world.run(60)
    assert values(world) == [None, None]
    world.boot("c")
    world.run(20)
    assert values(world) == [b"one"] * 3


def test_what_was_voted_and_decided_is_known_after_a_restart() -> None:
    world = site("x")
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    for name in world.names:
        world.machines[name].kill()
    for name in world.names:
        world.boot(name)
    assert values(world) == [b"one"] * 5
    world.run(5)
    for machine in world.up():
        assert sum(record.type == CERTIFICATE for record in machine.log) == 1, "not written once more"
    propose(world.machines["b"], "model", b"two")
    world.run(2)
    assert values(world) == [b"two"] * 5


def test_a_start_neither_writes_earlier_values_again_nor_tells_of_them() -> None:
    """The log's votes decide each version anew; what its certificates say of them is enough."""
    world = site("x")
    for value in (b"one", b"two", b"three"):
        propose(world.machines["a"], "model", value)
        world.run(2)
    for name in world.names:
        world.machines[name].kill()
        world.machines[name].decided.clear()
    for name in world.names:
        world.boot(name)
    world.run(5)
    for machine in world.up():
        certificates = [decode_certificate(record.payload) for record in machine.log if record.type == CERTIFICATE]
        assert [one.question.version for one in certificates if isinstance(one, Certificate)] == [1, 2, 3]
        assert machine.decided == [], "people would be told an old value as the newest"
        assert machine.node.voting.finals["site", "model"].value == b"three"


def test_what_is_shown_is_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Votes alone may be gone after a crash, and nobody takes back what was shown."""
    world = site("x")
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    x, waiting = world.machines["x"], list[Persist]()
    carry_out = x._one

    def slow(effect: Effect) -> list[Effect]:
        if isinstance(effect, Persist) and effect.records[0].type == CERTIFICATE:
            waiting.append(effect)
            return []
        return carry_out(effect)

    monkeypatch.setattr(x, "_one", slow)
    propose(world.machines["a"], "model", b"two")
    world.run(2)
    assert values(world) == [b"two"] * 5
    assert x.node.voting.finals["site", "model"].value == b"one" and len(x.decided) == 1
    assert x.node.voting.is_deciding, "bulk waits until people can be told"
    x.do(carry_out(waiting[0]))
    assert x.node.voting.finals["site", "model"].value == b"two" and len(x.decided) == 2
    assert not x.node.voting.is_deciding


def test_a_certificate_in_the_log_that_no_committee_gave_is_not_believed() -> None:
    """Of another epoch, and with too few votes: the log has been tampered with."""
    world = site()
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    b = world.machines["b"]
    (at,) = (at for at, record in enumerate(b.log) if record.type == CERTIFICATE)
    fields = decode(b.log[at].payload, depth_max=4)
    for field, value in ((2, ["site", 9, "night", 1, None]), (5, fields[5][:2])):
        spoilt = encode([*fields[:field], value, *fields[field + 1 :]])
        b.log.append(Record(CERTIFICATE, spoilt.replace(b"model", b"other")))
    b.kill()
    b = world.boot("b")
    assert {final.question.key for final in b.node.voting.agreement.registers} == {"model"}
    assert [report.event for report in b.reports].count("certificate-refused") == 2


def test_votes_of_before_a_restart_bind() -> None:
    """All stop after the prevotes were durable; whatever they do then, each has one prevote in ballot 0."""
    world = site()
    world.fate = lambda sender, to, channel: 0
    propose(world.machines["a"], "model", b"one")
    propose(world.machines["b"], "model", b"two")
    world.run(0.2)
    cast = [machine.node.voting.agreement.votes_cast for machine in world.up()]
    assert cast[:2] == [1, 1]
    for name in VOTERS:
        world.machines[name].kill()
        world.boot(name)
    world.fate = lambda sender, to, channel: 1
    world.run(20)
    assert len(set(values(world))) == 1 and None not in values(world)
    for machine in world.up():
        assert "vote-order" not in machine.node.voting.agreement.refused


def test_a_vote_that_a_crash_left_unsigned_counts_once_it_is_signed_again() -> None:
    """The log loses every signature that lay beside its vertex, and the certificate."""
    world = site()
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    b = world.machines["b"]
    b.kill()
    b.log = [record for record in b.log if record.type not in (SIGNATURE, CERTIFICATE)]
    world.machines["c"].kill()
    world.machines["d"].kill()
    world.boot("b", link=False)
    assert values(world) == [b"one"] * 2


def test_who_is_shown_a_vote_that_its_log_lacks_votes_no_more() -> None:
    """A card put back to an older image: the others decide without it, and it learns what they do."""
    world = site()
    image = list(world.machines["d"].log)
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    world.machines["d"].kill()
    world.machines["d"].log[:] = image
    world.boot("d")
    world.run(10)
    agreement = world.machines["d"].node.voting.agreement
    assert world.machines["d"].node.voting.abstains == ["site"]
    propose(world.machines["b"], "model", b"two")
    world.run(5)
    assert values(world) == [b"two"] * 4
    assert agreement.votes_cast == 0


def test_who_has_lost_nothing_goes_on_voting_after_a_start() -> None:
    world = site()
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    world.machines["d"].kill()
    world.boot("d")
    world.run(10)
    propose(world.machines["b"], "model", b"two")
    world.run(5)
    voting = world.machines["d"].node.voting
    assert voting.abstains == [] and voting.agreement.votes_cast == 2


def test_who_may_not_propose_is_told_and_refused_by_others() -> None:
    world = site("x")
    answer = propose(world.machines["x"], "model", b"mine")
    assert isinstance(answer, Refusal) and answer.reason == "proposal-unauthorised"
    assert propose(world.machines["a"], "model", b"one", scope="cell-9") == Refusal("scope-unknown", "cell-9")
    assert propose(world.machines["x"], "lease/door", b"x") == Refusal("proposal-lease", "site lease/door")
    lease = encode_term(Term(world.machines["x"].index, LEASE_MS_MIN))
    assert isinstance(propose(world.machines["x"], "lease/door", lease), Question)
    world.run(2)
    assert values(world, "lease/door") == [lease] * 5
    assert values(world) == [None] * 5


def test_nothing_is_said_without_a_question() -> None:
    world = site()
    world.run(15)
    before = [machine.node.graph.vertices for machine in world.up()]
    world.run(60)
    assert [machine.node.graph.vertices for machine in world.up()] == before
    assert world.bytes_sent[Channel.VERTEX] == 0


def test_certificates_and_open_questions_outlive_the_trimming_of_the_log() -> None:
    world = World([*VOTERS, "g"], ("g",), voting=VOTERS)
    world.segment_records, world.log_records = 64, 512
    world.boot_all()
    world.deliver()
    propose(world.machines["a"], "model", b"one")
    world.run(3)
    for number in range(700):
        world.machines["b"].submit(event(number), urgent=True)
        if number % 20 == 0:
            world.run(0.5)
    for machine in world.up():
        machine.do(machine.node.log_share(0.9, world.now, machine.segments()))
    world.run(12)
    for machine in world.up():
        machine.do(machine.node.log_share(0.9, world.now, machine.segments()))
    assert world.machines["b"].dropped > 0
    for name in world.names:
        world.machines[name].kill()
    for name in world.names:
        world.boot(name)
    assert values(world) == [b"one"] * 5


def test_a_lease_goes_to_another_once_its_time_is_over_by_the_members_clocks() -> None:
    world = site("x", "y")
    one, other = world.machines["x"], world.machines["y"]

    def ask(machine: Machine) -> None:
        assert isinstance(propose(machine, "lease/door", encode_term(Term(machine.index, LEASE_MS_MIN))), Question)

    def holders() -> list[str]:
        held = [
            (machine.name, machine.node.voting.agreement.leases.get("site", "lease/door", world.now))
            for machine in world.up()
        ]
        return [name for name, lease in held if lease is not None and lease.is_ours]

    ask(one)
    world.run(1)
    assert holders() == ["x"]
    ask(other)
    world.run(1.5)
    assert holders() == ["x"] and other.node.voting.agreement.has_open, "it waits"
    world.run(LEASE_MS_MIN / 1000)
    assert holders() == [], "decided long after it was asked: its own time is over, too"
    ask(other)
    world.run(1)
    assert holders() == ["y"]
