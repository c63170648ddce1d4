"""Finding a log and reading it without its agent: records, the roster that explains them, and whose log it is."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.cli.options import load_config
from edge.dag.floor import Floor
from edge.dag.reader import read_log
from edge.dag.records import ROSTER, SIGNATURE, VERTEX, Damage, Record, segment_name, segment_numbers
from edge.dag.scanning import scan
from edge.errors import ConfigError, DataError, PermissionsError, StorageError, UnavailableError, UsageError
from edge.limits import ROSTER_BYTES_MAX
from edge.shell.disk import DirectoryDisk
from edge.shell.files import read_bounded
from edge.shell.floor import NAME as FLOOR_NAME
from edge.shell.floor import load as load_floor
from edge.shell.keys import load_seed
from edge.wire.frame import VertexFrame, decode_vertex
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster, open_roster
from edge.wire.suite import AUTHORITY_SUITE, SUITES, public_from_seed
from edge.wire.vertex import Header, decode_header

LEVELS_UP = 3
AUTHORITY_BYTES = SUITES[AUTHORITY_SUITE].public_bytes


@dataclass(frozen=True, slots=True)
class Log:
    """A log on disk and what is needed to understand it."""

    directory: Path
    data_dir: Path
    authority: bytes
    roster: Roster
    """The newest of the roster file and those in the log."""
    own: int | None
    """The index of the node that wrote it; None when neither key nor configuration tells."""

    def disk(self) -> DirectoryDisk:
        return DirectoryDisk(self.directory, read_only=True)

    def floor(self) -> Floor:
        """What the agent has dropped from the log; to be asked after the log is read."""
        floor = load_floor(self.data_dir / FLOOR_NAME)
        if floor is None:
            raise DataError(f"{self.data_dir / FLOOR_NAME}: cannot be read, or is no floor of a log")
        return floor

    @property
    def store(self) -> Path | None:
        """The gateway's store, if this node is one."""
        path = self.data_dir / "store.sqlite"
        return path if path.exists() else None

    def node_name(self, author: int) -> str:
        member = self.roster.member(author)
        return member.name if member else f"#{author}"

    def author(self, node: str) -> int:
        """The index of a member by name or number; UsageError with who there is."""
        member = self.roster.by_name.get(node)
        if member is None and node.isdigit():
            member = self.roster.member(int(node))
        if member is None:
            known = ", ".join(member.name for member in self.roster.members[:16])
            raise UsageError(f"--node {node}: no such member; allowed: {known}")
        return member.index


def open_log(args: Namespace, *, newest_roster: bool = True) -> Log:
    """The log that the command line names; UnavailableError when nothing was recorded there yet."""
    if args.data:
        directory, data_dir = _find_log(Path(args.data))
        authority_file, roster_file = _site_files(directory)
        name = None
    else:
        config = load_config(args)
        directory, data_dir = config.node.log_dir, config.node.data_dir
        authority_file, roster_file = config.site.authority, config.site.roster
        name = config.node.name
    _readable(directory)
    authority = read_bounded(authority_file, 8192)
    if len(authority) != AUTHORITY_BYTES:
        raise ConfigError(f"{authority_file}: {len(authority)} bytes; an authority's key has {AUTHORITY_BYTES}")
    roster = open_roster(read_bounded(roster_file, ROSTER_BYTES_MAX), authority)
    if isinstance(roster, Refusal):
        raise ConfigError(f"{roster_file}: no roster that {authority_file} has signed: {roster}")
    if newest_roster:
        roster = _newest_roster(directory, authority, roster)
    member = roster.by_name.get(name) if name else None
    return Log(directory, data_dir, authority, roster, member.index if member else _by_key(data_dir, roster))


def damage(disk: DirectoryDisk) -> tuple[list[tuple[int, Damage]], int]:
    """Ranges that are not records, by segment, and the bytes of a torn end (a power cut leaves it, a start cuts it)."""
    found: list[tuple[int, Damage]] = []
    torn = 0
    numbers = segment_numbers(disk.names())
    for number in numbers:
        for item in scan(disk, number, 0, disk.size(segment_name(number))):
            if not isinstance(item, Damage):
                continue
            if item.final and number == numbers[-1]:
                torn += item.end - item.start
            else:
                found.append((number, item))
    return found, torn


def records(disk: DirectoryDisk) -> Iterator[Record]:
    for _, record in read_log(disk):
        yield record


def signed_vertices(found: Iterator[Record]) -> Iterator[tuple[Header, bytes | None, bytes | None]]:
    """Each vertex once, with its signature if there is one. Own ones wait for the record that brings it."""
    waiting: dict[bytes, tuple[Header, bytes | None]] = {}
    seen: dict[bytes, None] = {}
    for record in found:
        if record.type == SIGNATURE and (vertex := waiting.pop(record.payload[:32], None)):
            yield vertex[0], record.payload[32:], vertex[1]
        if record.type != VERTEX:
            continue
        frame = decode_vertex(record.payload)
        header = decode_header(frame.header) if isinstance(frame, VertexFrame) else None
        if not isinstance(frame, VertexFrame) or not isinstance(header, Header) or header.id in seen:
            continue
        seen[header.id] = None
        if frame.signature is not None:
            yield header, frame.signature, frame.body
        else:
            waiting[header.id] = header, frame.body
    for header, body in waiting.values():
        yield header, None, body


def _find_log(given: Path) -> tuple[Path, Path]:
    """(log directory, data directory) below or at what was given."""
    if not given.is_dir():
        raise UsageError(f"--data {given}: no such directory")
    for directory in (given / "data" / "log", given / "log"):
        if directory.is_dir():
            return directory, directory.parent
    if any(path.suffix == ".seg" for path in given.iterdir()):
        return given, given.absolute().parent
    raise UnavailableError(f"--data {given}: no log in it; allowed: a node's directory, its data directory or its log")


def _site_files(directory: Path) -> tuple[Path, Path]:
    """authority.pub and roster.cose beside a log, or up to three levels above it."""
    levels = [directory.absolute(), *directory.absolute().parents][: LEVELS_UP + 1]
    for level in levels:
        if (level / "authority.pub").exists() and (level / "roster.cose").exists():
            return level / "authority.pub", level / "roster.cose"
    said = f"no authority.pub and roster.cose here or {LEVELS_UP} levels above; use --config, not --data"
    raise ConfigError(f"{directory}: {said}")


def _readable(directory: Path) -> None:
    try:
        next(directory.iterdir(), None)
    except FileNotFoundError:
        raise UnavailableError(f"{directory}: nothing was recorded here yet; `synedge run` begins a log") from None
    except PermissionError:
        raise PermissionsError(f"{directory}: may not be read by this user; use sudo or the agent's own user") from None
    except OSError as error:
        raise StorageError(f"{directory}: {error.strerror}") from None


def _newest_roster(directory: Path, authority: bytes, roster: Roster) -> Roster:
    disk = DirectoryDisk(directory, read_only=True)
    try:
        for record in records(disk):
            if record.type == ROSTER:
                found = open_roster(record.payload, authority)
                if isinstance(found, Roster) and found.version > roster.version:
                    roster = found
    finally:
        disk.close()
    return roster


def _by_key(data_dir: Path, roster: Roster) -> int | None:
    try:
        seed = load_seed(data_dir / "keys" / "node.seed")
    except (ConfigError, PermissionsError, OSError):
        return None
    keys = {suite: public_from_seed(suite, seed) for suite in roster.suites_allowed}
    for member in roster.members:
        if keys.get(member.suite) == member.public_key:
            return member.index
    return None
