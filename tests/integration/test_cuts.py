"""`synedge cuts`: a committee of real processes is cut, frozen and killed, and agrees all the same."""

import shutil
import subprocess
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import pytest

from edge.cli import cuts
from edge.consensus.checkpoint import CHECKPOINT_KEY
from edge.dag.reader import read_log
from edge.dag.records import CERTIFICATE
from edge.errors import UnavailableError, UsageError
from edge.lab import namespaces
from edge.lab.cuts import run as run_module
from edge.lab.cuts.clients import ANYONES, KEYS
from edge.lab.cuts.faults import CLOCKS, NETWORK, PROCESSES
from edge.lab.cuts.history import chains, faults
from edge.lab.cuts.run import Run, stage
from edge.shell.disk import DirectoryDisk

able = [
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="no Mosquitto on this machine"),
    pytest.mark.skipif(not namespaces.usable(), reason="network namespaces need root and iproute2"),
]


def options(*argv: str) -> Namespace:
    parser = ArgumentParser()
    cuts.arguments(parser)
    return parser.parse_args(argv)


def agrees(run: Run) -> dict[str, Any]:
    """One run: nothing is wrong, and there was something that could have been."""
    answer = run.run()
    assert answer["failures"] == [], answer
    assert answer["decided_during"] > 0, answer
    assert answer["decided_after"] >= len(KEYS), "each key once everything has healed"
    history = run.history
    assert set(chains(history)) - {CHECKPOINT_KEY} == set(KEYS)
    nodes = {node.name for node in run.nodes}
    assert {kept.node for kept in history.kept} == {shown.node for shown in history.shown} == nodes == set(history.ends)
    assert history.cast, "the logs have votes"
    assert {held.key for held in history.held} <= set(ANYONES) and history.held
    return answer


def one_certificate(run: Run) -> bytes:
    """The first in the log of the first member."""
    disk = DirectoryDisk(run.nodes[0].directory / "data" / "log", read_only=True)
    try:
        return next(record.payload for _, record in read_log(disk) if record.type == CERTIFICATE)
    finally:
        disk.close()


@able[0]
@able[1]
def test_a_committee_of_four_agrees_under_cuts_and_kills_and_a_planted_final_is_found():
    with stage(options("--committee", "4", "--devices", "2", "--seconds", "10", "--seed", "1")) as run:
        kinds = [row["kind"] for row in agrees(run)["rows"]]
        assert set(kinds) & set(NETWORK) and set(kinds) & set(PROCESSES)
        certificate = one_certificate(run)
        assert run.site.kept("voter-1", certificate).fault == ""
        spoilt = certificate[:-9] + bytes([certificate[-9] ^ 1]) + certificate[-8:]
        assert run.site.kept("voter-1", spoilt).fault.startswith("signature-bad")
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, check=True, text=True).stdout
    assert not [name for node in run.nodes for name in node.inside if name.startswith("synedge-") and name in listed]
    assert not [node.name for node in run.nodes if node.is_running]

    history = run.history
    assert faults(history) == []
    kept = history.kept[-1]
    history.kept[-1] = kept._replace(value="planted")
    assert "two-values" in {fault.kind for fault in faults(history)}
    history.kept[-1] = kept
    shown = max(history.shown, key=lambda one: one.version)
    history.shown.append(shown._replace(value="planted"))
    assert "two-values" in {fault.kind for fault in faults(history)}


@able[0]
@able[1]
@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_committee_of_seven_agrees_under_all_of_it(seed: int):
    with stage(options("--seed", str(seed), "--seconds", "60")) as run:
        kinds = {row["kind"] for row in agrees(run)["rows"]}
        assert kinds == {*NETWORK, *PROCESSES, *CLOCKS}


def test_who_may_not_make_networks_is_told_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(namespaces.os, "geteuid", lambda: 1000)
    with pytest.raises(UnavailableError, match="need root"), stage(options()):
        pass


def test_more_machines_than_there_are_addresses_are_refused():
    with pytest.raises(UsageError, match="allowed: 250 in all"), stage(options("--devices", "244")):
        pass


def test_a_directory_with_something_in_it_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_module, "check", lambda: None)
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"), stage(options("--keep", str(tmp_path))):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
