"""Real processes: half of a committee is gone for ever, two of three holders replace it; what is decided says so."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge.lab.process import wait_until
from tests.integration.council import DECIDE_S_MAX, Council

LEFT = ("one", "two", "other")


def synedge(*words: object) -> Any:
    """A command without a node."""
    command = [sys.executable, "-m", "edge", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_lost_committee_is_replaced_and_what_is_decided_since_says_so(council: Council, tmp_path: Path) -> None:
    fleet, seats = council.site.directory, {name: seat.directory for name, seat in council.seats.items()}
    roles = ("--role", "device", "--role", "validator")
    member = council.site.roster.by_name["other"]
    (tmp_path / "other.pub").write_bytes(member.public_key)
    label = ("--label", member.label) if member.label else ()
    synedge("fleet", "add", "other", "--public-key", tmp_path / "other.pub", *roles, *label, "--dir", fleet)
    holders = [tmp_path / f"holder-{number}" for number in range(3)]
    for holder in holders:
        synedge("recovery", "key", holder)
    synedge("recovery", "keys", *(holder / "recovery.pub" for holder in holders), "--needed", 2, "--dir", fleet)
    synedge("fleet", "refresh", *seats.values(), "--dir", fleet)

    council.start(*council.devices)
    council.run("one", "propose", "model/bearing", "3c0f", "--wait", "60")
    assert council.all_hold("model/bearing", "3c0f")
    for name in ("three", "four"):
        council.devices[name].kill()
    council.run("two", "propose", "model/bearing", "9a11", "--wait", "2", code=75)
    for name in LEFT:
        council.devices[name].kill()

    logs = [word for name in ("one", "two") for word in ("--data", seats[name])]
    draft = tmp_path / "site.draft"
    said = synedge("recovery", "draft", "site", "--members", "one,two,other", *logs, "--out", draft, "--dir", fleet)
    assert said["chains"] == 4 and said["whole"] == 2 and not said["keeps_what_is_certified"]
    files = [synedge("recovery", "sign", draft, "--key", holder)["signature"] for holder in holders[1:]]
    synedge("recovery", "apply", draft, *files, "--dir", fleet)
    synedge("fleet", "refresh", *(seats[name] for name in LEFT), "--dir", fleet)

    council.start(*LEFT)
    assert council.all_hold("model/bearing", "9a11"), "what was open is gone on with"
    assert council.run("other", "propose", "config/night", "on", "--wait", "60")["recovered"]
    assert council.all_hold("config/night", "on")
    rows = {row["key"]: row for row in council.run("one", "registers")["registers"]}
    assert rows["model/bearing"]["recovered"] and rows["model/bearing"]["version"] == 2
    assert rows["config/night"]["recovered"] and rows["config/night"]["overruled"] is None
    (row,) = council.run("two", "committee", "show")["committees"]
    assert row["epoch"] == row["since"] and row["voters"] == ["one", "two", "other"]

    proof = tmp_path / "night.cert"
    council.run("other", "certificate", "show", "config/night", "--out", str(proof))
    judged = synedge("certificate", "verify", proof, "--roster", fleet / "roster.cose")
    assert judged["is_true"] and judged["recovered"]
    council.devices["one"].kill()
    council.start("one")
    assert wait_until(lambda: council.final("one", "config/night") == "on", DECIDE_S_MAX)
    assert council.run("one", "registers", "config/night")["registers"][0]["recovered"]
