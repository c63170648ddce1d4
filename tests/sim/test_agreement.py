"""Committees in simulated worlds: members who lie in every way that agreement knows, and what is seen of it."""

from dataclasses import replace

import pytest

from edge.consensus.certificate import Certificate, decode_certificate
from edge.consensus.eviction import BY_HAND, FORKED
from edge.effects import Decided
from edge.sim import proof
from edge.sim.behaviours import BEHAVIOURS
from edge.sim.cluster import Cluster
from edge.sim.faults import plan
from edge.sim.lies import STRANGERS
from edge.sim.profiles import profile_named
from edge.sim.run import Case, Outcome, Total, run_case, run_seeds
from edge.wire.cbor import encode
from edge.wire.items import Question

CALM = profile_named("liars", faults={}, minutes=0.25)
SEEDS = {"babble": 5, "perjure": 4}
"""Where what they say at random is refused by name; 1 for the others."""
COUNTERS = {
    "mute": (),  # who says nothing breaks no rule
    "withhold": (),  # nor does who is heard by some alone
    "turncoat": (),  # what it says to each is as it should be
    "equivocate": ("members_voted_twice",),  # each vote counts for its value, on whichever line
    "amnesia": ("members_voted_twice",),
    "fork": ("refused_fork",),
    "babble": ("refused_vote_unproposed",),
    "stale": ("refused_proposal_epoch", "refused_vote_unasked"),
    "double": ("refused_vote_order",),
    "unjustified": ("refused_vote_unjustified",),
    "unlocked": ("refused_vote_against_lock",),
    "invent": ("refused_vote_unproposed",),
    "crowd": ("refused_proposals_many", "refused_sets_many"),
    "slander": ("values_groundless",),
    "perjure": ("refused_proposal_checkpoint", "refused_value_groundless"),
    "usurp": ("refused_proposal_unauthorised",),
    "bodiless": ("refused_body_missing",),
    "graft": ("refused_body_root", "refused_event_shape"),
    "orphan": ("pending", "requests_timed_out"),
    "elsewhere": ("refused_site_other",),
    "sloppy": ("refused_cbor_not_minimal",),
    "ahead": ("clocks_ahead",),
    "swarm": ("dropped_greedy", "dropped_unfit"),
    "junk": ("refused_signature_bad",),
    "greedy": ("serve_refused",),
    "boast": ("requests_timed_out",),
    "frame": ("refused_signature_bad",),
    "poison": ("finals_wrong", "refused_sealed_other"),
    "thief": ("refused_evicted", "refused_quarantined"),
}
"""What rises at honest members when one does nothing but this, and does not where nobody lies."""


def lie(behaviour: str, **changes: object) -> Outcome:
    nodes = CALM.nodes + (behaviour in STRANGERS)
    return run_case(Case(SEEDS.get(behaviour, 1), replace(CALM, behaviour=behaviour, nodes=nodes, **changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_lie_is_counted_by_its_name_and_hurts_nobody(behaviour):
    outcome = lie(behaviour)
    assert not outcome.violations
    assert outcome.disagreements == outcome.honest_evictions == 0 and outcome.decisions >= 2
    assert set(COUNTERS[behaviour]) <= (+outcome.counts).keys()
    assert bool(outcome.notes["lies"]) == (behaviour != "mute")


def test_every_behaviour_has_its_counters_named():
    assert BEHAVIOURS.keys() == COUNTERS.keys()


def test_where_nobody_lies_none_of_these_rises():
    counts = +run_case(Case(1, replace(CALM, byzantine=0))).counts
    told = {name for names in COUNTERS.values() for name in names}
    assert told & counts.keys() <= {"serve_refused"}, "a request comes over both brokers, and is answered once"
    assert counts["serve_refused"] < lie("greedy").counts["serve_refused"] / 50


@pytest.mark.parametrize("behaviour", ["equivocate", "amnesia"])
def test_who_breaks_its_word_is_named(behaviour):
    assert told_of(behaviour) and not told_of("mute")


def told_of(behaviour: str) -> bool:
    """Whether honest members say in their status that the liar voted twice."""
    case = Case(1, replace(CALM, behaviour=behaviour))
    world = Cluster(case.seed, case.profile, case.faults())
    world.run()
    honest = [machine for machine in world.machines if not machine.is_liar]
    return [3] in [machine.node.status(machine.clock.now(world.now))["broke_word"] for machine in honest]


@pytest.mark.parametrize("behaviour", ["turncoat", "mix"])
def test_two_liars_of_seven_are_borne_too(behaviour):
    profile = profile_named("liars", nodes=8, committee=7, byzantine=2, behaviour=behaviour, minutes=0.25)
    total = run_seeds([3], profile)
    assert not total.failed and total.disagreements == 0 and total.decisions


def test_one_liar_more_than_a_committee_bears_makes_it_disagree():
    """Beyond what is promised: noted, so that who looks can see it, and no violation."""
    total = Total()
    for seed in range(6, 66):  # six show none
        total.add(run_case(Case(seed, profile_named("liars", byzantine=2, behaviour="equivocate"))))
        if total.disagreements:
            break
    assert total.disagreements
    assert all(violation.kind != "disagreement" for outcome in total.failed for violation in outcome.violations)


def test_figures_say_what_agreement_costs():
    total = run_seeds(range(2), profile_named("calm", committee=4, minutes=0.5))
    assert total.decisions >= 4 and total.undecided == total.honest_evictions == 0
    assert 20 <= total.finality_at(0.5) <= total.finality_at(0.99), "a first prevote waits 20 ms for other proposals"
    assert total.bytes_per_decision > 4 * 2 * 3_309, "four members sign two votes each"


def test_a_replay_names_the_committee_and_its_liars():
    line = Case(3, profile_named("liars", behaviour="fork")).replay()
    assert "--committee 4" in line and "--byzantine 1 --behaviour fork" in line


def _certificate(world: Cluster) -> Certificate:
    registers = list(world.keepers()[0].node.voting.agreement.registers)
    certificate = decode_certificate(registers[0].certificate)
    assert isinstance(certificate, Certificate)
    return certificate


def _raw(certificate: Certificate, **changes: object) -> bytes:
    one = certificate._replace(**changes)
    shown = [[list(vote.headers), vote.signature] for vote in one.votes]
    return encode([1, one.site, list(one.question), one.value, one.ballot, shown])


def test_the_second_judge_believes_true_certificates_alone():
    world = Cluster(5, profile_named("calm", committee=4, minutes=0.8), [])
    world.run()
    certificate, roster = _certificate(world), world.rosters[0][0]

    def fault(**changes: object) -> str:
        return proof.fault(_raw(certificate, **changes), roster, world.signatures, range(4), 3)

    votes = certificate.votes
    assert fault() == ""
    assert fault(votes=votes[:2]) == "2 voters of 3"
    assert fault(votes=(*votes[:2], votes[0])) == "2 voters of 3"
    assert fault(value=b"other") == fault(ballot=certificate.ballot + 1) == "a vertex without the vote"
    assert fault(question=certificate.question._replace(epoch=2)) == "a vertex without the vote"
    swapped = votes[0]._replace(signature=votes[1].signature)
    assert fault(votes=(swapped, *votes[1:])).startswith("not signed by")
    assert proof.fault(b"\xff", roster, world.signatures, range(4), 3)


def test_a_member_whose_log_is_lost_while_its_key_stays_abstains_and_nothing_is_decided_twice():
    """The world in which the missing note is seen (`test_breaks`), with the note."""
    world = Cluster(6, profile_named("logs"), plan(6, profile_named("logs")))
    world.run()
    assert not world.checkers.violations and world.checkers.ledger.decisions
    lost = [machine for machine in world.machines[: world.committee] if machine.node.voting.abstains]
    assert lost and all(machine.trust.abstains for machine in lost)
    assert all(machine.node.voting.agreement.votes_cast == 0 for machine in lost)
    assert world.checkers.notes["votes-lost"]


def test_an_honest_member_that_is_held_for_a_liar_is_counted():
    """Without the rule of one vote, one that never meant to lie votes twice."""
    total = run_seeds(range(200), profile_named("crashes"), broken="once", failures_max=1)
    assert total.failed[0].honest_evictions > 0


def test_each_scope_of_a_site_decides_for_itself():
    world = Cluster(1, profile_named("cells"), plan(1, profile_named("cells")))
    world.run()
    assert not world.checkers.violations
    for machine in world.machines:
        registers = machine.node.voting.agreement.registers
        assert {final.question.scope for final in registers} == {"site", "cell-a", "cell-b"}, (
            "who votes nowhere as well"
        )


def test_of_each_scope_is_asked_what_its_own_committee_bears():
    """Of four one may have lost votes, of the three of the other cell nobody."""
    world = Cluster(1, profile_named("cells", nodes=9), [])
    ledger, members = world.checkers.ledger, world.machines
    assert [ledger.quorum_in(scope) for scope in ("site", "cell-a", "cell-b")] == [3, 3, 2]
    members[4].trust.keeps = False
    assert [ledger.is_bearable_in(scope) for scope in ("site", "cell-a", "cell-b")] == [True, True, False]
    for scope in world.scopes:
        for machine, value in ((members[0], b"one"), (members[1], b"two")):
            ledger.decided(machine, Decided(Question(scope, 1, "model", 1, None), value, 0))
    assert ledger.disagreements == 3
    assert [one.text for one in world.checkers.violations] == ["site model version 1", "cell-a model version 1"]


def test_what_more_lost_votes_than_a_committee_bears_leave_open_is_said_and_no_failure():
    """Two of four came back from an image, and abstain; with one alone everything is decided."""
    two, one = (run_case(Case(seed, profile_named("images"))) for seed in (5, 0))
    assert not two.violations and two.is_undecided
    assert two.notes["undecided, of a committee of which too many lost votes"] == 1
    assert two.notes["more of a committee lie or lost votes than it bears"] == 1
    assert not one.violations and not one.is_undecided and one.decisions
    assert one.notes["votes-lost"] and not one.notes["more of a committee lie or lost votes than it bears"]


def test_a_committee_of_which_half_burns_is_replaced_and_goes_on():
    profile = profile_named("recoveries", faults={"lost committee": 3.0}, minutes=0.5)
    total = run_seeds(range(4), profile)
    assert not total.failed and total.disagreements == 0
    assert total.notes["fault: lost committee"] and total.notes["decided since a recovery"] > 10


def test_devices_that_fork_and_that_people_want_gone_are_evicted_for_all():
    why: set[int] = set()
    for seed in range(100, 120):
        world = Cluster(seed, profile_named("evictions"), plan(seed, profile_named("evictions")))
        world.run()
        assert not world.checkers.violations and world.checkers.evictions.wronged() == 0
        known = [{one.author: one.why for one in machine.node.voting.evictions()} for machine in world.machines]
        assert all(one == known[0] for one in known)
        why.update(known[0].values())
        if why == {FORKED, BY_HAND}:
            break
    assert why == {FORKED, BY_HAND}


def test_a_device_that_a_liar_has_evicted_is_counted():
    """Without the rule that nobody votes for that without grounds."""
    total = run_seeds(range(20), replace(CALM, behaviour="slander"), broken="grounds", failures_max=1)
    assert total.failed[0].honest_evictions > 0
