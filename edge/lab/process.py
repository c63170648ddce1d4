"""Real processes of the agent, started as a person would start them and ended by their own process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from edge.errors import SynedgeError, UnavailableError
from edge.shell.control import ask

ENVIRONMENT = ("PATH", "HOME", "LANG", "TERM", "TMPDIR", "PYTHONPATH", "SYNEDGE_TFLITE_C", "SYNEDGE_TFLITE_PYTHON")
"""What a device gets of ours: nothing that could name an address."""


class Device:
    """One agent process at a time, out of one directory; what it says goes to agent.log there."""

    def __init__(self, name: str, directory: Path, inside: tuple[str, ...] = ()) -> None:
        """`inside`: what its command line begins with, if it is to run elsewhere than here."""
        self.name = name
        self.directory = directory
        self.inside = inside
        self.command = _synedge()
        self.process: subprocess.Popen[bytes] | None = None
        self.status: dict[str, Any] = {}
        """The newest answer to `status`."""
        self.ready_ms: list[float] = []
        self.rss_mb_max = 0.0
        self.exit_codes: list[int] = []

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """`synedge run --config DIR/synedge.toml`, and nothing else."""
        assert not self.is_running
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        command = [*_mortal(), *self.inside, *self.command, "run", "--config", str(self.directory / "synedge.toml")]
        with open(self.directory / "agent.log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, close_fds=True
            )

    def ask(self, op: str, **fields: object) -> Any:
        """The answer on the control socket, None while there is none."""
        try:
            return ask(self.directory / "run" / "synedge.sock", op, **fields)
        except (UnavailableError, SynedgeError, OSError):
            return None

    def poll(self) -> dict[str, Any] | None:
        """Ask for the status and remember what only a living process can tell."""
        status: dict[str, Any] | None = self.ask("status") if self.is_running else None
        if status is not None and status["pid"] == self.pid:
            self.status = status
            self.rss_mb_max = max(self.rss_mb_max, status["rss_mb_max"])
            if status["ready_ms"] is not None and status["ready_ms"] not in self.ready_ms:
                self.ready_ms.append(status["ready_ms"])
            return status
        return None

    def kill(self) -> None:
        """SIGKILL: no chance to say goodbye."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self) -> None:
        if self.is_running:
            assert self.process is not None
            self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float) -> int | None:
        """The exit code, None if the process had to be killed."""
        if self.process is None:
            return None
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        self.exit_codes.append(code)
        return code

    def last_words(self, lines: int = 5) -> str:
        with contextlib.suppress(OSError):
            return "\n".join((self.directory / "agent.log").read_text(errors="replace").splitlines()[-lines:])
        return ""


def wait_until(holds: Any, timeout_s: float, pause_s: float = 0.1) -> bool:
    """Poll a condition of other processes; False when the time is over."""
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(pause_s)
    return True


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used so far, its threads together; 0 when it is gone (proc(5), stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    """Files, sockets and the like that a process has open; 0 when it is gone."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def _synedge() -> tuple[str, ...]:
    """The command as installed beside this interpreter, or this checkout's."""
    script = Path(sys.executable).with_name("synedge")
    return (str(script),) if script.exists() else (sys.executable, "-m", "edge")


def _mortal() -> list[str]:
    """Let the process end when this one is killed and cannot clean up."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []
