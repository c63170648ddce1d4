"""A lost committee is replaced above a cut: enough chains keep what was certified; what is beside counts nowhere."""

import os

import pytest

from edge.consensus.epochs import Epochs
from tests.agreement.council import Council
from tests.agreement.liar import Babbler, Echo, Turncoat, Usurper
from tests.agreement.recovering import Recovery

SEEDS = int(os.environ.get("SYNEDGE_AGREEMENT_SEEDS", "3"))
LIE_MS = 1_000.0
LONG_MS = 120_000.0
KINDS = ("mute", "babble", "echo", "turncoat", "usurper")
ECHOES = {"echo": Echo, "turncoat": Turncoat, "usurper": Usurper}


def make(seed: int, kind: str, chains: tuple[int, ...], *, is_deaf: bool = False) -> Recovery:
    """Of 0 to 3, of whom 3 lies, 0 and 1 die; 2 goes on with three others, of whom 6 lies."""
    site = Recovery(
        ((0, 1, 2, 3), 1),
        ((2, 4, 5, 6), 1),
        seed,
        dead=(0, 1),
        chains=chains,
        liars=(3, 6),
        deaf=(2, 4, 5) if is_deaf else (),
        death_ms=60.0 + seed * 37 % 400,
        calm_ms=seed % 4 * 300.0,
    )
    lie(site, kind)
    for index in (0,) if kind == "usurper" else (0, 1):
        site.at(site.rng.uniform(0, 100), site.members[index].proposing("model", b"ab"[index : index + 1]))
    site.proposing_in(4, "model", b"new")
    site.proposing_in(5, "night", b"late")
    return site


def lie(site: Council, kind: str) -> None:
    for index in site.liars:
        if kind in ECHOES:
            ECHOES[kind](site, index)
        elif kind == "babble":
            Babbler(site, index, "model", LIE_MS)


def outcome(site: Recovery) -> set[bytes]:
    """Every value of the question that any honest member ever took for final, the dead ones as well."""
    site.settle("model", LONG_MS)
    site.settle("night", LONG_MS)
    return set(site.decided("model").values()) | site.since("model")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chains", [(1, 2), (1, 2, 3), (0, 1, 2)])
def test_with_chains_enough_nothing_certified_is_changed(kind: str, chains: tuple[int, ...]) -> None:
    """Of (4, 1) two honest chains, with or without the liar's."""
    for seed in range(SEEDS):
        site = make(seed, kind, chains, is_deaf=seed % 2 == 1)
        values = outcome(site)
        assert len(values) == 1, f"seed {seed}: {values}"
        assert set(site.alive()) <= set(site.decided("model")), f"seed {seed}: undecided"
        assert set(site.alive()) <= set(site.decided("night")), f"seed {seed}: the new committee decides nothing"


def test_with_too_few_chains_what_was_certified_may_be_decided_otherwise() -> None:
    """And then those who hold the roster agree all the same."""
    sites = [make(seed, "echo", (2,), is_deaf=True) for seed in range(8, 20 + SEEDS)]
    assert max(len(outcome(site)) for site in sites) > 1
    assert all(len(site.since("model")) <= 1 for site in sites)


def test_votes_without_the_cut_below_them_would_change_what_was_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Epochs, "is_entered", lambda *_: True)
    assert any(len(outcome(make(seed, "echo", (1, 2), is_deaf=True))) > 1 for seed in range(100))


def test_old_votes_beside_the_cut_would_divide_those_who_hold_the_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Epochs, "_below", lambda *_: -1)

    def differ(seed: int) -> bool:
        site = make(seed, "echo", (2,), is_deaf=True)
        outcome(site)
        return len(site.since("model")) > 1

    assert any(differ(seed) for seed in range(100))
