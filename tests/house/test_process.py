"""The device process as it really starts: what it has imported when it says READY, and what it adds afterwards."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from edge.shell.telemetry import figures
from tests.house.source import ROOT
from tests.house.test_imports import AFTER_READY, DEVICE, HEAVY, NOT_ON_A_DEVICE

READY = re.compile(r"\bready node=one\b")
LINE = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s*(\S+)$")
# What libraries import for things a device does not do (edge/shell/lean.py), by the modules that it leads to.
PUT_OFF = {"_bz2", "_ssl", "_lzma", "_uuid", "ast", "email", "http", "tempfile", "textwrap", "tokenize"}
RSS_BYTES_MAX = 38_000_000
"""A device alone, with one model, zeroconf and paho; the bar in a mesh is 45 MB."""
OF_THE_SITE = {"_distutils_hack", "sitecustomize", "apport_python_hook"}
SENSORS = """
[broker]
host = "never"

[[source]]
name = "load"
kind = "sysfs"
paths = ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/panic", "/proc/sys/kernel/sysrq", "/proc/sys/fs/nr_open"]
interval_ms = 50

[[agent]]
name = "proof"
source = "load"
window = { size = 1, step = 1 }
model = "one_op.tflite"
decide = { kind = "value" }
"""


class Process:
    """`synedge run` with every import reported as it happens, and where among them the agent logged that it is ready.

    Imports and log share one stream and the main thread logs before it starts the network, so the order is exact.
    """

    def __init__(self, directory: Path) -> None:
        self.imports: list[str] = []
        self.at_ready: list[str] = []
        self._address = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._address.bind(str(directory / "notify"))
        self._address.settimeout(20)
        self.process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "edge", "run", "--config", directory / "synedge.toml"],
            cwd=ROOT,
            env={**os.environ, "NOTIFY_SOCKET": str(directory / "notify")},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._is_ready = False
        self.said: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                match = LINE.match(line.rstrip())
                (self.imports if match else self.said).append(match[1] if match else line)
                if READY.search(line) and not self.at_ready:
                    self.at_ready = list(self.imports)
                self._changed.notify_all()

    def ready(self) -> None:
        """Until it has said so, however often one asks."""
        while not self._is_ready:
            self._is_ready = b"READY=1" in self._address.recv(4096)

    def until(self, what: Callable[[], object], timeout_s: float = 20) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(what, timeout_s))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()
        self._address.close()


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    directory = tmp_path_factory.mktemp("process")
    init = [sys.executable, "-m", "edge", "init", directory, "--new-site", "--name", "one"]
    subprocess.run(init, cwd=ROOT, check=True, capture_output=True)
    (directory / "one_op.tflite").write_bytes((ROOT / "edge/shell/engines/one_op.tflite").read_bytes())
    config = directory / "synedge.toml"
    config.write_text(config.read_text() + SENSORS)
    running = Process(directory)
    yield running
    running.stop()
    assert running.process.returncode == 0, "".join(running.said)


def foreign(names: list[str]) -> set[str]:
    """Top-level names from outside; not what was asked for in vain, nor what the interpreter's site brings."""
    tops = {name.partition(".")[0] for name in names} - {*sys.stdlib_module_names, *OF_THE_SITE}
    return {top for top in tops if top in DEVICE | AFTER_READY or find_spec(top) is not None}


def test_what_stands_at_ready_and_what_comes_later(process):
    process.ready()
    assert process.until(lambda: process.at_ready), "".join(process.said)
    assert foreign(process.at_ready) <= DEVICE
    assert not set(process.at_ready) & HEAVY
    assert process.until(lambda: "zeroconf" in process.imports), "mDNS never came"
    assert foreign(process.imports) <= DEVICE | AFTER_READY
    assert not [name for name in process.imports if name.startswith(NOT_ON_A_DEVICE)]


def test_what_is_put_off_never_comes(process):
    process.ready()
    assert process.until(lambda: "zeroconf._services.browser" in process.imports), "mDNS never came"
    assert sorted(set(process.imports) & PUT_OFF) == []
    maps = Path(f"/proc/{process.process.pid}/maps").read_text()
    assert "paho" in process.imports and "libcrypto" not in maps, "OpenSSL without TLS"


def test_memory_of_a_device(process):
    process.ready()
    assert process.until(lambda: "zeroconf._services.browser" in process.imports), "mDNS never came"
    assert figures(process.process.pid).rss_max_bytes < RSS_BYTES_MAX
