"""The training sets that come with libfann: classical ones, from Debian's libfann-doc."""

from functools import cache
from pathlib import Path

import pytest

from edge.nn.fann_data import Data, read_data

FOLDER = Path("/usr/share/doc/libfann-dev/examples/datasets")


@cache
def training_set(name: str) -> Data:
    """By its file's name, `thyroid.train`; skips the test where it is not installed."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no {path} here; deploy/bootstrap.sh --test installs libfann-doc")
    return read_data(path.read_bytes(), str(path))
