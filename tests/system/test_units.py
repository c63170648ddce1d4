"""The unit and what stands beside it, as systemd's own tools read them."""

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.source import ROOT

UNIT = ROOT / "systemd/synedge.service"
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine")


class Values(dict):
    """A unit may name a key twice; both count."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            value = [*self[key], *value]
        super().__setitem__(key, value)


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(dict_type=Values, strict=False)
    parser.optionxform = str
    parser.read_string(UNIT.read_text())
    return parser


def check(path: Path) -> subprocess.CompletedProcess:
    return subprocess.run([ROOT / "deploy/check-unit.sh", path], capture_output=True, text=True, check=False)


@needs_systemd
def test_the_unit_is_valid_and_barely_exposed():
    done = check(UNIT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    assert "OK" in done.stdout


@needs_systemd
@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("CapabilityBoundingSet=", ""),
        ("Type=notify", "Type=notice"),
        ("[Service]", "[Servce]"),
    ],
)
def test_the_check_notices_a_weaker_or_broken_unit(tmp_path, line, instead):
    weaker = tmp_path / UNIT.name
    weaker.write_text(UNIT.read_text().replace(f"\n{line}\n", f"\n{instead}\n"))
    assert weaker.read_text() != UNIT.read_text()
    done = check(weaker)
    assert done.returncode != 0 or done.stderr


def test_what_the_agent_relies_on():
    service = unit()["Service"]
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == "main"
    assert service["WatchdogSec"] == "30"
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"].split() == ["64", "77", "78"]
    assert service["TimeoutStopSec"] == "10"
    assert service["LimitCORE"] == "0"
    assert "AF_NETLINK" in service["RestrictAddressFamilies"].split()
    assert unit()["Unit"]["StartLimitIntervalSec"] == "0"
    assert not {"Requires", "Wants", "BindsTo"} & set(unit()["Unit"]), "an offline device starts all the same"


@needs_systemd
@pytest.mark.skipif(os.geteuid() != 0, reason="owners can be set by root only")
def test_account_and_directories(tmp_path):
    (tmp_path / "etc").mkdir()
    for tool, extra, name in [("sysusers", [], "sysusers"), ("tmpfiles", ["--create"], "tmpfiles")]:
        done = subprocess.run(
            [f"systemd-{tool}", f"--root={tmp_path}", *extra, ROOT / f"systemd/synedge.{name}.conf"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    _, _, uid, gid, *_, shell = (tmp_path / "etc/passwd").read_text().strip().split(":")
    assert shell == "/usr/sbin/nologin"
    state, config = (tmp_path / "var/lib/synedge").stat(), (tmp_path / "etc/synedge").stat()
    assert (state.st_mode & 0o777, state.st_uid) == (0o700, int(uid))
    assert (config.st_mode & 0o777, config.st_uid, config.st_gid) == (0o750, 0, int(gid))
