"""`synedge bench catchup` on a small site: two agents and a real Mosquitto."""

import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from edge.dag.reader import read_log
from edge.dag.verify import Verifier
from edge.errors import UsageError
from edge.lab.benches import catchup
from edge.lab.benches.catchup_site import HOLDER, LATE, lay_out_site
from edge.shell.disk import DirectoryDisk
from edge.wire.roster import Roster, open_roster
from edge.wire.suite import SUITES


def asked(*argv: str) -> Namespace:
    parser = ArgumentParser()
    catchup.arguments(parser)
    return parser.parse_args(argv)


SMALL = ("--held", "600", "--authors", "30", "--missing", "120", "--behind", "10")


@pytest.mark.skipif(shutil.which("mosquitto") is None, reason="no Mosquitto on this machine")
def test_what_is_missing_comes_and_its_bytes_are_those_of_the_socket():
    told = catchup.measure(asked(*SMALL))
    assert (told["held"], told["missing"], told["authors"], told["fetched"]) == (600, 120, 10, 120)
    assert told["rounds"] >= 1 and told["requests"] >= 1 and told["seconds"] > 0
    assert told["signatures"] == {"signatures_verified": 10, "signatures_bad": 0}, "one for each range"
    assert told["ratio"] > 1 and told["bytes_total"] > told["bytes_ideal"] > 10 * SUITES[2].signature_bytes
    assert 0 < told["negotiation_bytes"] < told["bytes_total"] - told["bytes_ideal"] + 1
    inward = sum(size for key, size in told["bytes_by_channel"].items() if key.endswith(" in"))
    received, sent = told["socket_bytes"]
    # Beside our frames a socket carries acknowledgements of MQTT, adverts of the host and people's presence.
    assert inward < received < inward + 4_000
    assert told["bytes_by_channel"]["rq out"] < sent
    assert not told["dropped"] and not told["refused"]


@pytest.mark.parametrize("events", ["1", "4"])
def test_the_logs_made_for_it_are_valid(tmp_path: Path, events: str):
    missing = lay_out_site(tmp_path, asked(*SMALL, "--events", events, "--parents", "2"))
    authority = (tmp_path / HOLDER / "authority.pub").read_bytes()
    roster = open_roster((tmp_path / HOLDER / "roster.cose").read_bytes(), authority)
    assert isinstance(roster, Roster) and len(roster.members) == 32
    held = {}
    for name in (HOLDER, LATE):
        verifier = Verifier(roster, authority, roster.by_name[name].index)
        disk = DirectoryDisk(tmp_path / name / "data" / "log", read_only=True)
        for _, record in read_log(disk):
            verifier.take(record)
        disk.close()
        verdict = verifier.verdict()
        assert not verdict.faults
        held[name] = verdict.vertices
    assert held == {HOLDER: 600, LATE: 480} and missing.vertices == 120


@pytest.mark.parametrize("argv", [("--held", "601"), ("--missing", "121"), ("--behind", "40"), ("--missing", "600")])
def test_what_does_not_divide_is_refused(argv: tuple[str, str]):
    with pytest.raises(UsageError, match="allowed"):
        catchup.measure(asked(*SMALL, *argv))
