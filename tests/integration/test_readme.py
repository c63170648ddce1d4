"""README's commands, typed as they stand: every block marked `sh run`, in order, in one empty directory."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.nn.draft import Draft
from edge.nn.tflite_writer import write_tflite
from tests.house.source import ROOT
from tests.house.test_docs import FENCE

README = (ROOT / "README.md").read_text()
SCP = """#!/bin/sh
for name; do set -- "$@" "${name#*:}"; shift; done
exec cp "$@"
"""


def blocks() -> list[str]:
    return re.findall(r"^```sh run\n(.*?)^```", README, re.M | re.S)


def model() -> bytes:
    """A network that fits README's agent: 128 × 3 numbers in, probabilities of 3 classes out."""
    draft = Draft()
    x = draft.tensor("x", (1, 384))
    weights = draft.constant("W", (3, 384), [0.0] * 384 * 3)
    bias = draft.constant("b", (3,), [0.0, 1.0, 2.0])
    z, y = draft.tensor("z", (1, 3)), draft.tensor("y", (1, 3))
    draft.operator("FULLY_CONNECTED", (x, weights, bias), (z,))
    draft.operator("SOFTMAX", (z,), (y,), {"beta": 1.0})
    return write_tflite(draft.graph([x], [y], "readme"))


class Shell:
    """Types commands; `synedge run` goes on in the background until the end."""

    def __init__(self, directory: Path, commands: Path) -> None:
        self.directory = directory
        # One machine plays both, without a word outside of it: no mDNS.
        path = f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, "SYNEDGE_MQTT__DISCOVER": "false"}
        self.running: list[subprocess.Popen[str]] = []

    def type(self, line: str) -> str:
        if line.startswith("synedge run "):
            self._start(line)
            return ""
        done = subprocess.run(
            line, shell=True, cwd=self.directory, env=self._environment, capture_output=True, text=True, timeout=30,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _start(self, line: str) -> None:
        words = line.partition(" #")[0].split()
        socket = (self.directory / words[-1]).parent / "run" / "synedge.sock"
        process = subprocess.Popen(words, cwd=self.directory, env=self._environment, stderr=subprocess.PIPE, text=True)
        if not until(lambda: socket.exists() or process.poll() is not None) or process.poll() is not None:
            process.kill()
            pytest.fail(f"{line}\n{process.communicate()[1]}")
        self.running.append(process)

    def end(self) -> list[str]:
        """Stop what runs; what each said, in the order they were started."""
        for process in self.running:
            process.terminate()
        said = [process.communicate(timeout=10)[1] for process in self.running]
        assert [process.returncode for process in self.running] == [0] * len(said), said
        self.running.clear()
        return said


def until(holds: Callable[[], bool], timeout_s: float = 20) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "scp").write_text(SCP)
    (commands / "scp").chmod(0o755)
    (tmp_path / "home").mkdir()
    shell = Shell(tmp_path / "home", commands)
    yield shell
    for process in shell.running:
        process.kill()
        process.communicate()


@pytest.mark.skipif(shutil.which("synedge", path=str(Path(sys.executable).parent)) is None, reason="not installed here")
def test_what_readme_says_to_type_works(shell):
    first, second, third = blocks()
    for line in first.splitlines():
        shell.type(line)
    example = next(block for language, block in FENCE.findall(README) if language == "toml")
    (shell.directory / "pump-7" / "synedge.toml").write_text(example)
    (shell.directory / "pump-7" / "bearing.tflite").write_bytes(model())
    for line in (second + third).splitlines():
        shell.type(line)
    assert "valve-2" in shell.type("synedge fleet list --dir pump-7/fleet")
    assert "pump-7" in shell.type("synedge status --config pump-7/synedge.toml")
    assert "valve-2" in shell.type("synedge status --config valve-2/synedge.toml")
    pump, valve = shell.end()
    assert " ready node=pump-7 " in pump
    assert " ready node=valve-2 " in valve
    assert "all of it holds" in shell.type("synedge dag verify --config pump-7/synedge.toml")
