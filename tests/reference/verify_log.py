"""Re-verify everything a node's log holds, without the node: `python -m tests.reference.verify_log DIR`.

DIR is a node's directory (with `data/log`), its data directory (with `log`) or the log itself; `authority.pub` and
`roster.cose` are looked for there and up to three levels above.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.reference import cbor, frames, recovery, vertex
from tests.reference.cbor import Refused
from tests.reference.log import Damage, read_log
from tests.reference.signatures import open_sign1, sig_structure, site_id, verify

VERTEX, SIGNATURE, ROSTER, EVIDENCE = 1, 2, 5, 7
AUTHORITY_SUITE = 3


class Audit:
    """What has been read so far, by vertex id, and every fault found."""

    def __init__(self, authority: bytes) -> None:
        self.authority = authority
        self.site = site_id(authority)
        self.rosters: dict[int, dict[str, Any]] = {}
        self.headers: dict[bytes, dict[str, Any]] = {}
        self.raw: dict[bytes, bytes] = {}
        self.signatures: dict[bytes, list[bytes]] = {}
        self.events: dict[bytes, int] = {}
        self.forks: dict[int, tuple[int, ...]] = {}
        self.floor: dict[tuple[int, int], list[Any]] = {}
        self.faults: list[str] = []

    def blame(self, id: bytes, why: str) -> None:
        header = self.headers.get(id)
        name = "/".join(str(header[part]) for part in ("author", "incarnation", "seq")) if header else id.hex()
        self.faults.append(f"{name}: {why}")

    def add_roster(self, data: bytes) -> None:
        try:
            payload = open_sign1(data, b"synedge/1/roster", AUTHORITY_SUITE, self.authority)
            roster = frames.decode_roster(payload)
            recovery.check_signatures(roster)
        except Refused as why:
            self.faults.append(f"roster: {why}")
            return
        if roster["site"] != self.site:
            self.faults.append("roster: of another site")
            return
        self.rosters[roster["version"]] = roster

    def add_vertex(self, data: bytes) -> None:
        try:
            frame = frames.decode_vertex(data)
            header = vertex.decode_header(frame["header"])
        except Refused as why:
            self.faults.append(f"vertex record: {why}")
            return
        id = header["id"]
        self.headers[id] = header
        self.raw[id] = frame["header"]
        if frame["signature"] is not None:
            self.signatures.setdefault(id, []).append(frame["signature"])
        if frame["body"] is not None:
            self.add_body(header, frame["body"])

    def add_body(self, header: dict[str, Any], body: bytes) -> None:
        if header["body"] is None:
            self.blame(header["id"], "a body that the header does not speak of")
            return
        try:
            self.events[header["id"]] = len(vertex.check_body(header, body))
        except Refused as why:
            self.blame(header["id"], f"body: {why}")

    def add_evidence(self, data: bytes) -> None:
        """A proof that stands by itself: the headers of both sides, each under a signature at or above it."""
        try:
            proof = frames.decode_evidence(data)
            for headers, signature in proof["sides"]:
                last = vertex.decode_header(headers[-1])
                member = self.member(last)
                message = sig_structure(last["suite"], b"synedge/1/vertex", headers[-1])
                if member is None or not verify(last["suite"], member["public_key"], message, signature):
                    raise Refused("signature")
        except Refused as why:
            self.faults.append(f"evidence: {why}")
            return
        self.forks[proof["names"][0][0]] = proof["names"][0]

    def add_floor(self, data: bytes) -> None:
        """[1, clock, lines, acks(, state, its check)]; line = [author, incarnation, seq, id, first_seq, base]."""
        try:
            number, _, lines, _, *_ = cbor.decode(data, 8)
        except (Refused, ValueError, TypeError) as why:
            self.faults.append(f"floor: {why}")
            return
        if number != 1:
            self.faults.append(f"floor: format {number}")
            return
        self.floor = {(line[0], line[1]): line for line in lines}

    def is_dropped(self, author: int, incarnation: int, seq: int, id: bytes | None = None) -> bool:
        """Whether the floor says that this vertex was there once: by key below it, by key and id at it."""
        line = self.floor.get((author, incarnation))
        if line is None or not line[4] <= seq <= line[2]:
            return False
        return seq < line[2] or id is None or id == line[3]

    def is_prev_dropped(self, header: dict[str, Any]) -> bool:
        return any(
            self.is_dropped(author, incarnation, header["seq"] - 1, header["prev"])
            for author, incarnation in self.floor
            if author == header["author"] and incarnation <= header["incarnation"]
        )

    def member(self, header: dict[str, Any]) -> dict[str, Any] | None:
        """The author as its epoch's roster knows it, if it may sign as it does."""
        roster = self.rosters.get(header["epoch"])
        if roster is None or header["site"] != self.site or header["suite"] not in roster["suites"]:
            return None
        for member in roster["members"]:
            if member["index"] == header["author"] and member["suite"] == header["suite"]:
                return member
        return None

    def check_signatures(self) -> set[bytes]:
        """The ids that a good signature stands directly over."""
        signed = set()
        for id, header in self.headers.items():
            member = self.member(header)
            if member is None:
                self.blame(id, "author, suite, site or epoch not in any roster at hand")
                continue
            message = sig_structure(header["suite"], b"synedge/1/vertex", self.raw[id])
            good = [verify(header["suite"], member["public_key"], message, one) for one in self.signatures.get(id, ())]
            if not all(good):
                self.blame(id, "bad signature")
            if any(good):
                signed.add(id)
        for id in self.signatures.keys() - self.headers.keys():
            if not self.floor:  # it may stand behind its vertex, in a segment that was not dropped
                self.blame(id, "a signature over no vertex of this log")
        return signed

    def check_coverage(self) -> None:
        """Every vertex has a good signature over itself or over one above it on its chain."""
        covered = self.check_signatures()
        for id in sorted(self.headers, key=lambda id: self.headers[id]["seq"], reverse=True):
            prev = self.headers[id]["prev"]
            key = [self.headers[id][part] for part in ("author", "incarnation", "seq")]
            if id not in covered and not self.is_dropped(*key):
                self.blame(id, "no signature at or above")
            elif prev is not None:
                covered.add(prev)

    def check_links(self) -> None:
        names: dict[tuple[int, int, int], bytes] = {}
        for id, header in self.headers.items():
            name = (header["author"], header["incarnation"], header["seq"])
            if name in names:
                self.blame(id, "fork")
            names[name] = id
        for id, header in self.headers.items():
            prev = self.headers.get(header["prev"]) if header["prev"] else None
            key = [header[part] for part in ("author", "incarnation", "seq")]
            if header["prev"] and prev is None and not self.is_prev_dropped(header) and not self.is_dropped(*key):
                self.blame(id, "prev is not in this log")
            if prev and (
                prev["author"] != header["author"]
                or prev["seq"] + 1 != header["seq"]
                or prev["incarnation"] > header["incarnation"]
            ):
                self.blame(id, "does not continue prev")
            for author, incarnation, seq, parent in header["parents"]:
                if names.get((author, incarnation, seq)) == parent:
                    continue
                # Of an author whose fork is proven only one side is taken.
                if not self.is_dropped(author, incarnation, seq, parent) and author not in self.forks:
                    self.blame(id, f"parent {author}/{incarnation}/{seq} is not in this log")

    def frontier(self) -> list[list[Any]]:
        """[author, incarnation, seq, id] of every vertex that none of its author follows."""
        followed = {header["prev"] for header in self.headers.values()}
        heads = [header for id, header in self.headers.items() if id not in followed]
        rows = [[head["author"], head["incarnation"], head["seq"], head["id"].hex()] for head in heads]
        bases = {(line[0], line[5], line[4] - 1) for line in self.floor.values()}
        rows = [row for row in rows if not self.is_dropped(*row[:3]) or row[2] == self.floor[row[0], row[1]][2]]
        for author, incarnation, seq, id, *_ in self.floor.values():
            if id not in self.headers and id not in followed and (author, incarnation, seq) not in bases:
                rows.append([author, incarnation, seq, id.hex()])
        return sorted(rows)


def find_log(path: Path) -> Path:
    for candidate in (path, path / "log", path / "data" / "log", path / "data"):
        if any(candidate.glob("*.seg")):
            return candidate
    raise FileNotFoundError(f"{path}: no log segments here, in log/ or in data/log/")


def find_above(start: Path, name: str) -> Path:
    for directory in (start, *start.resolve().parents[:3]):
        if (directory / name).is_file():
            return directory / name
    raise FileNotFoundError(f"{name}: not in {start} nor up to three levels above")


def verify_directory(path: str | Path, *, authority: Path | None = None, roster: Path | None = None) -> dict[str, Any]:
    """vertices, events, bad (how many faults), frontier, and the faults, damages and missing bodies themselves."""
    log = find_log(Path(path))
    audit = Audit((authority or find_above(log, "authority.pub")).read_bytes())
    audit.add_roster((roster or find_above(log, "roster.cose")).read_bytes())
    damages = []
    for record in read_log(log):
        if isinstance(record, Damage):
            damages.append(list(record))
        elif record.type == VERTEX:
            audit.add_vertex(record.payload)
        elif record.type == SIGNATURE:
            audit.signatures.setdefault(record.payload[:32], []).append(record.payload[32:])
        elif record.type == ROSTER:
            audit.add_roster(record.payload)
        elif record.type == EVIDENCE:
            audit.add_evidence(record.payload)
    if (log.parent / "floor.cbor").is_file():  # read last: it is written before anything is dropped
        audit.add_floor((log.parent / "floor.cbor").read_bytes())
    audit.check_coverage()
    audit.check_links()
    bodies = {id for id, header in audit.headers.items() if header["body"] is not None}
    return {
        "vertices": len(audit.headers),
        "events": sum(audit.events.values()),
        "bad": len(audit.faults),
        "frontier": audit.frontier(),
        "dropped": len(audit.floor),
        "forks": sorted(audit.forks.values()),
        "faults": audit.faults,
        "damaged": damages,
        "bodies_missing": len(bodies - audit.events.keys()),
    }


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m tests.reference.verify_log DIR", file=sys.stderr)
        return 64
    result = verify_directory(arguments[0])
    print(json.dumps(result))
    return 1 if result["bad"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
