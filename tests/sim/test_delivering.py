"""What devices without a vote are handed, so that they know what is decided."""

import pytest

from edge.sim import question
from edge.sim.cluster import Cluster
from edge.sim.delivering import Delivering
from edge.sim.profiles import profile_named
from edge.sim.question import Question, ask

CERTIFICATE_BYTES = 10_500
"""With three signatures of ML-DSA-65, about."""


def test_what_leaves_are_handed_is_what_their_nodes_count():
    """By themselves, with the questions that they ask."""
    world = Cluster(3, profile_named("leaves", faults={}, links=1), [])
    delivering = Delivering(world)
    world.run()
    leaves = [machine for machine in world.machines[world.committee :] if not machine.is_gateway]
    assert not world.checkers.violations and delivering.receivers == len(leaves) == 3
    counts = [machine.node.counts() for machine in leaves]
    assert all(count["finals_taken"] > 0 for count in counts)
    assert delivering.bytes == pytest.approx(sum(count["finals_bytes"] for count in counts), rel=0.02)


def test_who_keeps_everything_hears_each_vote_once():
    world = Cluster(3, profile_named("calm", nodes=7, committee=4, links=1), [])
    delivering = Delivering(world)
    world.run()
    agreeing = world.checkers.ledger.agreeing_bytes
    assert delivering.receivers == 2 and agreeing > 100_000
    assert delivering.bytes == pytest.approx(2 * agreeing, rel=0.02)


def test_votes_that_were_lost_and_are_repaired_count_as_well():
    lossy = ask(Question(nodes=6, committee=4, minutes=4.0, loss=0.1)).figures
    assert lossy["delivered_bytes_per_decision"] > 0.9 * lossy["bytes_per_decision"] > 0, "one device has no vote"


def test_a_planner_is_told_what_it_costs_to_let_the_others_know(monkeypatch):
    monkeypatch.setattr(question, "KEEP_ALL_MEMBERS_MAX", 3)
    few, many = (ask(Question(nodes=nodes, committee=4, minutes=4.0)).figures for nodes in (8, 14))
    for figures, others in ((few, 3), (many, 9)):
        each = figures["delivered_bytes_per_decision_and_device"]
        assert 0.7 * CERTIFICATE_BYTES < each < 1.2 * CERTIFICATE_BYTES
        assert figures["delivered_bytes_per_decision"] == pytest.approx(others * each, rel=1e-3)
    assert few["bytes_per_decision"] == pytest.approx(many["bytes_per_decision"], rel=0.1), "that of agreeing stays"


def test_where_everybody_votes_nobody_is_told():
    figures = ask(Question(nodes=5, committee=4, minutes=1.0)).figures
    assert figures["delivered_bytes_per_decision"] == 0.0
    assert figures["delivered_bytes_per_decision_and_device"] is None
