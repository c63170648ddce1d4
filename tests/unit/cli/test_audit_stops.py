"""`synedge committee audit`: who voted above its own stop is found in a log, and proven to two judges."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge.consensus.audit import Audit
from edge.consensus.epochs import CHANGE_KEY
from edge.consensus.question import conflict_of
from edge.consensus.stops import StoppedVote, decode_stopped, judge_stopped
from edge.dag.records import VERTEX, Record
from edge.sim import proof
from edge.sim.signing import Genuine
from edge.wire.cbor import decode, encode
from edge.wire.frame import encode_vertex
from edge.wire.items import PRECOMMIT, PREVOTE, Item, Proposal, Question, Vote
from edge.wire.refusal import Refusal
from edge.wire.suite import PURPOSE_VERTEX, sig_structure
from edge.wire.vertex import Header, encode_header
from tests.builders import SUITE, World, signer
from tests.unit.cli.conftest import NAMES, Synedge, four_rounds, lay_down, replace_log

CHANGE = Question("site", 1, CHANGE_KEY, 1, None)
OTHER = Question("site", 1, "model", 1, None)
LATER = OTHER._replace(epoch=2)
LIAR, VALUE = "valve", b"1" * 32


@pytest.fixture
def world() -> World:
    return four_rounds(World(NAMES, voting=tuple(NAMES)))


@pytest.fixture
def node(world: World, tmp_path: Path) -> Path:
    return lay_down(world.machines["pump"], tmp_path / "pump")


def vote(world: World, question: Question, value: bytes | None = VALUE, phase: int = PRECOMMIT) -> Vote:
    return Vote(conflict_of(world.roster.site, question), 0, phase, value)


def vertex(world: World, prev: Header | None, *items: Item, incarnation: int = 7, by: str = LIAR) -> Header:
    return encode_header(
        suite=SUITE, site=world.roster.site, epoch=world.roster.version, author=world.roster.by_name[by].index,
        incarnation=incarnation, seq=prev.seq + 1 if prev else 1, prev=prev.id if prev else None, parents=[], hlc=0,
        body=None, items=items,
    )  # fmt: skip


def log_of(world: World, *headers: Header, unsigned: int = -1, by: str = LIAR) -> list[Record]:
    """A log with these: all are signed but one."""
    records = list(world.machines["pump"].log)
    for at, header in enumerate(headers):
        signature = signer(by).sign(sig_structure(SUITE, PURPOSE_VERTEX, header.raw)) if at != unsigned else None
        records.append(Record(VERTEX, encode_vertex(header.raw, signature, None)))
    return records


def line(world: World, *said: tuple[Item, ...], incarnations: tuple[int, ...] = (7,) * 9) -> list[Header]:
    made: list[Header] = []
    for items, incarnation in zip(said, incarnations, strict=False):
        made.append(vertex(world, made[-1] if made else None, *items, incarnation=incarnation))
    return made


def asked(*questions: Question) -> tuple[Item, ...]:
    """Proposals, as whoever votes has them below."""
    return tuple(Proposal(question, b"x") for question in questions)


def test_who_voted_above_its_stop_is_named_and_proven(
    node: Path, world: World, synedge: Synedge, tmp_path: Path
) -> None:
    """Of the vote the signature stands one vertex above it, in another life."""
    headers = line(
        world, asked(CHANGE, OTHER), (vote(world, CHANGE),), (), (vote(world, OTHER, None, PREVOTE),), (),
        incarnations=(7, 7, 8, 8, 9),
    )  # fmt: skip
    replace_log(log_of(world, *headers, unsigned=3), node)
    ended = synedge("committee", "audit", "--data", node, "--out", tmp_path / "proofs", "--json")
    (row,) = ended.json["stopped"]
    assert ended.code == 1 and ended.json["doubles"] == []
    assert (row["node"], row["is_true"], row["phase"]) == (LIAR, True, "prevote")
    assert (row["stopped"]["key"], row["voted"]["key"], row["voted"]["epoch"]) == (CHANGE_KEY, "model", 1)
    assert [name[1:] for name in row["vertices"]] == [[7, 2], [8, 4]]
    assert (
        "stopped in site of epoch 1, then a prevote on model there" in synedge("committee", "audit", "--data", node).out
    )

    file = tmp_path / "proofs" / f"{LIAR}.stopped"
    check = ["committee", "audit", "--proof", file, "--roster", node / "roster.cose"]
    assert synedge(*check).code == 0 and LIAR in synedge(*check).out
    raw = file.read_bytes()
    assert proof.stopped_fault(raw, world.roster, Genuine(), range(3)) == ""
    assert proof.stopped_fault(raw, world.roster, Genuine(), (0, 2)) == "1 has no vote"
    file.write_bytes(raw[:-5] + bytes([raw[-5] ^ 1]) + raw[-4:])
    ended = synedge(*check)
    assert ended.code == 65 and "signature-bad" in ended.err
    assert proof.stopped_fault(file.read_bytes(), world.roster, Genuine(), range(3)).startswith("not signed by")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([("model", VALUE), ("committee", VALUE)], "below it"),
        ([("committee", None), ("model", VALUE)], "a stop is a precommit for a value"),
        ([("committee", VALUE), ("later", VALUE)], "of the next epoch"),
        ([("committee", VALUE), ("committee", VALUE)], "it goes on voting on the change"),
    ],
)
def test_what_members_may_do_is_not_held_against_them(
    node: Path, world: World, synedge: Synedge, said: list[tuple[str, bytes | None]], why: str
) -> None:
    questions = {"model": OTHER, "committee": CHANGE, "later": LATER}
    votes = [vote(world, questions[name], value)._replace(ballot=at) for at, (name, value) in enumerate(said)]
    for headers in (
        line(world, asked(CHANGE, OTHER, LATER), *((one,) for one in votes)),
        line(world, (*asked(CHANGE, OTHER, LATER), *votes)),
    ):
        replace_log(log_of(world, *headers), node)
        ended = synedge("committee", "audit", "--data", node, "--json")
        assert ended.code == 0 and ended.json["stopped"] == [], why


def test_a_vote_on_another_line_is_not_above_it(node: Path, world: World, synedge: Synedge) -> None:
    below = line(world, asked(CHANGE, OTHER))
    stop = vertex(world, below[0], vote(world, CHANGE))
    beside = vertex(world, below[0], vote(world, OTHER), incarnation=8)
    replace_log(log_of(world, *below, stop, beside), node)
    assert synedge("committee", "audit", "--data", node, "--json").json["stopped"] == []


def test_a_vote_that_nobody_has_signed_accuses_nobody(node: Path, world: World, synedge: Synedge) -> None:
    headers = line(world, asked(CHANGE, OTHER), (vote(world, CHANGE),), (vote(world, OTHER),))
    replace_log(log_of(world, *headers, unsigned=2), node)
    ended = synedge("committee", "audit", "--data", node, "--json")
    assert ended.code == 0 and ended.json["stopped"] == []


def test_a_proof_is_of_one_site_and_of_a_member_of_that_epoch(world: World) -> None:
    headers = line(world, asked(CHANGE, OTHER), (vote(world, CHANGE), vote(world, OTHER)))
    auditor = Audit()
    for header in headers:
        auditor.look(header)
    signatures = [signer(LIAR).sign(sig_structure(SUITE, PURPOSE_VERTEX, header.raw)) for header in headers]
    _, stopped = auditor.proofs(zip(headers, signatures, strict=True))
    (found,) = stopped.values()
    assert isinstance(found, StoppedVote) and judge_stopped(found, world.roster) is None
    roster = world.roster
    (voters,) = roster.committees
    others = (voters._replace(indices=(0, 2)),)
    reasons = [
        judge_stopped(found, replace(roster, site=b"another!")),
        judge_stopped(found, replace(roster, committees=others)),
        judge_stopped(found, replace(roster, committees=(voters._replace(since=2),))),
    ]
    assert [fault and fault.reason for fault in reasons] == ["site-other", "vote-stranger", "epoch-unknown"]
    fields = decode(found.raw, depth_max=3)
    for changed in (
        [*fields[:2], [*fields[2][:1], 2, *fields[2][2:]], fields[3]],
        [*fields[:3], [fields[3][0][:0], b"x"]],
    ):
        assert isinstance(decode_stopped(encode(changed)), Refusal)
        assert proof.stopped_fault(encode(changed), roster, Genuine(), range(3))
