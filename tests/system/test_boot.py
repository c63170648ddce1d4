"""The installed service under a real systemd: READY, watchdog, hosted broker, kill, clean stop, wrong configuration."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system import container
from tests.system.conftest import call
from tests.system.container import Container, booted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(container.unavailable() is not None, reason=str(container.unavailable())),
]

SERVICE = "synedge.service"
TICK = "import time\nn = 0\nwhile True:\n    print(n, 1, 2, 3, flush=True)\n    n += 1\n    time.sleep(0.1)\n"
SENSORS = """
[[source]]
name = "tick"
kind = "command"
argv = ["/usr/bin/python3", "/usr/local/lib/tick.py"]
fields = ["a", "b", "c", "d"]

[[agent]]
name = "proof"
source = "tick"
window = { size = 1, step = 1 }
model = "/opt/synedge/share/one_op.tflite"
decide = { kind = "value" }
"""
SYNEDGE = "/opt/synedge/bin/synedge"
DROP_IN = "run/systemd/system/synedge.service.d/test.conf"


def until(what: str, answer: Callable[[], object], timeout_s: float = 30) -> object:
    """Ask until the answer is true."""
    deadline = time.monotonic() + timeout_s
    while not (said := answer()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.1)
    return said


@pytest.fixture(scope="module")
def machine(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A booted Debian with Synedge installed, a site of its own and an agent on a model; not yet started."""
    root = tmp_path_factory.mktemp("boot") / "root"
    container.unpack(container.base(["python3", "python3-venv", "mosquitto"]), root)
    call(checkout / "deploy/install.sh", "install", cwd=checkout, DESTDIR=str(root))
    (root / "usr/local/lib/tick.py").write_text(TICK)
    shutil.copy(checkout / "edge/shell/engines/one_op.tflite", root / "opt/synedge/share/one_op.tflite")
    with booted(root) as machine:
        machine.run("systemd-sysusers")
        machine.run("systemd-tmpfiles", "--create", "synedge.conf")
        machine.run(SYNEDGE, "init", "--system", "--new-site", "--name", "boot-1")
        config = root / "etc/synedge/synedge.toml"
        config.write_text(config.read_text() + SENSORS)
        machine.run(SYNEDGE, "config", "check", "--config", "/etc/synedge/synedge.toml")
        yield machine
    shutil.rmtree(root)


@pytest.fixture
def running(machine: Container) -> Iterator[Container]:
    machine.run("systemctl", "start", SERVICE)
    yield machine
    (machine.root / DROP_IN).unlink(missing_ok=True)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "reset-failed")
    machine.run("systemctl", "stop", SERVICE)


def drop_in(machine: Container, text: str) -> None:
    """A drop-in for the time of one test, written inside: the container's /run is its own."""
    path = f"/{DROP_IN}"
    machine.run("sh", "-c", f"mkdir -p {Path(path).parent} && printf '%s\\n' '{text}' > {path}")
    machine.run("systemctl", "daemon-reload")


def undo_drop_in(machine: Container) -> None:
    machine.run("rm", "-f", f"/{DROP_IN}")
    machine.run("systemctl", "daemon-reload")


def main_pid(machine: Container) -> int:
    return int(machine.unit(SERVICE, "MainPID")["MainPID"])


def processes(machine: Container) -> dict[str, str]:
    """Program → user of everything in the service's control group."""
    each = 'for pid in $(cat "$0"); do echo "$(cat /proc/$pid/comm) $(stat -c %U /proc/$pid)"; done'
    shown = machine.run("sh", "-c", each, f"/sys/fs/cgroup/system.slice/{SERVICE}/cgroup.procs", check=False).stdout
    return dict(line.split() for line in shown.splitlines() if len(line.split()) == 2)


def kill(machine: Container, signal: str, pid: int) -> None:
    machine.run("sh", "-c", f"kill -{signal} {pid}")


def status(machine: Container) -> dict:
    answer = machine.run(SYNEDGE, "status", "--json", "--config", "/etc/synedge/synedge.toml", check=False)
    return json.loads(answer.stdout) if answer.returncode == 0 else {}


def events(machine: Container) -> list:
    said = machine.run(SYNEDGE, "events", "--json", "--config", "/etc/synedge/synedge.toml").stdout
    return json.loads(said)["events"]


def test_the_installed_service_is_neither_enabled_nor_started(machine):
    assert machine.unit(SERVICE, "ActiveState", "UnitFileState") == {
        "ActiveState": "inactive",
        "UnitFileState": "disabled",
    }


def test_start_reaches_ready_and_runs_hardened(running):
    shown = running.unit(
        SERVICE, "ActiveState", "SubState", "NotifyAccess", "WatchdogUSec", "User", "Result", "StatusText",
        "ActiveEnterTimestampMonotonic", "ExecMainStartTimestampMonotonic",
    )  # fmt: skip
    assert (shown["ActiveState"], shown["SubState"], shown["Result"]) == ("active", "running", "success")
    assert (shown["NotifyAccess"], shown["WatchdogUSec"], shown["User"]) == ("main", "30s", "synedge")
    process = Path(f"/proc/{main_pid(running)}/status")
    inside = running.run("cat", str(process)).stdout
    assert re.search(r"^NoNewPrivs:\s+1$", inside, re.M)
    assert re.search(r"^Seccomp:\s+2$", inside, re.M)
    assert re.search(r"^CapBnd:\s+0+$", inside, re.M)
    took_ms = (int(shown["ActiveEnterTimestampMonotonic"]) - int(shown["ExecMainStartTimestampMonotonic"])) / 1000
    print(f"start to READY under systemd: {took_ms:.0f} ms")


def test_it_records_and_hosts_a_broker_as_its_own_user(running):
    until("Mosquitto in the service's control group", lambda: "mosquitto" in processes(running))
    assert set(processes(running).values()) == {"synedge"}
    until("an event in the log", lambda: events(running))
    until("an answer on the control socket", lambda: status(running))
    assert running.unit("mosquitto.service", "ActiveState")["ActiveState"] == "inactive"


def test_a_clean_stop_takes_less_than_five_seconds_and_leaves_nothing(running):
    until("Mosquitto in the service's control group", lambda: "mosquitto" in processes(running))
    said = running.journal(SERVICE).count("Deactivated successfully")
    before = time.monotonic()
    running.run("systemctl", "stop", SERVICE)
    took_s = time.monotonic() - before
    assert running.unit(SERVICE, "ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}
    assert running.journal(SERVICE).count("Deactivated successfully") == said + 1
    assert took_s < 5
    assert not processes(running)


def test_a_killed_agent_comes_back_and_takes_its_broker_along(running):
    until("Mosquitto in the service's control group", lambda: "mosquitto" in processes(running))
    first = main_pid(running)
    kill(running, "KILL", first)
    until("a restart", lambda: running.unit(SERVICE, "NRestarts")["NRestarts"] == "1")
    until("READY again", lambda: running.unit(SERVICE, "ActiveState")["ActiveState"] == "active")
    assert main_pid(running) != first


def test_the_watchdog_is_fed_and_bites(machine):
    drop_in(machine, "[Service]\nWatchdogSec=2\nWatchdogSignal=SIGKILL")
    try:
        machine.run("systemctl", "start", SERVICE)
        first = main_pid(machine)
        fed = machine.unit(SERVICE, "WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"]
        until("another ping", lambda: machine.unit(SERVICE, "WatchdogTimestampMonotonic")[
            "WatchdogTimestampMonotonic"] != fed)  # fmt: skip
        assert main_pid(machine) == first
        kill(machine, "STOP", first)
        until("a restart by the watchdog", lambda: machine.unit(SERVICE, "NRestarts")["NRestarts"] == "1")
        assert "Watchdog timeout" in machine.journal(SERVICE)
    finally:
        machine.run("systemctl", "stop", SERVICE)
        undo_drop_in(machine)


@pytest.mark.parametrize(
    ("text", "code"), [("[node]\nname = 'boot-1'\nnmae = 1\n", "78"), ("[node]\nname = 'other'\n", "78")]
)
def test_a_wrong_configuration_is_said_once_and_not_retried(machine, text, code):
    config = machine.root / "etc/synedge/synedge.toml"
    before = config.read_text()
    config.write_text(text)
    try:
        assert machine.run("systemctl", "start", SERVICE, check=False).returncode != 0
        shown = machine.unit(SERVICE, "ActiveState", "ExecMainStatus", "NRestarts")
        assert shown == {"ActiveState": "failed", "ExecMainStatus": code, "NRestarts": "0"}
        assert "/etc/synedge/synedge.toml" in machine.journal(SERVICE)
    finally:
        config.write_text(before)
        machine.run("systemctl", "reset-failed", SERVICE)
