"""Checkpoints: what their value says, when a member may vote for one, and what they come to."""

import json

import pytest

from edge.consensus.checkpoint import (
    CHECKPOINT_KEY,
    Checkpoint,
    Checkpoints,
    Head,
    Leaf,
    Seal,
    decode_checkpoint,
    encode_checkpoint,
    root_of_leaves,
)
from edge.consensus.committee import Committee, Seats
from edge.consensus.question import final_id, value_digest
from edge.consensus.registers import Final, Registers
from edge.consensus.sealrecord import decode_seal, encode_seal
from edge.ids import Parent, VertexKey
from edge.limits import CHECKPOINT_IDS_MAX, COMMITTEE_MAX, REGISTERS_MAX, VALUE_BYTES_MAX
from edge.wire.cbor import decode, encode
from edge.wire.finals import tag_of
from edge.wire.items import Question
from edge.wire.vertex import encode_header
from tests.house.source import ROOT

SITE = bytes(8)
HEADS = tuple(Head(author, 7, 3 + author, bytes([author]) * 16) for author in (0, 1, 3))
SEATS = Seats("site", 1, (0, 1, 2, 3), Committee(4, 1))


class Node:
    """What one node knows to be final."""

    def __init__(self) -> None:
        self.registers = Registers(SITE)
        self.checkpoints = Checkpoints(SITE, self.registers)

    def decide(self, key: str, value: bytes = b"x", skip: int = 0) -> Question:
        """The next version of a key; `skip` some that it did not hear of."""
        held = self.registers.get("site", key)
        before = final_id(SITE, held.question, value_digest(held.value)) if held is not None else None
        version = 1 + skip + (held.question.version if held is not None else 0)
        question = Question("site", 1, key, version, before if not skip else bytes(32))
        self.take(question, value)
        return question

    def take(self, question: Question, value: bytes) -> None:
        final = Final(question, value, 0, b"")
        assert self.registers.take(final)
        self.checkpoints.learned(final)

    def value(self, version: int = 1) -> bytes:
        made = self.checkpoints.value("site", HEADS, 1, version)
        assert made is not None
        return made

    def seal(self, value: bytes, version: int = 1) -> None:
        self.take(Question("site", 1, CHECKPOINT_KEY, version, None if version == 1 else bytes(32)), value)

    def may_vote(self, value: bytes, version: int = 1) -> bool:
        question = Question("site", 1, CHECKPOINT_KEY, version, None if version == 1 else bytes(32))
        return self.checkpoints.opens_ms(question, value) == 0


def test_who_knows_the_same_finals_may_vote_for_it_and_who_lacks_one_may_not_yet() -> None:
    one, other = Node(), Node()
    for key in ("model", "config/night"):
        one.decide(key)
    value = one.value()
    other.decide("config/night")
    assert not other.may_vote(value)
    other.decide("model")
    assert other.may_vote(value)


def test_what_was_final_before_is_remembered_for_it() -> None:
    one, ahead, jumped = Node(), Node(), Node()
    for node in (one, ahead):
        node.decide("model")
    value = one.value()
    ahead.decide("model", b"two")
    ahead.decide("model", b"three")
    assert ahead.may_vote(value)
    jumped.take(Question("site", 1, "model", 3, bytes(32)), b"three")
    assert not jumped.may_vote(value), "what version 1 was, nobody has told it"


def test_another_value_under_the_same_version_is_another_root() -> None:
    one, other = Node(), Node()
    one.decide("model", b"one")
    other.decide("model", b"other")
    assert not other.may_vote(one.value())


def test_nobody_votes_for_less_than_was_sealed_before() -> None:
    one, behind = Node(), Node()
    for node in (one, behind):
        node.decide("model")
    old = behind.value(2)
    one.decide("model", b"two")
    one.seal(one.value())
    assert not one.may_vote(old, 2)
    assert one.checkpoints.is_sealed(one.registers.get("site", "model").question)


def test_a_sealed_version_is_sealed_and_the_next_one_is_not() -> None:
    node = Node()
    first = node.decide("model")
    node.seal(node.value())
    second = node.decide("model", b"two")
    assert node.checkpoints.is_sealed(first) and not node.checkpoints.is_sealed(second)
    assert [final.question for final in node.checkpoints.unsealed("site")] == [second]
    node.seal(node.value(2), 2)
    assert node.checkpoints.is_sealed(second) and node.checkpoints.unsealed("site") == []


def test_more_keys_than_there_is_room_for_are_sealed_one_checkpoint_after_the_other() -> None:
    one, other, newcomer = Node(), Node(), Node()
    for number in range(200):
        for node in (one, other, newcomer):
            node.decide(f"key/{number}")
    version = 0
    while one.checkpoints.unsealed("site"):
        version += 1
        value = one.value(version)
        assert len(value) <= VALUE_BYTES_MAX
        assert other.may_vote(value, version)
        assert newcomer.may_vote(value, version) == (version == 1), "it has not what this goes on from"
        one.seal(value, version)
        other.seal(value, version)
    assert 2 < version < 6
    assert one.checkpoints.seals == other.checkpoints.seals
    assert len(one.checkpoints.seals["site"].leaves) == 200
    assert newcomer.checkpoints.value("site", HEADS, 1, version + 1) is None


def test_only_so_many_earlier_finals_are_remembered() -> None:
    """CHECKPOINT_IDS_MAX."""
    node, other = Node(), Node()
    for one in (node, other):
        one.decide("early")
    value = other.value()
    for number in range(CHECKPOINT_IDS_MAX):
        node.decide("busy", b"%d" % number)
    assert len(node.checkpoints._ids) == CHECKPOINT_IDS_MAX and not node.may_vote(value)


# ---- the vertex that proposes it


def vertex(author: int, parents: tuple[Head, ...], prev: Head | None, epoch: int = 1):
    named = tuple(Parent(*head[:3], head.prefix + bytes(16)) for head in parents)
    return encode_header(
        suite=1, site=SITE, epoch=epoch, author=author, incarnation=7, seq=(prev.seq if prev else 0) + 1,
        prev=prev.prefix + bytes(16) if prev else None, parents=named, hlc=1, body=None,
    )  # fmt: skip


def fault(value: bytes, author: int = 0, parents: tuple[Head, ...] = HEADS[1:], prev: Head | None = HEADS[0]) -> str:
    below = VertexKey(*prev[:3]) if prev is not None else None
    return Node().checkpoints.fault(value, vertex(author, parents, prev), below, SEATS)


def value_of(*heads: Head, roster: int = 1) -> bytes:
    return encode_checkpoint(Checkpoint(0, heads, (), bytes(32), roster))


def test_its_heads_are_what_its_vertex_goes_on_from_and_names() -> None:
    assert fault(value_of(*HEADS)) == ""


@pytest.mark.parametrize(
    ("value", "given", "reason"),
    [
        (value_of(*HEADS), {"parents": HEADS[2:]}, "proposal-checkpoint"),
        (value_of(*HEADS), {"prev": None, "parents": HEADS[1:]}, "proposal-checkpoint"),
        (value_of(*HEADS[:2]), {}, "proposal-checkpoint"),
        (value_of(*HEADS[:2], HEADS[2]._replace(prefix=bytes(16))), {}, "proposal-checkpoint"),
        (value_of(*HEADS, roster=2), {}, "proposal-checkpoint"),
        (value_of(*HEADS), {"author": 5, "parents": HEADS, "prev": None}, "proposal-unauthorised"),
        (b"", {}, "proposal-checkpoint"),
    ],
    ids=["one unnamed", "not its own", "too few", "another vertex", "a later roster", "no member", "no value"],
)
def test_another_proposal_counts_for_nothing(value: bytes, given: dict[str, object], reason: str) -> None:
    assert fault(value, **given) == reason  # type: ignore[arg-type]


# ---- bytes


def test_a_value_has_one_encoding_and_room_for_the_largest_committee() -> None:
    sealed = tuple(sorted((tag_of("site", f"k{number}"), 2**53 - 1) for number in range(3)))
    heads = tuple(Head(author, 2**32 - 1, 2**53 - 1, bytes(16)) for author in range(2**32 - COMMITTEE_MAX, 2**32))
    checkpoint = Checkpoint(2**53 - 1, heads[: Committee(31, 10).quorum], sealed, bytes(32), 2**32 - 1)
    raw = encode_checkpoint(checkpoint)
    assert decode_checkpoint(raw) == checkpoint and len(raw) <= VALUE_BYTES_MAX


GOOD = decode(value_of(*HEADS))


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, 1), (0, True), (1, -1), (2, []), (2, [[0, 7, 3]]), (2, [[0, 0, 3, bytes(16)]]), (2, [[0, 7, 0, bytes(16)]]),
        (2, [[0, 7, 3, bytes(15)]]), (2, [[1, 7, 3, bytes(16)], [0, 7, 3, bytes(16)]]), (3, [bytes(8)]),
        (3, [bytes(7), 1]), (3, [bytes(8), 0]), (3, [bytes(8), 1, bytes(8), 2]), (4, bytes(31)), (5, -1), (5, "1"),
        (6, [0, 7, 3]), (6, None), (7, bytes(31)), (7, 0),
    ],
)  # fmt: skip
def test_any_other_value_is_none(at: int, value: object) -> None:
    assert decode_checkpoint(encode([*GOOD[:at], value, *GOOD[at + 1 :]])) is None


def test_the_root_tells_site_scope_key_version_and_value_apart() -> None:
    leaves = {bytes(8): Leaf(1, bytes(32))}
    roots = {
        root_of_leaves(SITE, "site", leaves),
        root_of_leaves(bytes(7) + b"x", "site", leaves),
        root_of_leaves(SITE, "cell", leaves),
        root_of_leaves(SITE, "site", {bytes(7) + b"x": Leaf(1, bytes(32))}),
        root_of_leaves(SITE, "site", {bytes(8): Leaf(2, bytes(32))}),
        root_of_leaves(SITE, "site", {bytes(8): Leaf(1, bytes(31) + b"x")}),
        root_of_leaves(SITE, "site", {}),
    }
    assert len(roots) == 7


def test_the_root_is_that_of_the_vectors() -> None:
    whole = json.loads((ROOT / "tests/conformance/vectors/checkpoints.json").read_text())["accepted"][0]
    leaves = {
        tag_of(whole["scope"], key): Leaf(version, bytes.fromhex(final))
        for key, (version, final) in whole["registers"].items()
    }
    checkpoint = decode_checkpoint(bytes.fromhex(whole["bytes"]))
    assert checkpoint is not None
    assert root_of_leaves(bytes.fromhex(whole["site"]), whole["scope"], leaves) == checkpoint.root


def test_a_seal_comes_back_from_the_log_and_nothing_else_does() -> None:
    seal = Seal(3, HEADS, {tag_of("site", f"k/{n}"): Leaf(n + 1, bytes(32)) for n in range(REGISTERS_MAX)}, 6)
    raw = encode_seal("site", seal, [(4, 7, 9), (0, 7, 2)])
    assert decode_seal(raw) == ("site", seal, {(0, 7): 2, (4, 7): 9})
    before = decode_seal(encode(decode(raw)[:-1]))
    assert before is not None and before[1].epoch == 0, "logs of before do not say by whom"
    epochs = (encode([*decode(raw)[:-1], epoch]) for epoch in (-1, "1", [1]))
    for spoilt in (
        b"",
        raw[:-1],
        encode([1]),
        encode([2, *decode(raw)[1:]]),
        encode([1, 5, *decode(raw)[2:]]),
        *epochs,
    ):
        assert decode_seal(spoilt) is None
