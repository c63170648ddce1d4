"""`synedge bench streams`: both judge the same rows, and what is found is counted right."""

import pytest

from edge.lab.benches import nn_process, streams
from tests.unit.cli.conftest import Synedge, synedge

__all__ = ["synedge"]


def test_ours_and_theirs_find_the_same_drifts(synedge: Synedge):
    try:
        streams.River()
    except nn_process.UnavailableError as error:
        pytest.skip(str(error))
    found = synedge("bench", "streams", "--seeds", "1", "--rows", "3000", "--values", "4000", "--json").json["streams"]
    assert found["peer"].startswith("river ")
    assert [row["detector"] for row in found["rows"]] == [
        "half-space trees, 25", "half-space trees, 10", "adwin", "page-hinkley",
    ]  # fmt: skip
    for row in found["rows"]:
        assert row["us"] > 0 and row["peer_us"] > 0
    for row in found["rows"][2:]:
        assert row["found"] == row["peer_found"] and " of 3 jumps" in row["found"]


def test_without_river_it_says_how_to_get_it(synedge: Synedge, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYNEDGE_PEERS_PYTHON", "/bin/false")
    ended = synedge("bench", "streams")
    assert ended.code == 69 and "river is not installed: deploy/bootstrap.sh --bench" in ended.err


def test_the_first_drift_after_a_jump_tells_it_and_others_are_false():
    found = streams.Found()
    found.add([10, 1050, 1060, 2400, 3999], 4000)
    assert str(found) == "3 of 3 jumps, the median after 400 values; 2 false"
    found.add([], 2500)
    assert (found.jumps, found.false) == (5, 2)
