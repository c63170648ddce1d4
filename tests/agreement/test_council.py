"""Agreement with at most r liars; disagreement found with one more, or with a rule taken away."""

import os

import pytest

from edge.consensus.contest import Contest
from edge.consensus.question import value_digest
from edge.ids import VertexKey
from edge.wire.items import PRECOMMIT, Vote
from tests.agreement.council import SITE, Council, question
from tests.agreement.liar import Babbler, Echo, Turncoat

SEEDS = int(os.environ.get("SYNEDGE_AGREEMENT_SEEDS", "15"))
LIE_MS = 3_000.0
LONG_MS = 120_000.0
SHAPES = [(1, 0, 0), (3, 0, 0), (4, 1, 1), (7, 2, 2), (8, 1, 1)]


def make(n: int, r: int, liars: int, seed: int, kind: str, proposals: int = 2) -> Council:
    council = Council(n, r, seed, liars, calm_ms=seed % 4 * 1000.0)
    for index in council.liars:
        lies = council.rng.choice(("babble", "echo", "turncoat")) if kind == "mix" else kind
        if lies in ("echo", "turncoat"):
            (Echo if lies == "echo" else Turncoat)(council, index)
        elif lies == "babble":
            Babbler(council, index, "model", LIE_MS)
    for index in sorted(council.members)[:proposals]:
        council.at(council.rng.uniform(0, 100), council.members[index].proposing("model", b"abc"[index : index + 1]))
    return council


def outcome(council: Council) -> dict[int, bytes]:
    """What each honest member takes for final; until all have something, or nothing happens any more."""
    council.run(LONG_MS, ("model", 1))
    return council.decided("model")


@pytest.mark.parametrize(("n", "r", "liars"), SHAPES)
@pytest.mark.parametrize("kind", ["mute", "babble", "echo", "turncoat", "mix"])
def test_all_decide_one_proposed_value_whatever_r_of_them_say(n: int, r: int, liars: int, kind: str) -> None:
    for seed in range(SEEDS if liars else min(SEEDS, 10)):
        council = make(n, r, liars, seed, kind)
        final = outcome(council)
        assert set(final) == set(council.members), f"seed {seed}: undecided"
        assert len(set(final.values())) == 1, f"seed {seed}: {final}"
        assert set(final.values()) <= {b"a", b"b", b"lie"}


def test_with_one_liar_more_it_breaks() -> None:
    assert any(len(set(outcome(make(4, 1, 2, seed, "echo")).values())) > 1 for seed in range(200))


def test_without_locks_it_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Contest, "unlocks", lambda *_: True)
    assert any(len(set(outcome(make(4, 1, 1, seed, "turncoat")).values())) > 1 for seed in range(200))


def test_with_q_members_awake_the_rest_is_not_waited_for() -> None:
    for seed in range(10):
        council = Council(7, 2, seed, absent=2)
        council.members[2].proposing("model", b"a")()
        council.run(LONG_MS, ("model", 1))
        assert council.decided("model") == dict.fromkeys(range(2, 7), b"a")


def test_without_a_quorum_nobody_decides_and_all_fall_silent() -> None:
    council = Council(4, 1, seed=1, absent=2)
    council.members[2].proposing("model", b"a")()
    council.run(24 * 3_600_000.0)
    assert council.decided("model") == {}
    assert council.now < LONG_MS, "they go on voting for ever"


def test_without_a_question_nobody_says_anything() -> None:
    council = Council(4, 1, seed=1)
    for member in council.members.values():
        member.turn()
    council.run(LONG_MS)
    assert council.steps == 0


def test_values_of_a_register_follow_one_another() -> None:
    council = Council(4, 1, seed=3)
    for version in range(1, 6):
        council.members[version % 4].proposing("model", b"%d" % version)()
        council.run(LONG_MS, ("model", version))
        assert council.decided("model", version) == dict.fromkeys(range(4), b"%d" % version)


def test_a_precommit_counts_for_a_certificate_whatever_its_past() -> None:
    """Of q members who precommit a value at least q - r are honest, and saw its quorum (0029)."""
    council = Council(4, 1, seed=0)
    contest = Contest(SITE, question("model"), council.seats)
    vote = Vote(contest.conflict, 0, PRECOMMIT, value_digest(b"a"))
    proposal = VertexKey(3, 1, 1)
    contest.propose(proposal, bytes(32), b"a", 3, 0.0)
    for author in range(3):
        assert contest.decided is None
        told = contest.heard(VertexKey(author, 1, 1), None, [proposal], [vote])
        assert [reason for _, reason in told] == ["vote-unjustified"]
    assert contest.decided == (0, value_digest(b"a"))
