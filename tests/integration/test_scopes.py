"""Real processes where a cell of the site has a committee of its own, by commands with --scope."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.council import VOTERS, Council

CELL = "cell-a"


def row(council: Council, name: str, scope: str, key: str) -> dict[str, Any] | None:
    rows = council.run(name, "registers", key)["registers"]
    return next((one for one in rows if one["scope"] == scope), None)


def verify(certificate: Path, roster: Path, code: int) -> dict[str, Any]:
    words = ["certificate", "verify", str(certificate), "--roster", str(roster), "--json"]
    command = [sys.executable, "-m", "edge", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout or done.stderr)
    return answer


def test_a_cell_decides_for_itself_and_everybody_learns_it(council: Council, tmp_path: Path) -> None:
    before = shutil.copytree(council.site.roster_file.parent, tmp_path / "before")
    site, now_ms = council.site, council.site.roster.issued_ms + 1
    other = next(member for member in site.roster.members if member.name == "other")
    site.add("other", other.suite, other.public_key, roles=("device", "validator"), label=other.label, now_ms=now_ms)
    site.appoint(CELL, ("four", "other"), 0, now_ms=now_ms)
    for seat in council.seats.values():
        shutil.copy(site.roster_file, seat.directory)
    council.start(*council.devices)

    asked = council.run("one", "propose", "config/night", "here", "--wait", "60")
    there = council.run("other", "propose", "config/night", "there", "--scope", CELL, "--wait", "60")
    assert (asked["version"], there["version"]) == (1, 1) and there["is_ours"]
    assert (row(council, "four", "site", "config/night") or {})["value"] == "here"
    assert (row(council, "four", CELL, "config/night") or {})["value"] == "there"
    shown = council.run("one", "committee", "show")["committees"]
    assert {one["scope"]: len(one["voters"]) for one in shown} == {"site": 4, CELL: 2}

    file = tmp_path / "cell.cert"
    council.run("two", "certificate", "show", "config/night", "--scope", CELL, "--out", str(file))
    assert sorted(verify(file, site.roster_file, 0)["voters"]) == ["four", "other"]
    assert "scope-unknown" in verify(file, before / site.roster_file.name, 65)["error"]["message"]

    lease = council.run("other", "lease", "acquire", "door", "--ttl", "60", "--scope", CELL, "--wait", "60")
    assert lease["state"] == "ours" and lease["token"] == 1
    assert council.run("one", "lease", "show", "door", "--scope", CELL)["leases"][0]["holder"] == "other"
    assert council.run("one", "lease", "show", "door")["leases"] == [], "nobody asked the site for one"

    for name in (*VOTERS, "other"):
        council.devices[name].kill()
    council.start(*council.devices)
    for name in council.devices:
        assert (row(council, name, "site", "config/night") or {})["value"] == "here"
        assert (row(council, name, CELL, "config/night") or {})["value"] == "there"
    assert council.run("four", "propose", "config/night", "on", "--scope", CELL, "--wait", "60")["version"] == 2
    assert (row(council, "four", "site", "config/night") or {})["version"] == 1
