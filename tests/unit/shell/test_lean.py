"""Modules that are put off: nothing runs before the first use, everything is there from then on."""

import importlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.cli.run import uses_openssl
from edge.config import load
from edge.shell.lean import PUT_OFF, Later, put_off

BODY = """
import builtins
builtins.bodies_run = getattr(builtins, "bodies_run", 0) + 1
value = "its own"
asked = "its own"
"""


@pytest.fixture
def bodies(tmp_path, monkeypatch):
    """Two modules nobody has imported; how often the body of one ran."""
    import builtins

    (tmp_path / "weighty").mkdir()
    (tmp_path / "weighty" / "__init__.py").write_text("")
    (tmp_path / "weighty" / "part.py").write_text(BODY)
    (tmp_path / "alone.py").write_text(BODY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(builtins, "bodies_run", 0, raising=False)
    yield lambda: builtins.bodies_run
    for name in ("alone", "weighty", "weighty.part"):
        sys.modules.pop(name, None)


def test_a_module_runs_with_its_first_use(bodies):
    put_off({"alone": {}})
    alone = importlib.import_module("alone")
    assert isinstance(alone, Later) and bodies() == 0
    assert not hasattr(alone, "__file__") and bodies() == 0, "looking around is no use"
    assert alone.value == "its own" and bodies() == 1
    assert not isinstance(sys.modules["alone"], Later), "whoever imports it now gets the module itself"
    assert not hasattr(alone, "nothing") and bodies() == 1


def test_a_module_of_a_package(bodies):
    put_off({"weighty.part": {}})
    import weighty.part

    assert bodies() == 0
    assert weighty.part.value == "its own" and bodies() == 1
    assert weighty.part is sys.modules["weighty.part"]


def test_what_is_known_costs_nothing_until_the_rest_is_there(bodies):
    put_off({"alone": {"asked": "known"}})
    alone = importlib.import_module("alone")
    assert alone.asked == "known" and bodies() == 0
    assert alone.value == "its own"
    assert alone.asked == "its own", "from now on every name is the module's"


def test_what_is_loaded_stays(bodies):
    alone = importlib.import_module("alone")
    put_off({"alone": {"asked": "known"}})
    assert importlib.import_module("alone") is alone and alone.asked == "its own"


def test_many_threads_may_be_the_first(bodies):
    put_off({"alone": {"asked": "known"}})
    alone = importlib.import_module("alone")
    start = threading.Barrier(8)
    found: list[str] = []

    def use() -> None:
        start.wait()
        found.append(alone.value)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["its own"] * 8 and bodies() == 1


def test_every_module_on_the_list_is_itself_once_it_is_used():
    """Each in a fresh interpreter: what is known beforehand agrees with what is there afterwards."""
    code = f"""
import sys
from edge.shell.lean import Later, put_off
put_off()
for name in {list(PUT_OFF)!r}:
    later = sys.modules[name]
    if isinstance(later, Later):
        real = later.load()
        assert real is sys.modules[name] and real.__file__
        for known in later.__dict__["_known"]:
            assert getattr(later, known) is getattr(real, known), known
import ctypes.util, os, platform, ssl
assert platform.system() == os.uname().sysname
ssl.create_default_context()
try:
    raise ssl.SSLWantReadError
except ssl.SSLWantReadError:
    print("caught")
"""
    assert run(code) == "caught"


def test_the_process_itself_has_libc():
    assert (
        run(
            "from edge.shell import lean; lean.put_off()\n"
            "import ctypes, ctypes.util\n"
            "print(ctypes.CDLL(ctypes.util.find_library('c')).abs(-7), ctypes.util.find_library('no-such'))"
        )
        == "7 None"
    )


def test_what_is_asked_for_on_import_works_when_it_is_called():
    code = "from edge.shell import lean; lean.put_off()\nimport pathlib, asyncio\n"
    code += "print(pathlib.Path('/a b').as_uri())"
    assert run(code) == "file:///a%20b"


def test_hashes_without_openssl():
    code = """
from edge.shell.lean import hash_without_openssl
hash_without_openssl()
import hashlib, hmac, random, uuid
print(hashlib.sha256(b"abc").hexdigest()[:16], "libcrypto" in open("/proc/self/maps").read())
"""
    assert run(code) == "ba7816bf8f01cfea False"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", False),
        ('[mqtt]\nurls = ["mqtt://192.0.2.1"]\n', False),
        ('[mqtt]\nurls = ["mqtt://192.0.2.1", "mqtts://192.0.2.2"]\n', True),
        ('[mqtt]\nusername = "site"\npassword_file = "password"\n', True),
    ],
)
def test_who_uses_openssl(tmp_path: Path, more: str, expected: bool):
    (tmp_path / "password").write_text("secret")
    (tmp_path / "synedge.toml").write_text(f'[node]\nname = "one"\n{more}')
    assert uses_openssl(load(tmp_path / "synedge.toml", environ={}, check_files=False)) is expected


def test_a_gateway_uses_openssl(tmp_path: Path):
    (tmp_path / "synedge.toml").write_text('[node]\nname = "one"\nrole = "gateway"\n')
    assert uses_openssl(load(tmp_path / "synedge.toml", environ={}, check_files=False))


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
