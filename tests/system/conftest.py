"""A copy of the checkout with a wheel in dist/, built the way a release is: sdist first, wheel from the sdist."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

SETUP = "from setuptools import build_meta; build_meta.build_sdist('dist')"


def call(*argv: str | Path, cwd: Path, timeout: float = 300, **environ: str) -> str:
    """Run to the end and answer stdout; a failure shows what the command said."""
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env={**plain_environment(), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def plain_environment() -> dict[str, str]:
    """What a service or a stranger's shell has: no PYTHONPATH, no virtual environment, none of our switches."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tracked and untracked files, not what is ignored; .venv by a link; dist/ holds one sdist and one wheel."""
    if not (ROOT / ".venv/wheels").is_dir():
        pytest.fail("no .venv/wheels: deploy/bootstrap.sh makes it", pytrace=False)
    copy = tmp_path_factory.mktemp("checkout") / "synedge"
    listed = call("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, copy / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    python = copy / ".venv/bin/python"
    call(python, "-c", SETUP, cwd=copy)
    (sdist,) = (copy / "dist").glob("*.tar.gz")
    call(
        python, "-m", "pip", "--disable-pip-version-check", "wheel", "-q", "--no-build-isolation", "--no-deps",
        "--no-index", "--wheel-dir", "dist", sdist, cwd=copy,
    )  # fmt: skip
    return copy


@pytest.fixture(scope="session")
def wheel(checkout: Path) -> Path:
    (path,) = (checkout / "dist").glob("synedge-*.whl")
    return path


@pytest.fixture(scope="session")
def clean_environment(checkout: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment outside any checkout with the wheel and its pinned dependencies; no network."""
    place = tmp_path_factory.mktemp("clean") / "env"
    call(sys.executable, "-m", "venv", "--without-pip", place, cwd=place.parent)
    call(
        ROOT / ".venv/bin/python", "-m", "pip", "--disable-pip-version-check", "--python", place / "bin/python",
        "install", "-q", "--root-user-action=ignore", "--no-index", "--no-deps", "--find-links", ROOT / ".venv/wheels",
        "-r", ROOT / "deploy/requirements/run.txt", wheel, cwd=place.parent,
    )  # fmt: skip
    return place
