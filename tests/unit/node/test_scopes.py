"""A site with two committees, `site` and `cell-a`, that share a member: who decides where, and who learns what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.consensus.certificate import Certificate, decode_certificate, judge
from edge.consensus.checkpoint import CHECKPOINT_KEY
from edge.consensus.committee import by_epoch, seats_of
from edge.consensus.eviction import BY_HAND, Eviction, encode_eviction, eviction_key
from edge.consensus.lease import Term, encode_term
from edge.consensus.question import conflict_of, value_digest
from edge.limits import LEASE_MS_MIN
from edge.wire.frame import Channel
from edge.wire.items import PRECOMMIT, PREVOTE, Item, Question, Vote
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster, sign_roster
from edge.wire.vertex import decode_header
from edge.wire.voters import SITE_SCOPE, Voters
from tests.builders import AUTHORITY, Machine, World, event
from tests.unit.node.test_voting import propose

CELL = "cell-a"
NAMES = ["a", "b", "c", "d", "e", "f", "g", "leaf"]
SITE, OTHERS = ("a", "b", "c", "d"), ("d", "e", "f", "g")
"""Who votes on the site, and in the cell; `leaf` does in neither."""


def with_cell(roster: Roster, *names: str, since: int = 1, ended: tuple[Voters, ...] = ()) -> tuple[Roster, bytes]:
    """The same site, where these vote in the cell."""
    indices = tuple(sorted(NAMES.index(name) for name in names))
    voters = Voters(CELL, (len(indices) - 1) // 3, since, indices)
    members = tuple(
        replace(one, roles=tuple(dict.fromkeys((*one.roles, "validator")))) if one.index in indices else one
        for one in roster.members
    )
    site = tuple(one for one in roster.committees if one.scope != CELL)
    newer = replace(roster, members=members, committees=(voters, *site), ended=ended)
    return newer, sign_roster(newer, AUTHORITY)


def site(seed: int = 0, **options: object) -> World:
    world = World(NAMES, voting=SITE, seed=seed, own_only=("leaf",), **options)  # type: ignore[arg-type]
    world.roster, world.roster_bytes = with_cell(world.roster, *OTHERS)
    world.boot_all()
    world.deliver()
    return world


def held(world: World, scope: str, key: str = "model") -> list[bytes | None]:
    """What each machine takes for final."""
    finals = [machine.node.voting.agreement.registers.get(scope, key) for machine in world.up()]
    return [final.value if final is not None else None for final in finals]


def certificate_of(machine: Machine, scope: str, key: str = "model") -> Certificate:
    final = machine.node.voting.agreement.registers.get(scope, key)
    assert final is not None
    certificate = decode_certificate(final.certificate)
    assert isinstance(certificate, Certificate)
    return certificate


def voters_of(certificate: Certificate) -> set[str]:
    return {NAMES[decode_header(vote.headers[0]).author] for vote in certificate.votes}


def decided(world: World) -> tuple[Question, Question]:
    """Both scopes have a value for one key."""
    here, there = propose(world.machines["a"], "model", b"here"), propose(world.machines["e"], "model", b"there", CELL)
    world.run(8)
    assert isinstance(here, Question) and isinstance(there, Question)
    return here, there


def test_one_key_has_a_value_in_each_scope_by_the_votes_of_its_own_members() -> None:
    world = site()
    here, there = decided(world)
    assert (here.scope, there.scope) == (SITE_SCOPE, CELL) and here.version == there.version == 1
    assert held(world, SITE_SCOPE) == [b"here"] * 8
    assert held(world, CELL) == [b"there"] * 8
    cast = {name: world.machines[name].node.voting.agreement.votes_cast for name in NAMES}
    assert cast == {"a": 2, "b": 2, "c": 2, "d": 4, "e": 2, "f": 2, "g": 2, "leaf": 0}
    assert voters_of(certificate_of(world.machines["leaf"], SITE_SCOPE)) <= set(SITE)
    assert voters_of(certificate_of(world.machines["leaf"], CELL)) <= set(OTHERS)


def test_one_scope_goes_on_while_the_other_has_no_quorum() -> None:
    world = site()
    for name in ("e", "f"):
        world.machines[name].kill()
    propose(world.machines["a"], "model", b"here")
    propose(world.machines["d"], "model", b"there", CELL)
    world.run(10)
    assert held(world, SITE_SCOPE) == [b"here"] * 6
    assert held(world, CELL) == [None] * 6
    world.boot("e")
    world.run(20)
    assert held(world, CELL) == [b"there"] * 7


def test_both_are_known_after_a_restart_of_all_and_are_gone_on_from() -> None:
    world = site()
    decided(world)
    for name in NAMES:
        world.machines[name].kill()
    for name in NAMES:
        world.boot(name)
    assert held(world, SITE_SCOPE) == [b"here"] * 8 and held(world, CELL) == [b"there"] * 8
    world.run(2)
    here, there = propose(world.machines["b"], "model", b"2"), propose(world.machines["f"], "model", b"3", CELL)
    world.run(8)
    assert isinstance(here, Question) and isinstance(there, Question)
    assert here.version == there.version == 2 and here.predecessor != there.predecessor
    assert held(world, SITE_SCOPE) == [b"2"] * 8 and held(world, CELL) == [b"3"] * 8


def test_a_certificate_of_the_cell_is_judged_by_a_roster_that_lists_it() -> None:
    world = site()
    decided(world)
    certificate = certificate_of(world.machines["a"], CELL)
    assert judge(certificate, world.roster, by_epoch(seats_of(world.roster))) is None
    without = replace(world.roster, committees=world.roster.committees[1:])
    fault = judge(certificate, without, by_epoch(seats_of(without)))
    assert fault is not None and fault.reason == "scope-unknown"
    question = certificate.question._replace(scope=SITE_SCOPE)
    fault = judge(certificate._replace(question=question), world.roster, by_epoch(seats_of(world.roster)))
    assert fault is not None, "the site has not decided it"
    strangers, _ = with_cell(world.roster, "a", "b", "c", "d")
    fault = judge(certificate, strangers, by_epoch(seats_of(strangers)))
    assert fault is not None and fault.reason == "vote-stranger"


def say(machine: Machine, *items: Item) -> None:
    """Whatever this member is made to say."""
    node = machine.node
    node._own.draft(node.roster.version, machine.world.now, items=items)
    machine.do(node.tick(machine.world.now))


def test_who_votes_in_one_scope_has_no_vote_in_the_other_and_is_counted() -> None:
    """Two of the cell are away; with votes of the site's members it would have three."""
    world = site()
    for name in ("f", "g"):
        world.machines[name].kill()
    question = propose(world.machines["e"], "model", b"there", CELL)
    assert isinstance(question, Question)
    world.run(1)
    conflict = conflict_of(world.roster.site, question)
    for name in ("a", "b"):
        for phase in (PREVOTE, PRECOMMIT):
            say(world.machines[name], Vote(conflict, 0, phase, value_digest(b"there")))
    world.run(5)
    assert held(world, CELL) == [None] * 6
    for name in ("c", "d", "e"):
        assert world.machines[name].node.voting.agreement.refused["vote-stranger"] == 4
        assert world.machines[name].node.counts()["refused_vote_stranger"] == 4


def test_every_member_of_a_committee_may_propose_in_each_scope_and_nobody_else_may() -> None:
    world = site()
    question = propose(world.machines["a"], "model", b"by the site", CELL)
    assert isinstance(question, Question)
    world.run(8)
    assert held(world, CELL) == [b"by the site"] * 8 and held(world, SITE_SCOPE) == [None] * 8
    answer = propose(world.machines["leaf"], "model", b"mine", CELL)
    assert isinstance(answer, Refusal) and answer.reason == "proposal-unauthorised"
    answer = propose(world.machines["a"], "model", b"mine", "cell-b")
    assert isinstance(answer, Refusal) and answer.reason == "scope-unknown"


def test_what_a_member_of_the_site_asks_of_the_cell_is_decided_whatever_it_says_right_after() -> None:
    """Each vertex of a member is named by others, and shows nobody in the cell what lies below."""
    world = site()
    a = world.machines["a"]
    propose(a, "model", b"by the site", CELL)
    for number in range(5):
        a.submit(event(number), urgent=True)
    propose(a, "model", b"here")
    world.run(8)
    assert held(world, CELL) == [b"by the site"] * 8 and held(world, SITE_SCOPE) == [b"here"] * 8


@pytest.mark.parametrize("scope", [SITE_SCOPE, CELL])
def test_evictions_are_of_the_site_and_of_its_members_alone(scope: str) -> None:
    world = site()
    index = NAMES.index("leaf")
    answer = propose(world.machines["e"], eviction_key(index), encode_eviction(Eviction(index, BY_HAND, ())), scope)
    assert isinstance(answer, Refusal)
    assert answer.reason == ("proposal-unauthorised" if scope == SITE_SCOPE else "proposal-eviction")


def test_a_lease_of_a_scope_is_not_that_of_the_other() -> None:
    world = site()
    a, leaf = world.machines["a"], world.machines["leaf"]
    propose(a, "lease/door", encode_term(Term(a.index, 3 * LEASE_MS_MIN)))
    propose(leaf, "lease/door", encode_term(Term(leaf.index, 3 * LEASE_MS_MIN)), CELL)
    world.run(3)
    for machine in world.up():
        leases = machine.node.voting.agreement.leases
        of_site, of_cell = leases.get(SITE_SCOPE, "lease/door", world.now), leases.get(CELL, "lease/door", world.now)
        assert of_site is not None and of_cell is not None
        assert (of_site.holder, of_site.is_ours) == (a.index, machine is a)
        assert (of_cell.holder, of_cell.is_ours) == (leaf.index, machine is leaf)


def test_each_scope_has_checkpoints_of_its_own_registers() -> None:
    world = site(checkpoint_ms=5_000.0, witness_ms=100.0)
    decided(world)
    for name in NAMES:
        world.machines[name].submit(event(1))
    world.run(40)
    for machine in world.up():
        checkpoints = machine.node.voting.agreement.checkpoints
        assert checkpoints.seals.keys() == {SITE_SCOPE, CELL}
        here, there = (set(checkpoints.seals[scope].leaves.values()) for scope in (SITE_SCOPE, CELL))
        assert here and there and not here & there
        assert machine.node.voting.agreement.views.known is not None, "vertices name that of the site"
    assert voters_of(certificate_of(world.machines["a"], CELL, CHECKPOINT_KEY)) <= set(OTHERS)
    quiet = [machine.vertex_count() for machine in world.up()]
    world.run(300)
    assert [machine.vertex_count() for machine in world.up()] == quiet, "nothing new is sealed by either"


def witnessed(machine: Machine, author: int) -> int:
    return sum(machine.node.voting.witnessing.witnesses.witnessed(author).values())


def test_members_of_the_cell_do_not_vouch_for_what_the_site_records() -> None:
    world = site(checkpoint_ms=5_000.0, witness_ms=100.0)
    for name in SITE[:3]:
        world.machines[name].kill()
    e, leaf = world.machines["e"], world.machines["leaf"]
    for machine in (e, leaf):
        machine.submit(event(1), urgent=True)
    propose(e, "model", b"there", CELL)
    world.run(60)
    branch = e.node.graph.branch(e.index, e.node.incarnation)
    assert branch is not None
    for machine in (world.machines[name] for name in OTHERS):
        assert CELL in machine.node.voting.agreement.checkpoints.seals, "its registers are sealed"
        assert (witnessed(machine, e.index), machine.node.voting.sealed_seq(branch)) == (0, 0)
        assert not machine.node.voting.sealing.lines
    for name in SITE[:3]:
        world.boot(name)
    world.run(60)
    for machine in (world.machines[name] for name in OTHERS):
        assert witnessed(machine, e.index) and machine.node.voting.sealed_seq(branch)
    assert {NAMES[author] for author in e.node.voting.witnessing.witnesses.members} == {*SITE}
    assert not any(world.machines[name].node.voting.witnessing.said for name in OTHERS[1:])


def test_where_the_site_has_no_committee_that_of_the_cell_vouches() -> None:
    world = World(NAMES, voting=SITE, own_only=("leaf",), checkpoint_ms=5_000.0, witness_ms=100.0)
    listed, _ = with_cell(world.roster, *OTHERS)
    alone = replace(listed, committees=listed.committees[:1])
    world.roster, world.roster_bytes = alone, sign_roster(alone, AUTHORITY)
    world.boot_all()
    world.deliver()
    a = world.machines["a"]
    a.submit(event(1), urgent=True)
    world.run(60)
    branch = a.node.graph.branch(a.index, a.node.incarnation)
    assert branch is not None
    assert witnessed(a, a.index) == a.node.voting.sealed_seq(branch) == 1


def test_the_committee_of_the_cell_changes_while_the_site_goes_on_as_it_was() -> None:
    world = site()
    decided(world)
    before, newer = world.roster.committees[:1], replace(world.roster, version=2)
    world.roster, world.roster_bytes = with_cell(newer, "a", "e", "f", "g", since=2, ended=before)
    for machine in world.up():
        machine.do(machine.node.receive(Channel.ROSTER, world.roster_bytes, world.now))
    world.run(10)
    for machine in world.up():
        epochs = machine.node.voting.agreement.epochs
        assert [seats.epoch for scope in (SITE_SCOPE, CELL) if (seats := epochs.current(scope))] == [1, 2]
    here, there = propose(world.machines["d"], "model", b"2"), propose(world.machines["a"], "model", b"3", CELL)
    world.run(8)
    assert isinstance(here, Question) and isinstance(there, Question) and (here.epoch, there.epoch) == (1, 2)
    assert held(world, SITE_SCOPE) == [b"2"] * 8 and held(world, CELL) == [b"3"] * 8
    assert "d" not in voters_of(certificate_of(world.machines["b"], CELL))


def test_a_member_that_lost_its_log_abstains_where_it_may_have_voted() -> None:
    """Its note names the scopes in which it did: in the other one nobody has asked anything of it yet."""
    world = site()
    propose(world.machines["e"], "model", b"there", CELL)
    world.run(5)
    d = world.machines["d"]
    d.kill()
    d.log.clear()
    d = world.boot("d")
    world.run(5)
    assert d.node.voting.abstains == [CELL]
    propose(world.machines["a"], "model", b"here")
    propose(world.machines["e"], "model", b"again", CELL)
    world.run(8)
    assert held(world, SITE_SCOPE) == [b"here"] * 8 and held(world, CELL) == [b"again"] * 8
    assert "d" not in voters_of(certificate_of(world.machines["a"], CELL))
