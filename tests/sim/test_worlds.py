"""Worlds of the shipped node in which things go wrong: nothing that was promised fails."""

import os
import subprocess
from dataclasses import replace

import pytest

from edge.sim.profiles import PROFILES, profile_named
from edge.sim.run import Case, run_case, run_seeds
from tests.house.source import ROOT

slow = pytest.mark.skipif("SYNEDGE_SLOW" not in os.environ, reason="minutes; set SYNEDGE_SLOW=1")


def new_seeds(count: int) -> range:
    """Others for every commit, the same for everyone who looks at one."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    first = int(done.stdout[:6] or "0", 16) if done.returncode == 0 else 0
    return range(first, first + count)


def hold(profile: str, seeds: range) -> None:
    total = run_seeds(seeds, profile_named(profile), failures_max=1)
    said = [(outcome.case.replay(), outcome.violations) for outcome in total.failed]
    assert not said
    assert total.lost_acknowledged == 0
    assert total.vertices > 20 * len(seeds)


SMALL = {
    "calm": 1,
    "crashes": 10,
    "network": 8,
    "disks": 8,
    "rot": 8,
    "clocks": 4,
    "lying": 6,
    "images": 6,
    "forks": 8,
    "lives": 3,
    "trim": 2,
    "pruning": 2,
    "successions": 2,
    "flood": 2,
    "liars": 8,
    "committees": 3,
    "cells": 3,
    "recoveries": 3,
    "leaves": 3,
    "logs": 3,
    "evictions": 5,
}
MIXED = 120 - sum(SMALL.values())
"""A hundred and twenty new worlds for every commit."""


@pytest.mark.parametrize(("profile", "count"), SMALL.items())
def test_nothing_that_was_promised_fails(profile, count):
    hold(profile, new_seeds(count))


def test_everything_at_once():
    hold("mixed", new_seeds(MIXED))


DISKS = PROFILES["disks"].faults.keys() - PROFILES["crashes"].faults
LIARS = profile_named("liars")
SOUND = {kind: often for kind, often in LIARS.faults.items() if kind not in DISKS}
NARROWER = {
    "liars with sound disks": replace(LIARS, faults=SOUND),
    "successions with a liar": profile_named("successions", byzantine=1, behaviour="mix"),
}
"""Worlds that a profile holds among others."""

FOUND = {
    ("forks", 194): "all of an answer waited here already, so nobody was asked for what it hung above",
    (
        "mixed",
        10_198_481,
    ): "a vertex that rotted and the next one lacking were taken for neighbours, and for a second life",
    ("forks", 6_729_712): "the proof of a fork, which has no bodies, kept the vertex itself out as a duplicate",
    ("forks", 702_004): "a vertex that nobody had any more was asked for, in place of what lay above its name",
    ("mixed", 6_729_715): "a signature that a start read before its vertex had a place was forgotten",
    (
        "evictions",
        15_720_045,
    ): "the signature over our side of a fork went with a power cut, for good",
    (
        "liars with sound disks",
        2_004_343,
    ): "of two vertices of a fork that were missing only the one that nobody had was asked for",
    (
        "liars with sound disks",
        22,
    ): "of an author with more lines than a peer looks through, a missing vertex was not found",
    ("rot", 5_751_456): "what others had hung above a record of ours that rotted, and lost, was taken for a fault",
    ("successions with a liar", 103): "a liar's line that no gateway acknowledged stayed in every log, and filled it",
    ("successions with a liar", 123): "a question open for long kept its segments: full logs took no votes on it",
    ("cells", 153): "what a member of one scope asked of another was hidden by the next vertex of its line",
}


@pytest.mark.parametrize(("profile", "seed"), FOUND, ids=[f"{profile}-{seed}" for profile, seed in FOUND])
def test_what_was_found_once_stays_mended(profile, seed):
    total = run_seeds([seed], NARROWER.get(profile) or profile_named(profile))
    assert not total.failed, FOUND[profile, seed]


def test_every_profile_is_tried():
    assert PROFILES.keys() == {*SMALL, "mixed", "site"}


def test_a_large_site_brings_everything_home():
    """Devices keep their own line and hear gateways alone; the gateways end up with all of them."""
    profile = profile_named("site", nodes=60, minutes=3.0)
    outcome = run_case(Case(7, profile))
    assert not outcome.violations
    assert outcome.recorded > 120


def test_leaves_that_lose_power_and_cards_come_home_too():
    profile = profile_named("site", nodes=16, gateways=2, minutes=2.0, faults={"power": 4.0, "image": 1.0, "loss": 1.0})
    assert not run_seeds(range(4), profile).failed


def test_real_signatures_hold_as_well():
    """The stand-in is faster, not kinder: one seed in a hundred runs ML-DSA."""
    profile = profile_named("mixed", minutes=0.4)
    real, fast = (run_case(Case(100, profile), genuine) for genuine in (None, False))
    assert not real.violations
    assert real.trace_hash != fast.trace_hash, "seed 100 is one of those"


@slow
def test_five_thousand_worlds():
    hold("mixed", range(5_000))
