"""The processes of a benchmark that runs agents in several: whatever ends it, none of them is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge.errors import SynedgeError


class Workers:
    """The processes of one run, and the directory that they share; both are gone after it."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="synedge-bench-"))
        self.all: list[Worker] = []

    def start(self, names: list[str], module: str, *arguments: str) -> Worker:
        """As of `Worker`."""
        with _interrupts_held():  # between being there and being known a process would be left behind
            worker = Worker(names, module, *arguments)
            self.all.append(worker)
        return worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            for worker in self.all:
                worker.kill()
        for worker in reversed(self.all):  # whoever hosts the broker comes first, and goes last
            worker.end()
        shutil.rmtree(self.root, ignore_errors=True)


class Worker:
    """A process of this package that runs some of the agents, driven by lines of JSON."""

    def __init__(self, names: list[str], module: str, *arguments: str) -> None:
        """`names` are of the agents in it; `module` of this package gets the arguments."""
        command = [sys.executable, "-m", f"edge.lab.benches.{module}", *arguments]
        self.names = names
        # A process group of its own: Ctrl-C is for the one that waits, which then ends it. Not a session: Linux may
        # give each of them as much as all members of this one together, whatever `give_way` says.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)

    def send(self, **order: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SynedgeError(f"the benchmark's process for {', '.join(self.names)} ended early")
        return json.loads(line)

    def ask(self, **order: Any) -> Any:
        self.send(**order)
        return self.receive()

    def give_way(self) -> None:
        """Run when nobody else wants to."""
        os.sched_setscheduler(self._process.pid, os.SCHED_IDLE, os.sched_param(0))

    def kill(self) -> None:
        """Its broker dies with it, and its directory is thrown away: nothing may be left that writes there."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Closing its input ends the process; one that hangs is killed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C takes effect after this. Unlike a blocked signal, a handler is not inherited by what is started."""
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if seen:
        raise KeyboardInterrupt
