"""Guards around every test: no thread and no child outlives it; slow tests are asked for; hypothesis is bounded."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

LEAVE_S = 5.0
"""How long a stopped thread or a killed child may take to be gone."""

settings.register_profile("dev", max_examples=100, deadline=None)
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("SYNEDGE_SLOW"):
        return
    skip = pytest.mark.skip(reason="slow: asked for with SYNEDGE_SLOW=1")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.daemon}


def children() -> set[int]:
    """Process ids of our children, whichever thread started them; also those that ended and were not waited for."""
    found = set()
    for path in Path("/proc/self/task").glob("*/children"):
        try:
            found |= {int(pid) for pid in path.read_text().split()}
        except OSError:  # the thread ended meanwhile
            continue
    return found


def describe(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return f"{pid} (gone)"
    return f"{pid} ({command or 'ended, never waited for'})"


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails a test that leaves a non-daemon thread or a child; what a wider fixture started stood there before."""
    threads_before, children_before = threads(), children()
    yield
    deadline = time.monotonic() + LEAVE_S
    while (threads() - threads_before or children() - children_before) and time.monotonic() < deadline:
        time.sleep(0.01)
    left_threads = sorted(thread.name for thread in threads() - threads_before)
    left_children = sorted(describe(pid) for pid in children() - children_before)
    assert not left_threads, f"threads left running: {', '.join(left_threads)}"
    assert not left_children, f"child processes left: {', '.join(left_children)}"
