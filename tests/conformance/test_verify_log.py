"""The slow verifier takes a log that the journal wrote, and names what is wrong with one that was tampered with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.dag.evidence import Side, make_evidence
from edge.dag.journal import BOOT, CLEAN, EVIDENCE, ROSTER, SIGNATURE, VERTEX, Journal, Record
from edge.dag.verify import verify_log
from edge.ids import Parent
from edge.shell.disk import DirectoryDisk
from edge.wire.event import Event
from edge.wire.frame import encode_vertex
from edge.wire.roster import Member, Roster, sign_roster, site_id
from edge.wire.suite import PURPOSE_VERTEX, Signer, sig_structure
from edge.wire.vertex import Header, encode_body, encode_header
from tests.reference.log import crc32c
from tests.reference.verify_log import verify_directory

ROOT = Path(__file__).parents[2]
AUTHORITY = Signer(3, b"a" * 32)
SITE = site_id(AUTHORITY.public_key)
SIGNERS = [Signer(1, bytes([i]) * 32) for i in range(2)]
MEMBERS = tuple(Member(i, f"n{i}", "", 1, signer.public_key, ("device",)) for i, signer in enumerate(SIGNERS))
ROSTER_NOW = Roster(SITE, 1, 0, (1,), MEMBERS)
SIGNED_ROSTER = sign_roster(ROSTER_NOW, AUTHORITY)

Row = tuple[Header, bytes | None, bytes | None]


def make(author: int, seq: int, prev: Header | None, parents: tuple[Parent, ...] = (), incarnation: int = 1) -> Row:
    body, ref = encode_body([Event("a", "k", seq, (i / 4,)) for i in range(3)], b"s" * 48)
    header = encode_header(
        suite=1,
        site=SITE,
        epoch=1,
        author=author,
        incarnation=incarnation,
        seq=seq,
        prev=prev and prev.id,
        parents=parents,
        hlc=seq << 16,
        body=ref,
    )
    return header, SIGNERS[author].sign(sig_structure(1, PURPOSE_VERTEX, header.raw)), body


def history() -> list[Row]:
    """Two authors; the first signs only every second vertex; the second starts anew in incarnation 2."""
    rows: list[Row] = []
    last: list[Header | None] = [None, None]
    for seq in range(1, 7):
        for author in (0, 1):
            other = last[1 - author]
            parents = (Parent(*other.key, other.id),) if other else ()
            row = make(author, seq, last[author], parents, incarnation=2 if author and seq > 3 else 1)
            rows.append((row[0], None if author == 0 and seq % 2 else row[1], row[2]))
            last[author] = row[0]
    return rows


def write(directory: Path, rows: list[Row], signatures_apart: bool = False, proof: bytes | None = None) -> Path:
    node = directory / "node"
    (node / "data" / "log").mkdir(parents=True)
    (node / "authority.pub").write_bytes(AUTHORITY.public_key)
    (node / "roster.cose").write_bytes(SIGNED_ROSTER)
    disk = DirectoryDisk(node / "data" / "log")
    journal = Journal(disk)
    assert list(journal.recover()) == []
    journal.append(BOOT, b"\x82\x01\x00")
    journal.append(ROSTER, SIGNED_ROSTER)
    for header, signature, body in rows:
        journal.append(VERTEX, encode_vertex(header.raw, None if signatures_apart else signature, body))
        if signatures_apart and signature:
            journal.append(SIGNATURE, header.id + signature)
    if proof is not None:
        journal.append(EVIDENCE, proof)
    journal.append(CLEAN, b"")
    journal.commit()
    disk.close()
    return node


def faults(tmp_path: Path, rows: list[Row]) -> list[str]:
    result = verify_directory(write(tmp_path, rows))
    assert result["bad"] == len(result["faults"])
    found: list[str] = result["faults"]
    return found


@pytest.mark.parametrize("apart", [False, True])
def test_an_honest_log_holds(tmp_path: Path, apart: bool) -> None:
    rows = history()
    node = write(tmp_path, rows, signatures_apart=apart)
    result = verify_directory(node)
    assert (result["vertices"], result["events"], result["bad"]) == (12, 36, 0), result["faults"]
    assert [head[:3] for head in result["frontier"]] == [[0, 1, 6], [1, 2, 6]]
    assert result["frontier"][0][3] == rows[-2][0].id.hex()
    assert verify_directory(node / "data") == verify_directory(node / "data" / "log") == result


def test_it_runs_as_a_command(tmp_path: Path) -> None:
    rows = history()
    node = write(tmp_path, rows)
    command = [sys.executable, "-m", "tests.reference.verify_log", str(node)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout)["vertices"] == 12
    rows[4] = (rows[4][0], rows[4][1], None)
    bad = write(tmp_path / "bad", [*rows, make(0, 9, rows[0][0])])
    done = subprocess.run([*command[:3], str(bad)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert result["faults"] == ["0/1/9: does not continue prev"]
    assert result["bodies_missing"] == 1


def test_a_body_of_another_vertex_is_named(tmp_path: Path) -> None:
    rows = history()
    rows[5] = (*rows[5][:2], rows[3][2])
    assert faults(tmp_path, rows) == ["1/1/3: body: root"]


def test_an_unsigned_head_is_named_and_what_lies_below_it_too(tmp_path: Path) -> None:
    rows = history()
    rows[10] = (rows[10][0], None, rows[10][2])
    assert faults(tmp_path, rows) == ["0/1/6: no signature at or above", "0/1/5: no signature at or above"]


def test_a_bad_signature_is_named(tmp_path: Path) -> None:
    rows = history()
    signature = rows[11][1] or b""
    rows[11] = (rows[11][0], signature[:-1] + bytes([signature[-1] ^ 1]), rows[11][2])
    assert faults(tmp_path, rows) == ["1/2/6: bad signature", "1/2/6: no signature at or above"]


def test_a_missing_vertex_is_named_by_all_that_need_it(tmp_path: Path) -> None:
    rows = history()
    del rows[2]
    assert sorted(faults(tmp_path, rows)) == [
        "0/1/1: no signature at or above",
        "0/1/3: prev is not in this log",
        "1/1/2: parent 0/1/2 is not in this log",
    ]


def test_a_fork_is_named(tmp_path: Path) -> None:
    rows = history()
    again = make(1, 6, rows[9][0], incarnation=2)
    assert faults(tmp_path, [*rows, again]) == ["1/2/6: fork"]


def test_the_proof_of_a_fork_is_verified_by_itself(tmp_path: Path) -> None:
    rows = history()
    again = make(1, 6, rows[9][0], incarnation=2)
    sides = [Side((row[0].raw,), row[1] or b"") for row in (rows[11], again)]
    for number, signature in enumerate((sides[1].signature, bytes(2420))):
        proof = make_evidence(sides[0], sides[1]._replace(signature=signature))
        assert isinstance(proof, bytes)
        node = write(tmp_path / str(number), rows, proof=proof)
        result = verify_directory(node)
        floor = verify_log([Record(EVIDENCE, proof)], ROSTER_NOW, AUTHORITY.public_key)[0]
        if number == 0:
            assert (result["forks"], result["bad"]) == ([(1, 2, 6)], 0)
            assert (floor.forks, floor.faults) == (((1, 2, 6),), ())
        else:
            assert (result["forks"], result["faults"]) == ([], ["evidence: signature"])
            assert (floor.forks, [fault.reason for fault in floor.faults]) == ((), ["signature-bad"])


def test_a_stranger_is_named(tmp_path: Path) -> None:
    header = encode_header(
        suite=1, site=SITE, epoch=1, author=7, incarnation=1, seq=1, prev=None, parents=(), hlc=0, body=None
    )
    signature = SIGNERS[0].sign(sig_structure(1, PURPOSE_VERTEX, header.raw))
    assert "author" in faults(tmp_path, [*history(), (header, signature, None)])[0]


def test_a_torn_tail_ends_the_log_and_damage_in_the_middle_is_reported(tmp_path: Path) -> None:
    rows = history()
    node = write(tmp_path, rows)
    segment = node / "data" / "log" / "00000001.seg"
    data = bytearray(segment.read_bytes())
    used = len(bytes(data).rstrip(b"\0"))
    segment.write_bytes(data[: used - 20])
    result = verify_directory(node)
    assert (result["vertices"], result["damaged"]) == (11, [])
    place = bytes(data).index(rows[3][0].raw)
    data[place] ^= 1
    segment.write_bytes(data)
    result = verify_directory(node)
    assert result["vertices"] == 11
    assert len(result["damaged"]) == 1
    assert result["bad"] > 0


def test_crc32c_is_castagnoli() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"") == 0
