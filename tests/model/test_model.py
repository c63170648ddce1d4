"""Spin looks at every state of the model of agreement: the rule holds, and each mistake planted in it is found.

`agreement.pml` says what is modelled, docs/decisions/0029-the-rule-of-agreement.md the rule, docs/SOUNDNESS.md how much
is searched. A search counts only if it was exhaustive; whatever ended it early fails the test.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

MODEL = Path(__file__).with_name("agreement.pml")
STEPS_MAX = 100_000
"""Search depth in atomic steps; the deepest search here needs some hundreds."""
MEMORY_MB_MAX = 8_000
LIMIT_S = 1_800

needs_spin = pytest.mark.skipif(
    shutil.which("spin") is None or shutil.which("gcc") is None, reason="no spin or gcc here to check the model with"
)
pytestmark = needs_spin

SINGLE = r"x==1\)\|\|\(x==2"
AGREEMENT = r"final!=\(2\+4\)"
VALIDITY = r"final&~\(proposed\)"
PROGRESS = "may\\|\\|\\(x<"
STUCK = "y\\|\\|\\(x<"


class Search(NamedTuple):
    """What a search says: states stored, errors, the assertion that failed (or empty), all it printed."""

    states: int
    errors: int
    violated: str
    text: str


def search(folder: Path, *switches: str, optimise: str = "-O0") -> Search:
    """Generates, compiles and runs the verifier under these switches; asserts that nothing cut it short."""
    flags = [f"-D{switch}" for switch in switches]
    run(folder, "spin", "-a", *flags, str(MODEL))
    options = ["-DSAFETY", "-DNOREDUCE", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB_MAX}"]
    run(folder, "gcc", "-w", optimise, *options, "-o", "pan", "pan.c")
    text = run(folder, "./pan", f"-m{STEPS_MAX}")
    for cut in ("max search depth too small", "out of memory", "reached -DMEMLIM", "Search not completed"):
        assert cut not in text or "assertion violated" in text, text
    assert "Full statespace search" in text, text
    numbers = [re.search(pattern, text) for pattern in (r"(\d+) states, stored", r"errors: (\d+)")]
    states, errors = (int(number[1]) if number else -1 for number in numbers)
    violated = re.search(r"assertion violated (.+) \(at depth", text)
    return Search(states, errors, violated[1].replace(" ", "") if violated else "", text)


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


RULE = [
    (["BALLOTS=2", "LOSS"], 10_575),
    (["BALLOTS=3", "LOSS"], 266_382),
]
LARGE = [
    (["BALLOTS=4"], 2_549_138),
    (["N=6", "LOSS"], 386_790),
    (["N=7", "R=2"], 95_009),
    (["N=8"], 1_114_739),
]


def holds(folder: Path, switches: list[str], states: int, optimise: str = "-O0") -> None:
    found = search(folder, *switches, optimise=optimise)
    assert found.errors == 0, found.violated or found.text
    assert found.states == states, "the model has changed: docs/SOUNDNESS.md says how large it was"


@pytest.mark.parametrize(("switches", "states"), RULE, ids=lambda value: " ".join(value) if type(value) is list else "")
def test_the_rule_holds(tmp_path, switches, states):
    """Agreement, validity, one vote in each phase, and a quiet ballot that decides, with a liar among four."""
    holds(tmp_path, ["ANONYMOUS", *switches], states)


def test_the_rule_holds_where_views_are_kept_and_only_grow(tmp_path):
    holds(tmp_path, ["VIEWS", "BALLOTS=1", "LOSS"], 90_455)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("switches", "states"), LARGE, ids=lambda value: " ".join(value) if type(value) is list else ""
)
def test_the_rule_holds_in_larger_worlds(tmp_path, switches, states):
    holds(tmp_path, ["ANONYMOUS", *switches], states, "-O2")


@pytest.mark.slow
@pytest.mark.parametrize(("switches", "states"), [(["LOSS"], 3_668_415), ([], 460_837)])
def test_the_rule_holds_where_it_is_kept_who_said_what(tmp_path, switches, states):
    """The same system without taking members that are alike for one; one vote in each phase is looked at here."""
    holds(tmp_path, switches, states, "-O2")


MISTAKES = {
    "the lock is dropped": (["ANONYMOUS", "BUG_LOCK"], AGREEMENT),
    "what nobody proposed is voted for": (["ANONYMOUS", "BUG_UNPROPOSED"], VALIDITY),
    "a quorum is too small by one": (["ANONYMOUS", "BUG_QUORUM"], AGREEMENT),
    "a lock gives way to an older quorum": (["ANONYMOUS", "BALLOTS=3", "BUG_UNLOCK_BELOW"], AGREEMENT),
    "precommits come without their prevotes": (["ANONYMOUS", "BUG_UNJUSTIFIED"], PROGRESS),
    "precommits come without their prevotes, and no coordinator can help": (
        ["ANONYMOUS", "BUG_UNJUSTIFIED", "ONLY_STUCK"],
        STUCK,
    ),
    "the plurality is adopted twice": (["BUG_PLURALITY"], SINGLE),
    "lost votes are cast again": (["BUG_AMNESIA"], SINGLE),
    "votes go back to an older ballot": (["BUG_ORDER", "NO_SINGLE"], AGREEMENT),
}
SLOW_MISTAKES = {
    "the plurality is adopted twice": (["BUG_PLURALITY", "NO_SINGLE"], AGREEMENT),
    "lost votes are cast again": (["BUG_AMNESIA", "NO_SINGLE"], AGREEMENT),
}


def is_found(folder: Path, switches: list[str], violated: str) -> None:
    """The search ends at the property that the mistake breaks, and leaves a trail that leads there."""
    found = search(folder, *switches)
    assert found.errors == 1, found.text
    assert re.search(violated, found.violated), found.violated
    trail = run(folder, "spin", "-t", *[f"-D{switch}" for switch in switches], str(folder / MODEL.name))
    assert "assertion violated" in trail, trail


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(tmp_path, mistake):
    shutil.copy(MODEL, tmp_path)
    is_found(tmp_path, *MISTAKES[mistake])


@pytest.mark.slow
@pytest.mark.parametrize("mistake", SLOW_MISTAKES)
def test_a_mistake_in_honesty_breaks_agreement(tmp_path, mistake):
    """Not only the member's own oath is broken: two certificates contradict each other."""
    shutil.copy(MODEL, tmp_path)
    is_found(tmp_path, *SLOW_MISTAKES[mistake])


@pytest.mark.parametrize("claim", ["CLAIM_UNDECIDED", "CLAIM_LOYAL"])
def test_the_search_meets_what_it_is_about(tmp_path, claim):
    """Ballots decide, and members vote against their locks: the properties do not hold for want of runs."""
    assert search(tmp_path, "ANONYMOUS", "BALLOTS=3", claim).errors == 1


def test_two_ballots_never_open_a_lock(tmp_path):
    """Why three are searched: what opens a lock of ballot 0 is of ballot 1, and the vote against it of ballot 2."""
    assert search(tmp_path, "ANONYMOUS", "BALLOTS=2", "CLAIM_LOYAL").errors == 0
