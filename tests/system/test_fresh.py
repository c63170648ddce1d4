"""A fresh Debian 12 and a clone: what the bootstrap says, installs, and leaves alone. Needs a network."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.house.source import ROOT
from tests.system import container
from tests.system.container import Container, booted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(container.unavailable() is not None, reason=str(container.unavailable())),
]

CLONE = "/srv/synedge"
POLICY = "/usr/sbin/policy-rc.d"


def package_settings() -> dict[str, str]:
    """How this machine reaches its package index, for the machine inside."""
    words = (
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_CERT",
        "PIP_TRUSTED_HOST",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    )
    return {name: os.environ[name] for name in words if name in os.environ}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    root = tmp_path_factory.mktemp("fresh") / "root"
    container.unpack(container.base(["git", "make"]), root)
    subprocess.run(["git", "clone", "-q", ROOT, root / CLONE[1:]], check=True, timeout=60)
    if certificates := os.environ.get("PIP_CERT"):
        (root / certificates[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(certificates, root / certificates[1:])
    with booted(root, network=True) as machine:
        yield machine
    shutil.rmtree(root)


def bootstrap(machine: Container, *before: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [*before, "make", "--no-print-directory", "-C", CLONE, "build"]
    return machine.run(*command, check=check, timeout_s=400, **package_settings())


def test_without_root_or_sudo_it_names_the_command(machine):
    machine.run("chown", "-R", "nobody", CLONE)
    done = bootstrap(machine, "setpriv", "--reuid=nobody", "--clear-groups", "env", "HOME=/tmp", check=False)
    machine.run("chown", "-R", "root", CLONE)
    assert done.returncode != 0
    assert "apt-get install -y --no-install-recommends" in done.stderr
    assert not machine.run("which", "gcc", check=False).stdout


def test_it_makes_a_fresh_machine_ready_and_starts_no_broker(machine):
    (machine.root / POLICY[1:]).write_text("#!/bin/sh\nexit 101\n")
    done = bootstrap(machine)
    for package in ("gcc", "libc6-dev", "mosquitto", "python3"):
        assert f"missing: {package}" in done.stdout
    assert (machine.root / POLICY[1:]).read_text() == "#!/bin/sh\nexit 101\n"
    assert not (machine.root / f"{POLICY[1:]}.before-synedge").exists()
    (machine.root / POLICY[1:]).unlink()
    assert machine.run("which", "mosquitto").stdout
    assert machine.unit("mosquitto.service", "ActiveState")["ActiveState"] == "inactive"
    assert machine.run("systemctl", "is-enabled", "mosquitto.service", check=False).stdout.strip() == "disabled"
    assert machine.run(f"{CLONE}/.venv/bin/synedge", "version", "--json").stdout


def test_a_second_time_it_installs_nothing_and_leaves_a_broker_alone(machine):
    machine.run("systemctl", "start", "mosquitto.service")
    before = machine.unit("mosquitto.service", "MainPID", "ActiveEnterTimestamp")
    done = bootstrap(machine, "unshare", "--net")
    assert "missing" not in done.stdout
    assert "installing" not in done.stdout
    assert machine.unit("mosquitto.service", "MainPID", "ActiveEnterTimestamp") == before
    machine.run("systemctl", "stop", "mosquitto.service")


def test_make_install_starts_nothing_and_what_it_installed_runs(machine):
    done = machine.run("make", "--no-print-directory", "-C", CLONE, "install", timeout_s=200, **package_settings())
    assert "neither started nor enabled" in done.stdout
    assert machine.run("systemctl", "is-enabled", "synedge", check=False).stdout.strip() == "disabled"
    machine.run("/opt/synedge/bin/synedge", "init", "--system", "--new-site", "--name", "fresh-1")
    machine.run("systemctl", "start", "synedge")
    assert machine.unit("synedge", "ActiveState", "User") == {"ActiveState": "active", "User": "synedge"}
    machine.run("make", "--no-print-directory", "-C", CLONE, "uninstall")
    assert machine.unit("synedge", "LoadState")["LoadState"] == "not-found"
    assert (machine.root / "etc/synedge/synedge.toml").exists()
    assert (machine.root / "var/lib/synedge/keys/node.seed").exists()
    assert not (machine.root / "opt/synedge").exists()


def test_the_demo_ends_green(machine):
    demo = "DEMO=--nodes 8 --seconds 20 --chaos --json"
    done = machine.run("make", "--no-print-directory", "-C", CLONE, "demo", demo, timeout_s=300, **package_settings())
    assert '"frontier_equal": true' in done.stdout
