"""The command as a person types it, in this process."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from edge.cli.main import main


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The one error on stderr."""
        return json.loads(self.err)["error"]


Synedge = Callable[..., Ended]


@pytest.fixture
def synedge(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Synedge:
    for variable in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)

    def run(*argv: object) -> Ended:
        code = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run
