"""What is left of the lines of some members, in one log or several: where a cut can be made."""

from argparse import Namespace
from collections.abc import Iterable
from typing import NamedTuple

from edge.cli.logs import Log, open_log, records, signed_vertices
from edge.consensus.certificate import Certificate, decode_certificate
from edge.consensus.epochs import CHANGE_KEY
from edge.dag.records import CERTIFICATE
from edge.dag.verify import verify_log
from edge.ids import Parent
from edge.wire.cbor import Malformed, decode
from edge.wire.roster import Roster


class Left(NamedTuple):
    """The end of a member's line, and where it was found."""

    head: Parent
    log: str
    is_own: bool
    """In the member's own log, which has all that it ever said."""


class Find(NamedTuple):
    """`lines` by author; of the `forked` there is none that all would take for the same."""

    lines: dict[int, Left]
    forked: tuple[int, ...]
    rosters: tuple[Roster, ...]
    epochs: dict[str, int]
    """By scope, the newest epoch that a change certified in these logs names."""


def find(logs: Iterable[str], authors: Iterable[int]) -> Find:
    """Of each of these authors the newest signed vertex whose line is whole."""
    wanted, forked = set(authors), set[int]()
    lines: dict[int, Left] = {}
    rosters: list[Roster] = []
    epochs: dict[str, int] = {}
    for path in logs:
        log = open_log(Namespace(data=path))
        rosters.append(log.roster)
        _changes(log, epochs)
        heads, theirs = _heads(log, wanted)
        forked |= theirs
        for head in heads:
            held = lines.get(head.author)
            found = Left(head, path, head.author == log.own)
            if held is not None and held.head.key == head.key and held.head.id != head.id:
                forked.add(head.author)
            if held is None or (head.key, found.is_own) > (held.head.key, held.is_own):
                lines[head.author] = found
    for author in forked:
        lines.pop(author, None)
    return Find(lines, tuple(sorted(forked & wanted)), tuple(rosters), epochs)


def _heads(log: Log, wanted: set[int]) -> tuple[list[Parent], set[int]]:
    """One for each author who has not forked, and in whose line nothing is missing; and who has forked."""
    disk = log.disk()
    try:
        verdict, _ = verify_log(records(disk), log.roster, log.authority, own=log.own, floor=log.floor)
        signed = {header.id: None for header, signature, _ in signed_vertices(records(disk)) if signature}
        below = {header.id: (header.key, header.prev) for header, _, _ in signed_vertices(records(disk))}
    finally:
        disk.close()
    forked = {key.author for key in verdict.forks} | {
        fault.key.author for fault in verdict.faults if fault.reason == "fork" and fault.key is not None
    }
    broken = forked | {fault.key.author for fault in verdict.faults if fault.key is not None}
    newest: dict[int, Parent] = {}
    for tip in verdict.frontier:
        if tip.author not in wanted or tip.author in broken:
            continue
        head, id = Parent(*tip), tip.id
        while id in below and id not in signed:
            prev = below[id][1]
            if prev is None or prev not in below:
                break
            id, head = prev, Parent(*below[prev][0], prev)
        if (id in signed or id not in below) and head.key > newest.get(head.author, Parent(0, 0, 0, b"")).key:
            newest[head.author] = head
    return list(newest.values()), forked


def _changes(log: Log, epochs: dict[str, int]) -> None:
    """What the certificates of this log say of who decides where."""
    disk = log.disk()
    try:
        for record in records(disk):
            certificate = decode_certificate(record.payload) if record.type == CERTIFICATE else None
            if isinstance(certificate, Certificate) and certificate.question.key == CHANGE_KEY:
                scope = certificate.question.scope
                epochs[scope] = max(_named(certificate.value), epochs.get(scope, 0))
    finally:
        disk.close()


def _named(value: bytes) -> int:
    """The epoch that a change of the committee names."""
    try:
        fields = decode(value, depth_max=1)
    except Malformed:
        return 0
    return fields[0] if isinstance(fields, list) and fields and isinstance(fields[0], int) else 0
