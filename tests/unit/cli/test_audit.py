"""`synedge committee audit`: who voted twice is found in a log, and proven to whoever has the roster."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge.consensus.doubles import DoubleVote, decode_double, judge, make_double
from edge.dag.evidence import Side
from edge.dag.records import VERTEX, Record
from edge.wire.frame import encode_vertex
from edge.wire.items import PRECOMMIT, PREVOTE, Vote
from edge.wire.refusal import Refusal
from edge.wire.suite import PURPOSE_VERTEX, sig_structure
from edge.wire.vertex import Header, encode_header
from tests.builders import SUITE, World, signer
from tests.unit.cli.conftest import Synedge, replace_log

SET, ONE, OTHER = bytes(32), b"1" * 32, b"2" * 32
LIAR = "valve"


def vote(value: bytes | None, ballot: int = 0) -> Vote:
    return Vote(SET, ballot, PREVOTE, value)


def vertex(world: World, seq: int, prev: Header | None, *votes: Vote, incarnation: int = 7) -> Header:
    return encode_header(
        suite=SUITE, site=world.roster.site, epoch=world.roster.version, author=world.roster.by_name[LIAR].index,
        incarnation=incarnation, seq=seq, prev=prev.id if prev else None, parents=[], hlc=0, body=None, items=votes,
    )  # fmt: skip


def signature(header: Header) -> bytes:
    return signer(LIAR).sign(sig_structure(SUITE, PURPOSE_VERTEX, header.raw))


def log_of(world: World, *headers: tuple[Header, bool]) -> list[Record]:
    frames = (encode_vertex(header.raw, signature(header) if has else None, None) for header, has in headers)
    return [*world.machines["pump"].log, *(Record(VERTEX, frame) for frame in frames)]


def test_a_log_in_which_nobody_did_says_so(node: Path, synedge: Synedge) -> None:
    ended = synedge("committee", "audit", "--data", node)
    assert ended.code == 0 and "nobody voted twice" in ended.out


@pytest.mark.parametrize("is_one_line", [True, False], ids=["one line", "two lines"])
def test_who_voted_twice_is_named_and_proven(
    node: Path, world: World, synedge: Synedge, tmp_path: Path, is_one_line: bool
) -> None:
    """Of one vote the signature stands two vertices above it."""
    first = vertex(world, 1, None, vote(ONE))
    second = vertex(world, 2, first)
    base = second if is_one_line else None
    third = vertex(world, 3 if is_one_line else 1, base, vote(OTHER), incarnation=7 if is_one_line else 8)
    replace_log(log_of(world, (first, False), (second, True), (third, True)), node)
    ended = synedge("committee", "audit", "--data", node, "--out", tmp_path / "proofs", "--json")
    (row,) = ended.json["doubles"]
    assert ended.code == 1 and row["node"] == LIAR and row["is_true"] and row["phase"] == "prevote"
    assert sorted(row["values"]) == [ONE.hex(), OTHER.hex()]
    proof = tmp_path / "proofs" / f"{LIAR}.double"
    check = ["committee", "audit", "--proof", proof, "--roster", node / "roster.cose"]
    assert synedge(*check).code == 0 and LIAR in synedge(*check).out
    raw = bytearray(proof.read_bytes())
    raw[-5] ^= 1
    proof.write_bytes(raw)
    ended = synedge(*check)
    assert ended.code == 65 and "signature-bad" in ended.err


def test_what_nobody_has_signed_accuses_nobody(node: Path, world: World, synedge: Synedge) -> None:
    first = vertex(world, 1, None, vote(ONE))
    replace_log(log_of(world, (first, True), (vertex(world, 2, first, vote(None)), False)), node)
    ended = synedge("committee", "audit", "--data", node, "--json")
    assert ended.code == 0 and ended.json["doubles"] == [] and ended.json["votes"] == 2


def test_votes_of_other_phases_sets_and_ballots_prove_nothing(world: World) -> None:
    first = vertex(world, 1, None, vote(ONE))
    for other in (vote(ONE), vote(OTHER, 1), vote(OTHER)._replace(phase=PRECOMMIT), vote(OTHER)._replace(conflict=ONE)):
        second = vertex(world, 2, first, other)
        sides = [Side((header.raw,), signature(header)) for header in (first, second)]
        assert isinstance(make_double(*sides), Refusal), other


def test_a_proof_is_of_one_site_and_has_no_other_bytes(world: World) -> None:
    first = vertex(world, 1, None, vote(ONE))
    headers = (first, vertex(world, 2, first, vote(OTHER)))
    double = make_double(*(Side((header.raw,), signature(header)) for header in headers))
    assert isinstance(double, DoubleVote) and judge(double, world.roster) is None
    assert isinstance(decode_double(double.raw + b"x"), Refusal)
    fault = judge(double, replace(world.roster, site=b"another!"))
    assert fault is not None and fault.reason == "site-other"
