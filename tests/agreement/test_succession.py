"""A committee changes while it decides: one value for each question, in whichever epoch, whatever r of each say."""

import os
from collections.abc import Callable, Mapping

import pytest

from edge.consensus.agreement import Agreement
from edge.consensus.arrivals import Heard
from edge.consensus.audit import Audit
from edge.consensus.committee import Seats
from edge.consensus.contest import Contest
from edge.consensus.epochs import CHANGE_KEY, Epochs, Sees
from edge.consensus.turn import Turn
from tests.agreement.liar import Babbler, Echo, Turncoat, Usurper
from tests.agreement.succession import Succession

SEEDS = int(os.environ.get("SYNEDGE_AGREEMENT_SEEDS", "1"))
LIE_MS = 1_000.0
LONG_MS = 240_000.0
FOUR, OTHERS = tuple(range(4)), tuple(range(4, 8))
SHAPES = {
    "one is replaced": [(FOUR, 1), ((1, 2, 3, 4), 1)],
    "all are replaced": [(FOUR, 1), (OTHERS, 1)],
    "three join": [(FOUR, 1), ((0, 1, 2, 3, 4, 5, 6), 2)],
    "three leave": [((0, 1, 2, 3, 4, 5, 6), 2), ((0, 1, 5, 6), 1)],
    "two changes": [(FOUR, 1), ((2, 3, 4, 5), 1), ((4, 5, 6, 7), 1)],
}
KINDS = ("mute", "babble", "echo", "turncoat", "usurper", "mix")
ECHOES = {"echo": Echo, "turncoat": Turncoat, "usurper": Usurper}
LIARS = {
    "one is replaced": (3,),
    "all are replaced": (3, 7),
    "three join": (3,),
    "three leave": (5,),
    "two changes": (3, 6),
}
"""At most r in each committee."""


def make(shape: str, seed: int, kind: str, liars: tuple[int, ...] | None = None) -> Succession:
    liars = LIARS[shape] if liars is None else liars
    site = Succession(
        SHAPES[shape],
        seed,
        liars,
        calm_ms=seed % 4 * 500.0,
        hide_ms=(seed % 3 > 0) * 1500.0,
        hides_changes=seed % 3 == 2,
    )
    for index in liars:
        lies = site.rng.choice(("babble", *ECHOES)) if kind == "mix" else kind
        if lies in ECHOES:
            ECHOES[lies](site, index)
        elif lies == "babble":
            Babbler(site, index, "model", LIE_MS)
    honest = [index for index in site.committees[0][0] if index not in liars]
    for index in honest[: 1 if kind == "usurper" else 2]:
        site.at(site.rng.uniform(0, 400), site.members[index].proposing("model", b"abc"[index : index + 1]))
    for epoch in range(2, site.newest + 1):
        entering = [index for index in site.committees[epoch - 1][0] if index not in liars]
        site.proposing_in(entering[-1], "model", b"new%d" % epoch, epoch)
    site.proposing_in(entering[0], "night", b"late", site.newest)
    return site


def outcome(site: Succession) -> dict[int, bytes]:
    for key, version in (("model", 1), (CHANGE_KEY, site.newest - 1), ("night", 1)):
        site.run(LONG_MS, (key, version))
    return site.decided("model")


def differ(site: Succession) -> bool:
    return len(set(outcome(site).values())) > 1


def broke_stop(site: Succession) -> set[int]:
    """Of whom the vertices that were ever said prove a vote above its own stop."""
    auditor = Audit()
    for header in site.known.values():
        auditor.look(header)
    doubles, stopped = auditor.proofs((header, b"signed") for header in site.known.values())
    assert doubles.keys() <= set(site.liars)
    return set(stopped)


COMBINED = [(shape, kind) for shape in SHAPES for kind in KINDS]
"""Every fifth of them, which has each kind, unless more seeds are asked for."""


@pytest.mark.parametrize(("shape", "kind"), COMBINED if SEEDS > 1 else COMBINED[::5])
def test_a_question_that_a_change_cuts_in_two_has_one_answer(shape: str, kind: str) -> None:
    first = COMBINED.index((shape, kind))
    for seed in range(first, first + SEEDS):
        site = make(shape, seed, kind)
        final = outcome(site)
        assert len(set(final.values())) <= 1, f"seed {seed}: {final}"
        assert set(final) == set(site.members), f"seed {seed}: undecided"
        for version in range(1, site.newest):
            changes = site.decided(CHANGE_KEY, version)
            assert len(set(changes.values())) <= 1, f"seed {seed}: change {version}"
        assert set(site.decided("night")) == set(site.members), f"seed {seed}: the last committee decides nothing"
        assert broke_stop(site).isdisjoint(site.members), f"seed {seed}: somebody honest seems to have voted on"


def _goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has precommitted a change votes on, and is counted."""
    counts, may_vote = Agreement._counts, Turn._may_vote

    def still_counts(
        self: Agreement, contest: Contest, heard: Heard, at: int, cut: Mapping[tuple[str, int], int], sees: Sees
    ) -> bool:
        return counts(self, contest, heard._replace(prev=None), at, {}, sees)

    monkeypatch.setattr(Agreement, "_counts", still_counts)
    monkeypatch.setattr(Turn, "_may_vote", lambda self, one, held, _, sees: may_vote(self, one, held, None, sees))
    monkeypatch.setattr(Turn, "_has_ended", lambda *_: False)


def _enters_by_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new committee begins as soon as the roster names it."""
    monkeypatch.setattr(Epochs, "is_entered", lambda *_: True)
    monkeypatch.setattr(Epochs, "current", lambda self, scope: self.find(scope, self.newest(scope)))


def _forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken over."""
    monkeypatch.setattr(Epochs, "handed", lambda *_: ())
    monkeypatch.setattr(Epochs, "before", lambda *_: iter(()))


def _enters_by_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of the change lets somebody enter who has nothing of what is below."""
    is_entered = Epochs.is_entered

    def enters(self: Epochs, seats: Seats, sees: Sees) -> bool:
        current = self.current(seats.scope)
        return is_entered(self, seats, sees) or (current is not None and current.epoch >= seats.epoch)

    monkeypatch.setattr(Epochs, "is_entered", enters)


@pytest.mark.parametrize(
    ("mistake", "kind", "hidden"),
    [
        (_goes_on, "usurper", 1),
        (_enters_by_roster, "echo", 2),
        (_forgets, "usurper", 1),
        (_enters_by_certificate, "echo", 2),
    ],
)
def test_without_one_of_the_rules_it_breaks(
    monkeypatch: pytest.MonkeyPatch, mistake: Callable[[pytest.MonkeyPatch], None], kind: str, hidden: int
) -> None:
    """In worlds where new members hear little of the old ones, and a liar of each committee helps."""
    mistake(monkeypatch)
    seeds = range(hidden, 300, 3)
    assert any(differ(make("all are replaced", seed, kind)) for seed in seeds)


def test_members_who_vote_on_after_their_stop_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _goes_on(monkeypatch)
    found: set[int] = set()
    for seed in range(1, 60):
        site = make("all are replaced", seed, "usurper")
        outcome(site)
        found |= broke_stop(site) & set(site.members)
        if found:
            break
    assert found
