"""`synedge bench partition` for seconds: whole agents on machines of their own, and a cut that is real."""

import shutil
from argparse import ArgumentParser

import pytest

from edge.errors import UnavailableError, UsageError
from edge.lab import namespaces
from edge.lab.benches import partition
from edge.wire.suite import SUITE_BY_NAME, SUITES


def measure(*argv: str):
    parser = ArgumentParser()
    partition.arguments(parser)
    return partition.measure(parser.parse_args(argv))


@pytest.mark.skipif(shutil.which("mosquitto") is None, reason="no Mosquitto on this machine")
@pytest.mark.skipif(not namespaces.usable(), reason="network namespaces need root and iproute2")
def test_halves_that_went_on_recording_become_whole_and_every_byte_is_counted():
    told = measure("--nodes", "4", "--seconds", "4", "--events", "200", "--commit-window-ms", "200")
    assert told["recorded_events"] == 204 and told["lost_events"] == 0
    assert told["forks"] == 0 and told["faults"] == 0
    assert all(hosts >= 1 for hosts in told["brokers_while_apart"]), "each half has a broker of its own"
    assert 0 < told["first_s"] <= told["equal_s"] <= told["seen_equal_s"]
    assert told["equal_s"] == max(row["equal_s"] for row in told["rows"]) and len(told["rows"]) == 4
    signatures = 4 * SUITES[SUITE_BY_NAME["ml-dsa-65"].number].signature_bytes
    assert told["vertices"] >= 4
    # Each of four lacks the lines of two, so that each line has to arrive twice.
    assert signatures < told["unique_bytes"] and told["lacking_bytes"] == 2 * told["unique_bytes"]
    assert told["bytes_in"] > told["lacking_bytes"] and told["bytes_out"] > told["unique_bytes"]


def test_who_may_not_make_networks_is_told_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(namespaces.os, "geteuid", lambda: 1000)
    with pytest.raises(UnavailableError, match="need root"):
        measure()


@pytest.mark.parametrize("nodes", ["251", "1000"])
def test_more_machines_than_there_are_addresses_are_refused(nodes: str):
    with pytest.raises(UsageError, match="allowed: 4 to 250"):
        measure("--nodes", nodes)
