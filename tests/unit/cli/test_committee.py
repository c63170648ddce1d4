"""`synedge committee`: figures for a site that is not there yet, and who votes on one that is."""

from pathlib import Path

import pytest

from edge.errors import UnavailableError, UsageError
from edge.limits import COMMITTEE_MAX
from tests.unit.cli.conftest import Synedge


def test_one_committee_in_full(synedge: Synedge) -> None:
    answer = synedge("committee", "plan", "--members", "4", "--present", "90%", "--suite", "ml-dsa-44", "--json").json
    (row,) = answer["committees"]
    assert (row["liars"], row["quorum"], row["absent"], row["witnesses"]) == (1, 3, 1, 3)
    assert row["availability"] == pytest.approx(4 * 0.9**3 * 0.1 + 0.9**4)
    assert row["premise_broken"] == pytest.approx(1 - 0.99**4 - 4 * 0.01 * 0.99**3)
    assert row["signatures_bytes"] == 3 * 2420


def test_the_usual_one_is_marked_and_none_is_larger_than_the_site(synedge: Synedge) -> None:
    answer = synedge("committee", "plan", "--devices", "9", "--json").json
    rows = answer["committees"]
    assert [row["members"] for row in rows if row["is_usual"]] == [4]
    assert max(row["members"] for row in rows) <= 9
    shown = synedge("committee", "plan", "--devices", "60", "--sleepy")
    (line,) = (line for line in shown.out.splitlines() if line.endswith("usual"))
    assert line.split()[:4] == ["13", "2", "8", "5"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--members", "6", "--liars", "2"), "2 of 6 members who lie; allowed: 0 to 1"),
        (("--members", str(COMMITTEE_MAX + 1)), f"allowed: 1 to {COMMITTEE_MAX}"),
        (("--liars", "1"), "--liars needs --members"),
        (("--present", "150%"), "'150%' is not allowed; allowed: 0% to 100%"),
        (("--lying", "often"), "'often' is not allowed"),
    ],
)
def test_what_cannot_be_is_refused(synedge: Synedge, words: tuple[str, ...], said: str) -> None:
    ended = synedge("committee", "plan", *words)
    assert ended.code == UsageError.code and said in ended.err


def test_who_votes_is_read_from_the_roster_file_when_no_agent_runs(tmp_path: Path, synedge: Synedge) -> None:
    place, fleet = tmp_path / "a", tmp_path / "fleet"
    synedge("fleet", "init", "--dir", fleet)
    synedge("fleet", "add", "a", "--out", place, "--role", "device", "--role", "validator", "--dir", fleet)
    none = synedge("committee", "show", "-c", place / "synedge.toml")
    assert none.code == 0 and "nobody votes here" in none.out
    synedge("fleet", "committee", "site", "--members", "a", "--dir", fleet)
    synedge("fleet", "refresh", place, "--dir", fleet)
    told = synedge("committee", "show", "-c", place / "synedge.toml", "--json").json
    (row,) = told["committees"]
    assert (row["scope"], row["voters"], row["quorum"], row["since"]) == ("site", ["a"], 1, 3)
    assert told["roster_version"] == 3 and told["told_by"] == str(place / "roster.cose")


@pytest.mark.parametrize("wait", [(), ("--wait",), ("--wait", "3"), ("--wait", "0")])
def test_a_proposal_may_say_that_it_waits_without_saying_how_long(
    tmp_path: Path, synedge: Synedge, wait: tuple[str, ...]
) -> None:
    config = tmp_path / "n" / "synedge.toml"
    assert synedge("init", tmp_path / "n", "--name", "solo", "--new-site").code == 0
    ended = synedge("propose", "model/bearing", "3c0f", *wait, "-c", str(config))
    assert ended.code == UnavailableError.code, "it was understood: there is no agent to ask"
