"""A committee of real processes with a real broker: what is proposed is final everywhere, also after SIGKILLs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge.lab.layout import Seat, found_site, node_settings
from edge.lab.process import Device, wait_until
from tests.integration.council import DECIDE_S_MAX, START_S_MAX, Council


def test_a_proposal_is_final_everywhere_and_proven_and_outlives_kills(council: Council, tmp_path: Path) -> None:
    council.start(*council.devices)
    answer = council.run("one", "propose", "model/bearing", "3c0f", "--wait", "60")
    assert (answer["value"], answer["version"], answer["state"], answer["is_ours"]) == ("3c0f", 1, "final", True)
    assert council.all_hold("model/bearing", "3c0f")

    council.run("other", "certificate", "show", "model/bearing", "--out", str(tmp_path / "bearing.cert"))
    verify = [sys.executable, "-m", "edge", "certificate", "verify", str(tmp_path / "bearing.cert"), "--json"]
    verify += ["--roster", str(council.site.roster_file)]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=30, check=True)
    proof = json.loads(done.stdout)
    assert proof["is_true"] and proof["value"] == "3c0f" and len(proof["voters"]) == 3
    spoilt = bytearray((tmp_path / "bearing.cert").read_bytes())
    spoilt[len(spoilt) // 2] ^= 1
    (tmp_path / "bearing.cert").write_bytes(spoilt)
    done = subprocess.run(verify, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 65 and "bearing.cert" in done.stderr

    council.devices["four"].kill()
    assert council.run("two", "propose", "model/bearing", "9a11", "--wait", "60")["version"] == 2
    for name in ("one", "two", "three"):
        council.devices[name].kill()
    council.start("one", "two", "three", "four")
    assert council.all_hold("model/bearing", "9a11")
    assert council.run("four", "propose", "model/bearing", "b7d2", "--wait", "60")["version"] == 3
    assert council.all_hold("model/bearing", "b7d2")


def test_a_device_that_keeps_its_own_line_learns_what_was_decided_also_while_it_was_off(council: Council) -> None:
    config = council.seats["other"].config
    config.write_text(config.read_text().replace('keep = "all"', 'keep = "own"'))
    council.start("one", "two", "three", "other")
    council.run("one", "propose", "config/night", "on", "--wait", "60")
    assert council.all_hold("config/night", "on")
    other = council.devices["other"]
    counts = other.ask("counts")
    assert counts["finals_taken"] == 1 and counts["votes_counted"] == 0, "it heard no vote"
    other.kill()
    for value in ("7", "8", "9"):
        council.run("two", "propose", "config/day", value, "--wait", "60")
    council.start("other")
    assert council.all_hold("config/day", "9") and council.final("other", "config/night") == "on"
    counts = other.ask("counts")
    assert (counts["finals_taken"], counts["finals_wrong"]) == (1, 0), "the newest of what it missed, and no more"
    assert council.run("other", "registers", "config/day")["registers"][0]["version"] == 3


def test_two_of_four_decide_nothing_and_say_so_until_a_third_is_there(council: Council) -> None:
    council.start("one", "two")
    answer = council.run("one", "propose", "config/night", "on", "--wait", "2", code=75)
    assert "not decided after 2 s" in answer["error"]["message"]
    assert council.final("one", "config/night") is None
    council.start("three")
    assert council.all_hold("config/night", "on")


def test_a_lease_has_one_holder_until_it_is_given_back_or_lost(council: Council, tmp_path: Path) -> None:
    council.start(*council.devices)
    lease = council.run("other", "lease", "acquire", "door", "--ttl", "60", "--wait", "60")
    assert lease["state"] == "ours" and lease["token"] == 1 and 0 < lease["left_ms"] <= 58_000
    answer = council.run("one", "lease", "acquire", "door", "--wait", "0", code=75)
    assert "other has it for another" in answer["error"]["message"]
    again = council.run("other", "lease", "acquire", "door", "--ttl", "60", "--wait", "60")
    assert again["token"] == 2
    assert council.run("one", "lease", "show", "door")["leases"][0]["state"] == "held"
    council.run("other", "lease", "release", "door", "--wait", "60")

    seen = tmp_path / "seen"
    script = f"echo $SYNEDGE_LEASE_TOKEN > {seen}; exit 3"
    words = ["lease", "run", "door", "--ttl", "30", "--wait", "60", "--config", str(council.seats["one"].config)]
    command = [sys.executable, "-m", "edge", *words, "--", "sh", "-c", script]
    assert subprocess.run(command, timeout=90, check=False).returncode == 3
    assert seen.read_text() == "4\n"
    assert council.run("two", "lease", "show", "door")["leases"][0]["state"] == "free"

    stays = tmp_path / "stays"
    command[-1] = f"echo $$ > {stays}; exec sleep 600"
    command[command.index("--ttl") + 1] = "5"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as holder:
        assert wait_until(stays.exists, DECIDE_S_MAX)
        for name in ("two", "three"):
            council.devices[name].kill()
        _, said = holder.communicate(timeout=90)
    assert holder.returncode == 75 and "door: lost" in said
    assert not Path(f"/proc/{stays.read_text().strip()}").exists()


def test_who_may_not_propose_is_told_why(council: Council) -> None:
    council.start("other", "one")
    answer = council.run("other", "propose", "model/bearing", "mine", code=70)
    assert "proposal-unauthorised" in answer["error"]["message"]
    answer = council.run("one", "propose", "model/bearing", "mine", "--scope", "cell-9", code=70)
    assert "scope-unknown" in answer["error"]["message"]


def test_a_member_whose_log_is_gone_and_whose_key_is_not_abstains_and_says_so(tmp_path: Path) -> None:
    """A committee of one, so that nobody but the note can tell."""
    seat = Seat("one", "device", tmp_path / "one", None)
    found_site(tmp_path, [seat], voting=("one",))
    seat.config.write_text(node_settings(seat))
    device = Device("one", seat.directory)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "edge", *words, "--config", str(seat.config), "--json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)

    def start() -> Any:
        device.start()
        assert wait_until(lambda: device.poll() is not None, START_S_MAX), device.last_words()
        return device.ask("status")

    try:
        assert start()["votes_lost"] == []
        assert json.loads(run("propose", "config/night", "on", "--wait", "60").stdout)["state"] == "final"
        device.kill()
        assert start()["votes_lost"] == [], "a crash loses no vote"
        device.kill()
        shutil.rmtree(seat.directory / "data" / "log")
        for _ in range(2):
            assert start()["votes_lost"] == ["site"]
            device.kill()
        start()
        assert run("propose", "config/night", "off", "--wait", "1").returncode == 75
        checks = {check["check"]: check for check in json.loads(run("doctor").stdout)["checks"]}
        assert "votes-lost" in checks["votes lost"]["found"]
        assert "votes-lost" in device.last_words(40)
    finally:
        if device.is_running:
            device.kill()


def test_what_is_recorded_and_final_is_witnessed_and_sealed(council: Council) -> None:
    for seat in council.seats.values():
        seat.config.write_text(seat.config.read_text().replace("[node]\n", "[node]\ncheckpoint_s = 5\n"))
    council.start(*council.devices)
    council.run("one", "propose", "model/bearing", "3c0f", "--wait", "60")
    council.run("other", "state", "set", "mode", "night")

    def are_sealed() -> bool:
        states = [council.run(name, "registers", "model/bearing")["registers"][0]["state"] for name in council.devices]
        return states == ["sealed"] * len(states)

    assert wait_until(are_sealed, DECIDE_S_MAX)
    assert council.run("other", "certificate", "show", "model/bearing")["state"] == "sealed"
    (link,) = council.run("other", "status")["mqtt"]["links"][:1]
    host, _, port = link["broker"].rpartition(":")
    topic = "synedge/n/other/final/site/model/bearing"

    def retained() -> Any:
        """What somebody sees who subscribes now."""
        command = ["mosquitto_sub", "-h", host, "-p", port, "-t", topic, "-C", "1", "-W", "10"]
        return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout)

    assert wait_until(lambda: retained()["state"] == "sealed", DECIDE_S_MAX)
    assert retained()["value"] == "3c0f"

    def is_sealed() -> bool:
        status = council.run("other", "status")
        return bool(status["seq"] and status["seq"] == status["witnessed_seq"] == status["sealed_seq"])

    assert wait_until(is_sealed, DECIDE_S_MAX)
    council.devices["other"].kill()
    council.start("other")
    rows = [council.run(name, "checkpoint")["checkpoints"][0] for name in council.devices]
    assert all(row["known"] and row["state"] == "final" and row["registers"] == 1 for row in rows)
    assert all(len(row["heads"]) == 3 for row in rows)
    assert len({(row["version"], row["root"]) for row in rows}) == 1

    def is_sealed_state() -> bool:
        states = [council.run(name, "state", "list", "--sealed") for name in council.devices]
        return len({state["root"] for state in states}) == 1 and all(len(state["names"]) == 1 for state in states)

    assert wait_until(is_sealed_state, DECIDE_S_MAX)
    rows = [council.run(name, "checkpoint")["checkpoints"][0] for name in council.devices]
    assert all(row["state_known"] and row["state_root"] for row in rows)
    assert [council.run(name, "state", "list")["names"][0]["state"] for name in council.devices] == ["sealed"] * 5
