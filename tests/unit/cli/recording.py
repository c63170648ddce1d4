"""Logs in the directories of a fleet's cards, as members leave them who have heard one another."""

from collections.abc import Sequence
from pathlib import Path

from edge.dag.records import ROSTER, VERTEX, Record
from edge.shell.keys import load_seed
from edge.wire.frame import encode_vertex
from edge.wire.roster import Roster
from edge.wire.suite import PURPOSE_VERTEX, Signer, sig_structure
from edge.wire.vertex import Header, encode_header
from tests.unit.cli.conftest import write_log


def record(cards: Path, names: Sequence[str], roster: Roster, salt: int = 0) -> dict[str, list[Record]]:
    """Each member says two things, under this roster; everybody's log has all of them but the last of others."""
    lines = {name: _line(cards / name, roster, name, salt) for name in names}
    data = (cards.parent / "fleet/roster.cose").read_bytes()
    for name in names:
        records = [Record(ROSTER, data)]
        for other, line in lines.items():
            records += line if other == name else line[:-1]
        folder = cards / name / "data/log"
        for path in folder.glob("*.seg"):
            path.unlink()
        write_log(records, folder)
        for file in ("authority.pub", "roster.cose"):
            (cards / name / file).write_bytes((cards.parent / "fleet" / file).read_bytes())
    return lines


def _line(card: Path, roster: Roster, name: str, salt: int) -> list[Record]:
    member = roster.by_name[name]
    signer = Signer(member.suite, load_seed(card / "data/keys/node.seed"))
    records, prev = [], None
    for seq in (1, 2):
        header = _vertex(roster, member.index, member.suite, seq, prev, salt)
        signature = signer.sign(sig_structure(member.suite, PURPOSE_VERTEX, header.raw), deterministic=True)
        records.append(Record(VERTEX, encode_vertex(header.raw, signature, None)))
        prev = header
    return records


def _vertex(roster: Roster, author: int, suite: int, seq: int, prev: Header | None, salt: int) -> Header:
    below = prev.id if prev is not None else None
    return encode_header(
        suite=suite, site=roster.site, epoch=roster.version, author=author, incarnation=1, seq=seq, prev=below,
        parents=[], hlc=salt, body=None, items=(),
    )  # fmt: skip
