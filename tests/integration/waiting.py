"""Waiting for what other threads bring about."""

import time
from collections.abc import Callable
from typing import Any

from tests.integration.links import DEADLINE_S


def eventually(holds: Callable[[], Any], what: str) -> None:
    """Look again every few milliseconds until it holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S} s"
        time.sleep(0.005)
