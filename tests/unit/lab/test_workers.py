"""The processes of a benchmark end with it."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest

from edge.lab.benches.workers import Workers


def test_an_interrupt_while_a_process_starts_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str], **options: Any) -> None:
            super().__init__(["cat"], **options)
            started.append(self)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt), Workers() as workers:
        workers.start(["someone"], "mesh_worker")
    assert [process.returncode for process in started] == [-signal.SIGKILL]
    assert not workers.root.exists()
