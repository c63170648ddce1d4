"""What holds for every value on the wire: round trips, one encoding each, no changed body taken, a clock that rises."""

import cbor2
from hypothesis import given
from hypothesis import strategies as st

from edge.ids import Parent
from edge.limits import COUNTER_MAX, HLC_AHEAD_MS_MAX, INDEX_MAX
from edge.wire import hlc, merkle
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.event import Event, decode_event, encode_event
from edge.wire.frame import (
    Channel,
    FrontierFrame,
    RequestFrame,
    decode_frontier,
    decode_request,
    decode_vertex,
    encode_frontier,
    encode_request,
    encode_vertex,
)
from edge.wire.items import ADD, APPEND, GROW, REGISTER, Count, Proposal, Put, Question, Remove, Tag, Vote, Witness
from edge.wire.refusal import REASONS, Refusal
from edge.wire.speaker import claimed_speaker
from edge.wire.vertex import (
    Ack,
    BodyRef,
    Known,
    Shed,
    Tally,
    body_events,
    check_body,
    decode_header,
    encode_body,
    encode_header,
)
from tests.reference import cbor as slow
from tests.reference.vertex import merkle_root

reals = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary() | st.text() | reals
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5), max_leaves=20)


def depth(value: object) -> int:
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def clean(text: str) -> bool:
    return not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text)


def texts(bytes_min: int) -> st.SearchStrategy[str]:
    letters = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
    return st.text(letters, max_size=64).filter(lambda text: bytes_min <= len(text.encode()) <= 64 and clean(text))


names = st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,31}\Z")
digests = st.binary(min_size=32, max_size=32)
indices = st.integers(0, INDEX_MAX)
positives = st.integers(1, COUNTER_MAX)
events = st.builds(
    Event,
    agent=names,
    kind=texts(1),
    time_ms=st.integers(0, COUNTER_MAX),
    values=st.lists(reals | texts(0), min_size=1, max_size=64).map(tuple),
    unit=st.none() | texts(1),
    confidence=st.none() | st.floats(0, 1),
    model=st.none() | digests,
    input=st.none() | digests,
    flags=st.integers(0, 3),
)
acks = st.builds(Ack, indices, st.integers(1, INDEX_MAX), positives, digests)
witnesses = st.builds(Witness, indices, st.integers(1, INDEX_MAX), positives, digests)
sheds = st.builds(Shed, st.integers(0, 2), st.integers(0, COUNTER_MAX))
tallies = st.lists(st.integers(0, 2**50), min_size=4, max_size=4).map(lambda parts: Tally(sum(parts), *parts))
votes = st.builds(Vote, digests, st.integers(0, 255), st.integers(0, 1), st.none() | digests)
keys = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,9}(/[a-z0-9][a-z0-9.-]{0,9}){0,3}", fullmatch=True)
questions = st.builds(
    Question, st.sampled_from(["site", "cell-a"]), st.integers(1, INDEX_MAX), keys, positives, digests
).map(lambda question: question._replace(predecessor=None) if question.version == 1 else question)
proposals = st.builds(Proposal, questions, st.binary(max_size=1024))
tags = st.builds(Tag, indices, st.integers(1, INDEX_MAX), positives, st.integers(0, 63))
ops = st.one_of(
    st.builds(Put, st.sampled_from([GROW, ADD, REGISTER, APPEND]), texts(1), st.binary(max_size=256)),
    st.builds(Count, texts(1), st.integers(-COUNTER_MAX, COUNTER_MAX).filter(bool)),
    st.builds(Remove, texts(1), st.sets(tags, min_size=1, max_size=16).map(lambda some: tuple(sorted(some)))),
)


@st.composite
def headers(draw: st.DrawFn) -> dict[str, object]:
    seq = draw(positives)
    author = draw(indices)
    others = draw(st.lists(indices.filter(lambda index: index != author), unique=True, max_size=31))
    parents = [
        Parent(other, draw(st.integers(1, INDEX_MAX)), draw(positives), draw(digests)) for other in sorted(others)
    ]
    body = st.builds(BodyRef, digests, st.integers(0, 49152), st.integers(1, 64), st.integers(0, 2))
    return {
        "suite": draw(st.integers(1, 3)),
        "site": draw(st.binary(min_size=8, max_size=8)),
        "epoch": draw(indices),
        "author": author,
        "incarnation": draw(st.integers(1, INDEX_MAX)),
        "seq": seq,
        "prev": None if seq == 1 else draw(digests),
        "parents": tuple(parents),
        "hlc": draw(st.integers(0, hlc.HLC_MAX)),
        "body": draw(st.none() | body),
        "checkpoint": draw(
            st.none() | st.builds(Known, st.integers(1, 2**53 - 1), st.binary(min_size=16, max_size=16))
        ),
        "items": (
            *draw(st.lists(acks | witnesses | sheds | tallies | votes, max_size=8)),
            *draw(st.lists(proposals | ops, max_size=1)),
        ),
    }


@given(values)
def test_every_value_has_the_encoding_that_others_give_it(value: object) -> None:
    raw = encode(value)
    assert raw == cbor2.dumps(value, canonical=True) == slow.encode(value)
    if depth(value) <= 8:
        assert repr(decode(raw)) == repr(value)


@given(st.binary(max_size=200))
def test_bytes_decode_to_what_encodes_to_them_or_not_at_all(raw: bytes) -> None:
    reason = None
    try:
        assert encode(decode(raw, maps=True)) == raw
    except Malformed as fault:
        reason = fault.reason
    assert reason is None or reason in REASONS


@given(events)
def test_events_survive_the_round_trip(event: Event) -> None:
    assert repr(decode_event(encode_event(event))) == repr(event)


@given(headers())
def test_headers_survive_the_round_trip(fields: dict[str, object]) -> None:
    header = encode_header(**fields)  # type: ignore[arg-type]
    assert decode_header(header.raw) == header
    assert {name: getattr(header, name) for name in fields} == fields


@given(st.lists(events, min_size=1, max_size=8), st.data())
def test_a_changed_body_is_never_taken(some: list[Event], data: st.DataObject) -> None:
    salts = data.draw(st.binary(min_size=16 * len(some), max_size=16 * len(some)))
    body, ref = encode_body(some, salts)
    assert check_body(ref, body) is None
    assert repr(body_events(body)) == repr(tuple(some))
    bit = data.draw(st.integers(0, 8 * len(body) - 1))
    changed = bytearray(body)
    changed[bit // 8] ^= 1 << bit % 8
    assert isinstance(check_body(ref, bytes(changed)), Refusal)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=64), st.data())
def test_merkle_proofs_hold_for_their_leaf(leaves: list[bytes], data: st.DataObject) -> None:
    root = merkle.root(leaves)
    assert root == merkle_root(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.proof(leaves, index)
    assert merkle.verify_proof(root, len(leaves), index, leaves[index], path)
    assert not merkle.verify_proof(root, len(leaves), index, leaves[index] + b"x", path)


@given(
    st.integers(0, hlc.HLC_MAX - 1),
    st.integers(-(2**40), 2**49),
    st.lists(st.integers(0, hlc.HLC_MAX - 1), max_size=5),
    st.booleans(),
)
def test_the_clock_is_above_all_it_follows(previous: int, wall: int, parents: list[int], sure: bool) -> None:
    ticked = hlc.tick(previous, wall, parents, sure)
    assert previous < ticked <= hlc.HLC_MAX
    for parent in parents:
        if not sure or hlc.unpack(parent)[0] <= max(wall, 0) + HLC_AHEAD_MS_MAX:
            assert ticked > parent
    if sure and hlc.unpack(previous)[0] <= max(wall, 0):
        assert hlc.unpack(ticked)[0] <= max(wall, 0) + HLC_AHEAD_MS_MAX + 1


@given(headers(), st.binary(max_size=40), st.integers(0, 60))
def test_the_first_bytes_of_a_vertex_tell_its_author(fields, noise, at):
    """Whatever the decoders take has the speaker that the cheap look finds; anything else is its to refuse."""
    header = encode_header(**fields)
    frame = encode_vertex(header.raw, bytes(64), None)
    assert claimed_speaker(Channel.VERTEX, frame) == header.author
    changed = frame[:at] + noise + frame[at + len(noise) :]
    claimed = claimed_speaker(Channel.VERTEX, changed)
    taken = decode_vertex(changed)
    decoded = decode_header(taken.header) if not isinstance(taken, Refusal) else taken
    assert isinstance(decoded, Refusal) or decoded.author == claimed


@given(indices, indices, st.integers(0, COUNTER_MAX), st.integers(0, 20), st.binary(max_size=10))
def test_the_first_bytes_of_a_frontier_or_request_tell_its_sender(epoch, sender, number, at, noise):
    frontier = encode_frontier(FrontierFrame(b"sitesite", epoch, sender, ()))
    request = encode_request(RequestFrame(b"sitesite", sender, number, number, ()))
    for channel, frame, read in (
        (Channel.FRONTIER, frontier, decode_frontier),
        (Channel.REQUEST, request, decode_request),
    ):
        assert claimed_speaker(channel, frame) == sender
        changed = frame[:at] + noise + frame[at + len(noise) :]
        decoded = read(changed)
        assert isinstance(decoded, Refusal) or decoded.sender == claimed_speaker(channel, changed)
