"""What a process may import. Every megabyte on a device is somebody's import; each of these lists is a decision."""

import subprocess
import sys

import pytest

from tests.house.source import ROOT

# Third-party packages of the device process, by top-level name.
DEVICE = {"edge", "paho", "Crypto", "_cffi_backend", "cffi", "cython_runtime", "_cython_3_3_1"}
# Loaded after READY, because its first import costs tens of milliseconds; it brings asyncio along.
AFTER_READY = {"zeroconf", "ifaddr"}
# Of our own package, what has no business on a device.
NOT_ON_A_DEVICE = ("edge.lab", "edge.sim", "edge.gateway", "edge.cli.demo", "edge.cli.bench", "edge.cli.doctor")
# Parts of the standard library that cost memory or say that something else came in.
HEAVY = {
    "asyncio",
    "concurrent",
    "importlib.metadata",
    "multiprocessing",
    "sqlite3",
    "unittest",
    "xml",
}
MARK = "-- modules --"


def imported(code: str) -> set[str]:
    """Modules loaded in a fresh interpreter after running `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print({MARK!r}, *sorted(sys.modules), sep='\\n')"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition(MARK)[2].split())


def foreign(names: set[str]) -> set[str]:
    bare = {name.partition(".")[0] for name in imported("")}
    tops = {name.partition(".")[0] for name in names} - bare
    return {top for top in tops if top not in sys.stdlib_module_names}


@pytest.fixture(scope="module")
def device() -> set[str]:
    """All that `synedge run` loads before READY."""
    return imported("import edge.agent, edge.cli.run")


def test_the_device_process_imports_what_is_listed(device):
    assert foreign(device) <= DEVICE


def test_nothing_heavy_before_ready(device):
    assert not device & (HEAVY | AFTER_READY)
    assert "numpy" not in device


def test_no_laboratory_on_a_device(device):
    assert not [name for name in device if name.startswith(NOT_ON_A_DEVICE)]


def test_mdns_brings_only_itself():
    assert foreign(imported("import edge.shell.mdns, zeroconf")) <= DEVICE | AFTER_READY


def test_help_is_argparse_and_nothing_else():
    names = imported("import sys; sys.argv = ['synedge', '--help']\nfrom edge.cli.main import main; main()")
    assert foreign(names) == {"edge"}
    assert not names & (HEAVY | {"ssl", "socket", "json", "tomllib", "logging"})
    assert {name for name in names if name.startswith("edge")} <= {"edge", "edge.cli", "edge.cli.main", "edge.errors"}
