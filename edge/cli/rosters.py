"""A roster from a file, where no node runs."""

from pathlib import Path

from edge.errors import DataError, UsageError
from edge.identity import AUTHORITY_BYTES_MAX
from edge.limits import ROSTER_BYTES_MAX
from edge.shell.files import read_bounded
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster, open_roster


def roster_at(path: Path, authority: Path | None = None) -> Roster:
    """As signed by the key beside it, or by the one that is given."""
    key = authority or path.parent / "authority.pub"
    roster = open_roster(read_given(path, ROSTER_BYTES_MAX), read_given(key, AUTHORITY_BYTES_MAX))
    if isinstance(roster, Refusal):
        raise DataError(f"{path}: refused by the key of {key}, {roster}")
    return roster


def read_given(path: Path, bytes_max: int) -> bytes:
    """A file that the command line names."""
    try:
        return read_bounded(path, bytes_max)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
