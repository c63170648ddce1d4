"""The checker of histories: it takes what a site that agrees may do, and names each thing that it may not."""

from collections.abc import Callable

import pytest

from edge.consensus.checkpoint import CHECKPOINT_KEY
from edge.lab.cuts.history import RULES, Asked, Cast, Held, History, Kept, Outcome, Shown, chains, faults

KEY = "lease/door"
S = 1_000_000_000


def asked(client: str, value: str, version: int | None, at_s: float, end_s: float, outcome: Outcome = "final") -> Asked:
    return Asked(client, KEY, value, round(at_s * S), round(end_s * S), outcome, version)


def shown(node: str, version: int, value: str, at_s: float) -> Shown:
    """In an answer that took 10 ms."""
    return Shown(node, KEY, version, value, round(at_s * S), round((at_s + 0.01) * S))


def kept(node: str, version: int, value: str, **other: str) -> Kept:
    """In a chain in which each value names the version before it."""
    before = {1: None, 2: "id-1", 3: "id-2", 4: "id-3"}[version]
    return Kept(node, KEY, version, value, before, f"id-{version}")._replace(**other)


def held(node: str, token: int, at_s: float, left_s: float) -> Held:
    """In an answer that took 10 ms."""
    return Held(node, KEY, token, round(at_s * S), round((at_s + 0.01) * S), left_s * 1000)


def good() -> History:
    """Two clients and two nodes; one proposal lost, one never answered and final all the same, one cut off for good."""
    return History(
        asked=[
            asked("one", "red", 1, 1.0, 1.2),
            asked("two", "blue", 1, 1.1, 1.3, "lost"),
            asked("one", "green", 2, 2.0, 8.0, "unknown"),
            asked("two", "white", 3, 9.0, 9.4),
            asked("two", "black", 4, 10.0, 16.0, "unknown"),
            asked("one", "grey", None, 10.0, 10.0, "refused"),
        ],
        shown=[
            shown("a", 1, "red", 1.15),
            shown("b", 0, "", 1.2),
            shown("b", 1, "red", 2.1),
            shown("a", 2, "green", 2.5),
            shown("a", 3, "white", 9.3),
            shown("b", 3, "white", 9.5),
        ],
        kept=[
            kept(node, version, value) for node in "ab" for version, value in ((1, "red"), (2, "green"), (3, "white"))
        ],
        cast=[Cast(1, ("c1", 0, 1), "red"), Cast(1, ("c1", 0, 1), "red"), Cast(1, ("c1", 0, 2), "")],
        held=[held("a", 1, 1.2, 3.0), held("a", 1, 2.2, 2.0), held("b", 3, 9.5, 3.0)],
        ends={"a": {KEY: (3, "white")}, "b": {KEY: (3, "white")}},
    )


def kinds(history: History) -> set[str]:
    return {fault.kind for fault in faults(history)}


def test_what_a_site_that_agrees_may_do_is_no_fault():
    assert faults(good()) == []
    assert chains(good()) == {KEY: {1: "red", 2: "green", 3: "white"}}


def test_members_ask_for_checkpoints_by_themselves_and_have_one_of_a_version_all_the_same():
    history = good()
    history.kept += [kept(node, 1, "sealed", key=CHECKPOINT_KEY) for node in "ab"]
    for end in history.ends.values():
        end[CHECKPOINT_KEY] = (1, "sealed")
    assert faults(history) == []
    history.kept[-1] = kept("b", 1, "otherwise", key=CHECKPOINT_KEY)
    assert kinds(history) == {"two-values"}


def test_nothing_happened_is_no_fault():
    assert faults(History()) == []


def test_operations_at_the_same_time_may_take_effect_in_any_order():
    history = good()
    history.asked[3] = asked("two", "white", 3, 2.2, 9.4)  # while version 2 was still asked for
    assert faults(history) == []


def test_a_node_may_answer_from_an_old_copy_but_not_go_back():
    history = good()
    history.shown.append(shown("b", 1, "red", 9.0))
    assert faults(history) == [], "b had not heard of version 2"
    history.shown.append(shown("b", 1, "red", 9.6))
    assert kinds(history) == {"went-back"}


def test_answers_that_overlap_have_no_order():
    history = good()
    history.shown.append(Shown("b", KEY, 1, "red", round(9.505 * S), round(9.6 * S)))
    assert faults(history) == []


def test_what_is_gone_after_a_restart_went_back():
    history = good()
    history.shown.append(shown("a", 0, "", 12.0))
    assert kinds(history) == {"went-back"}


PLANTED: dict[str, Callable[[History], None]] = {
    # A second final for a version, wherever it shows.
    "two-values": lambda history: history.shown.append(shown("b", 2, "black", 4.0)),
    "two-values in a log": lambda history: history.kept.insert(1, kept("a", 1, "blue")),
    "two-values of clients": lambda history: history.asked.append(asked("three", "brown", 3, 9.0, 9.4)),
    "two-values in the end": lambda history: history.ends.update(b={KEY: (3, "black")}),
    # Each names what was final before.
    "broken-chain": lambda history: history.kept.__setitem__(5, kept("b", 3, "white", predecessor="id-1")),
    "broken-chain in the values": lambda history: history.kept.__setitem__(1, kept("a", 2, "green", names="other")),
    "uncertified": lambda history: history.shown.append(shown("a", 4, "black", 11.0)),
    "certificate": lambda history: history.kept.__setitem__(0, kept("a", 1, "red", fault="certificate-short")),
    "went-back": lambda history: history.shown.append(shown("a", 2, "green", 11.0)),
    "went-back in a log": lambda history: history.kept.insert(3, kept("a", 1, "red")),
    # Compare and swap.
    "from-nowhere": lambda history: history.asked.__delitem__(2),
    "refused-final": lambda history: history.asked.__setitem__(2, asked("one", "green", None, 2.0, 2.1, "refused")),
    "other-version": lambda history: history.asked.__setitem__(2, asked("one", "green", 3, 2.0, 8.0, "unknown")),
    "won-unknown": lambda history: history.asked.__setitem__(0, asked("one", "red", 1, 1.0, 1.2, "lost")),
    # No clock is contradicted.
    "real-time": lambda history: history.asked.__setitem__(2, asked("one", "green", 2, 9.45, 9.6)),
    "real-time of what is shown": lambda history: history.shown.append(shown("b", 3, "white", 8.5)),
    "real-time of who lost": lambda history: history.asked.append(asked("three", "pink", 3, 5.0, 6.0, "lost")),
    "voted-twice": lambda history: history.cast.append(Cast(1, ("c1", 0, 2), "red")),
    "shared-lease": lambda history: history.held.append(held("b", 2, 3.0, 5.0)),
    "shared-lease at its end": lambda history: history.held.append(held("b", 2, 4.1, 5.0)),
    "old-token": lambda history: history.held.append(held("a", 2, 13.0, 1.0)),
    "unconverged": lambda history: history.ends.update(b={KEY: (2, "green")}),
    "unconverged without it": lambda history: history.ends.update(b={}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_it_may_not_do_is_named(name: str):
    history = good()
    PLANTED[name](history)
    assert name.partition(" ")[0] in kinds(history)


def test_no_rule_is_for_nothing():
    """Each finds something among what was planted that the others do not name so."""
    for rule in RULES:
        found = set()
        for plant in PLANTED.values():
            history = good()
            plant(history)
            found |= {fault.kind for fault in rule(history)}
        assert found, rule.__name__
