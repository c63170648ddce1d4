"""Two agents on an emulated board, exchanging vertices through a real broker; deploy/test-arm.sh asks for it.

SYNEDGE_ARM_PYTHON is a command that runs the board's Python, SYNEDGE_ARM_PATH what it finds our package by.
"""

import os
from pathlib import Path

import pytest

from edge.lab import process
from tests.integration.agents import at, broker, field, until

PYTHON = os.environ.get("SYNEDGE_ARM_PYTHON", "")
SLOWLY_S = 120.0

pytestmark = pytest.mark.skipif(not PYTHON, reason="runs by deploy/test-arm.sh")


def test_two_boards_hold_what_each_other_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    command = ["env", f"PYTHONPATH={os.environ['SYNEDGE_ARM_PATH']}", PYTHON, "-P", "-m", "edge"]
    monkeypatch.setattr(process, "_synedge", lambda: command)
    with broker() as port, field(tmp_path, "one", "two") as site:
        for node in site:
            node.configure(at(port))
            node.start()
        for node in site:
            until(lambda: (node.poll() or {}).get("linked") or not node.is_running, "is linked", node, SLOWLY_S)  # noqa: B023
            assert node.is_running, node.last_words(15)
        site["one"].feed(1, 2, 3)
        site["two"].feed(40, 50)
        site["one"].waits_for(lambda status: status["recorded_events"] >= 3, "3 events recorded", SLOWLY_S)
        site["two"].waits_for(lambda status: status["recorded_events"] >= 2, "2 events recorded", SLOWLY_S)
        site.agree()
        for node in site:
            node.terminate()
            assert node.wait(SLOWLY_S) == 0, node.last_words(15)
        for node in site:
            assert node.values(site.index("one")) == [1, 2, 3]
            assert node.values(site.index("two")) == [40, 50]
            assert node.audit()["ok"]
