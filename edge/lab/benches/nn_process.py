"""Peers of `bench nn` in processes of their own: starts and asks them, and says how to install one that is missing."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge.errors import UnavailableError
from edge.lab.benches.nn_c import Timer
from edge.lab.benches.nn_nets import Net

_CHILD = Path(__file__).with_name("nn_peer_child.py")
_BESIDE = (".venv-bench", ".venv-litert")
NEEDS = {
    "litert": "pip install ai-edge-litert",
    "onnxruntime": "pip install onnxruntime onnx",
    "numpy": "pip install numpy",
}
HINT = "deploy/bootstrap.sh --bench, or {} for an interpreter that SYNEDGE_PEERS_PYTHON names"


class Peer:
    """One runtime, under the first interpreter that has it."""

    def __init__(self, name: str, probe: Net):
        """Raises UnavailableError saying how to install it. `probe` is a network that it must be able to run."""
        self.name, self.version = name, ""
        self._loaded = 0
        for python in interpreters():
            self._process = subprocess.Popen(
                [python, "-I", str(_CHILD), name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            with contextlib.suppress(UnavailableError):
                self.load(probe)
                return
            self.close()
        raise UnavailableError(f"not installed: {HINT.format(NEEDS[name])}")

    def load(self, net: Net) -> dict[str, Timer]:
        """Every way in which it runs a network. Raises UnavailableError."""
        return self._ways("load", path=str(net.path), weights=str(net.path.with_suffix(".weights")), widths=net.widths)[
            0
        ]

    def many(self, paths: list[Path]) -> tuple[dict[str, Timer], int]:
        """All of these in turn, and the bytes that each takes."""
        ways, answer = self._ways("many", paths=[str(path) for path in paths])
        return ways, answer["bytes"]

    def _ways(self, do: str, **fields: Any) -> tuple[dict[str, Timer], dict[str, Any]]:
        self._loaded += 1
        answer = self._ask({"do": do, "net": self._loaded, **fields})
        self.version = answer.get("version", self.version)
        return {way: self._timer(self._loaded, way) for way in answer["ways"]}, answer

    def _timer(self, net: int, way: str) -> Timer:
        def time(calls: int) -> int:
            return int(self._ask({"do": "time", "net": net, "way": way, "calls": calls})["ns"])

        return time

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        given, made = self._process.stdin, self._process.stdout
        assert given is not None and made is not None
        try:
            given.write(json.dumps(asked) + "\n")
            given.flush()
            line = made.readline()
        except OSError:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "its process ended"}
        if "error" in answer:
            raise UnavailableError(f"{self.name}: {answer['error']}")
        return answer

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()
        self._process.wait()


def interpreters() -> list[str]:
    """The one that is named, else those that bootstrap makes beside this process's own, and that one itself."""
    named = os.environ.get("SYNEDGE_PEERS_PYTHON")
    if named:
        return [named]
    beside = [Path(sys.prefix).with_name(name) / "bin" / "python" for name in _BESIDE]
    return [str(path) for path in beside if path.is_file()] + [sys.executable]
