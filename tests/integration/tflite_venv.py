"""An interpreter with tflite-runtime and numpy < 2, made once and kept in the checkout."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv-tflite"
REQUIREMENTS = ROOT / "deploy" / "requirements" / "tflite.txt"


def make(folder: Path, *packages: str) -> Path:
    """The folder's Python, after installing what it lacks. Raises RuntimeError with pip's or venv's own words."""
    python = folder / "bin" / "python"
    done = folder / "synedge-done"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(_host(), "-m", "venv", str(folder))
            _run(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)
            done.touch()
    return python


def _host() -> str:
    """A Python that tflite-runtime has wheels for."""
    if sys.version_info < (3, 12):
        return sys.executable
    for name in ("python3.11", "python3.10", "python3.9"):
        found = shutil.which(name)
        if found is not None:
            return found
    raise RuntimeError("no Python <= 3.11 here, and tflite-runtime has no wheels for later ones")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-500:]}")
