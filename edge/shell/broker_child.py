"""The process of a hosted broker and its keeper: a thread that forks it, reads what it says and reaps it.

The parent-death signal is bound to the forking thread (prctl(2)), so the keeper ends after the child, never before.
"""

import logging
import os
import pwd
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import edge
from edge import limits
from edge.shell.broker_config import BrokerOptions, Engine, mosquitto_config, mosquitto_password, rumqttd_config

log = logging.getLogger(__name__)

_ROOT = str(Path(edge.__file__).resolve().parent.parent)
_LINE_BYTES_MAX = 4096


class ChildFailedError(Exception):
    """One engine on one port did not come up; the message says why."""


class BrokerChild:
    """`on_exit` is called, by the keeper, if a watched child ends without `stop`."""

    def __init__(self, engine: Engine, on_exit: Callable[["BrokerChild"], None]) -> None:
        self.engine = engine
        self.ended = threading.Event()
        self.lines: deque[str] = deque(maxlen=limits.BROKER_LOG_LINES_MAX)
        self.says_running = False
        self.watched = False
        self.pid: int | None = None
        self._on_exit = on_exit
        self._stopping = False
        self._forked = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure = ""

    def start(self, options: BrokerOptions, port: int) -> None:
        """Fork; ChildFailedError if there is nothing to run."""
        threading.Thread(target=self._keep, args=(options, port), name="broker-keeper", daemon=True).start()
        self._forked.wait()
        if self._process is None:
            raise ChildFailedError(self._failure)

    def stop(self, timeout_s: float) -> None:
        """Ask it to end, then make it; safe to call twice."""
        self._stopping = True
        process = self._process
        if process is None or self.ended.is_set():
            return
        process.terminate()
        if not self.ended.wait(timeout_s):
            process.kill()
            self.ended.wait(timeout_s)

    def last_words(self) -> str:
        """The last error it wrote, else how it ended."""
        said = next((line for line in reversed(self.lines) if "rror" in line), None)
        code = self._process.returncode if self._process is not None else None
        return said or f"ended with code {code}"

    def _keep(self, options: BrokerOptions, port: int) -> None:
        try:
            fork = _fork_mosquitto if self.engine == "mosquitto" else _fork_iotcore
            process = fork(options, port)
        except (OSError, ChildFailedError) as error:
            self._failure = str(error)
            self.ended.set()
            self._forked.set()
            return
        self._process = process
        self.pid = process.pid
        self._forked.set()
        assert process.stderr is not None
        with process.stderr as said:
            while line := said.readline(_LINE_BYTES_MAX):
                text = line.decode(errors="replace").strip()
                self.lines.append(text)
                self.says_running = self.says_running or text.endswith(" running")
                log.debug("broker says text=%r", text)
        process.wait()
        self.ended.set()
        if self.watched and not self._stopping:
            self._on_exit(self)


def _fork_mosquitto(options: BrokerOptions, port: int) -> "subprocess.Popen[bytes]":
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise ChildFailedError("not installed")
    uid, gid = _unprivileged()
    files = _mosquitto_files(options, port, uid, gid)
    try:
        return subprocess.Popen(
            [*_python("-S"), "edge.shell.child", *_identity(uid, gid), program, "-c", _path_of(files[0])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=files,
            env=_environment(),
            cwd="/",
        )
    finally:
        for descriptor in files:
            os.close(descriptor)


def _fork_iotcore(options: BrokerOptions, port: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [*_python(), "edge.shell.iotcore_child", *_identity(*_unprivileged()), options.listen, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_environment(),
    )
    assert process.stdin is not None
    try:
        with process.stdin as settings:
            settings.write(rumqttd_config(options, port).encode())
    except BrokenPipeError:
        pass  # It ended already; its last words say why.
    return process


def _python(*flags: str) -> list[str]:
    return [sys.executable, "-P", *flags, "-m"]


def _environment() -> dict[str, str]:
    """Nothing of ours but the way to our own code: secrets may live in the environment."""
    return {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": _ROOT}


def _identity(uid: int, gid: int) -> list[str]:
    return [str(os.getpid()), str(uid), str(gid)]


def _unprivileged() -> tuple[int, int]:
    """Whom the child runs as: Mosquitto's own user or nobody when we are root, else us (-1, -1)."""
    if os.geteuid() != 0:
        return -1, -1
    for name in ("mosquitto", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    return 65534, 65534


def _mosquitto_files(options: BrokerOptions, port: int, uid: int, gid: int) -> list[int]:
    """Descriptors of the configuration and, with a user name, of the password file. In memory only: nothing to read for
    others, nothing to clean up after a SIGKILL, and no directory the unprivileged child must be let into."""
    passwords = []
    if options.username is not None:
        line = mosquitto_password(options.username, options.password or "", os.urandom(12))
        passwords.append(_memory_file("synedge-passwords", line, uid, gid))
    config = mosquitto_config(options, port, _path_of(passwords[0]) if passwords else None)
    return [_memory_file("synedge-mosquitto", config, uid, gid), *passwords]


def _memory_file(name: str, text: str, uid: int, gid: int) -> int:
    descriptor = os.memfd_create(name)
    os.write(descriptor, text.encode())
    os.fchmod(descriptor, 0o600)
    os.fchown(descriptor, uid, gid)
    return descriptor


def _path_of(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
