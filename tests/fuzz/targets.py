"""What is fuzzed: for each structure the product's decoder and encoder, and the slow decoder that must agree."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

from edge.consensus import checkpoint, eviction, stops
from edge.dag import evidence
from edge.wire import blob, event, finals, frame, recovery, roster, stateparts, vertex
from edge.wire.cbor import decode
from edge.wire.refusal import Refusal
from edge.wire.voters import Voters
from tests import reference
from tests.reference import agreement, blobs, cbor, frames
from tests.reference import checkpoint as slow_checkpoint
from tests.reference import recovery as slow_recovery
from tests.reference import vertex as slow

assert reference.__doc__


class Accepted(NamedTuple):
    """A decoded input: the same plain values that the slow decoder gives, and the bytes of encoding it again."""

    values: Any
    again: bytes


def header(raw: bytes) -> Accepted | Refusal:
    got = vertex.decode_header(raw)
    if isinstance(got, Refusal):
        return got
    values = got._asdict()
    assert values.pop("raw") is raw
    assert values.pop("key") == (got.author, got.incarnation, got.seq)
    again = vertex.encode_header(**{key: value for key, value in values.items() if key != "id"})
    assert again == got
    body = got.body
    values["checkpoint"] = plain(got.checkpoint)
    values["body"] = body and [body.root, body.length, body.count, body.retention]
    values["parents"] = [tuple(parent) for parent in got.parents]
    values["items"] = [(type(item).__name__.lower(), *plain(item)) for item in got.items]
    return Accepted(values, again.raw)


def plain(value: Any) -> Any:
    """Named tuples as tuples, however deep."""
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


def one_event(raw: bytes) -> Accepted | Refusal:
    got = event.decode_event(raw)
    if isinstance(got, Refusal):
        return got
    return Accepted(got._asdict() | {"values": list(got.values)}, event.encode_event(got))


def body(raw: bytes) -> Accepted | Refusal:
    """A body under the header it would belong to, if any header could speak of it."""
    try:
        leaves = cbor.decode(raw, 1)
        root, count = slow.merkle_root(leaves), len(leaves)
    except (cbor.Refused, TypeError, RecursionError):
        root, count = sha256(raw).digest(), 1
    refusal = vertex.check_body(vertex.BodyRef(root, len(raw), count, 0), raw)
    if refusal is not None:
        return refusal
    assert vertex.check_body(vertex.BodyRef(root[::-1], len(raw), count, 0), raw) == Refusal("body-root")
    events = vertex.body_events(raw)
    salts = [leaf[:16] for leaf in decode(raw)]
    values = [
        {"salt": salt, **one._asdict(), "values": list(one.values)} for salt, one in zip(salts, events, strict=True)
    ]
    return Accepted(values, vertex.encode_body(events, b"".join(salts))[0])


def vertex_frame(raw: bytes) -> Accepted | Refusal:
    got = frame.decode_vertex(raw)
    return got if isinstance(got, Refusal) else Accepted(got._asdict(), frame.encode_vertex(*got))


def frontier(raw: bytes) -> Accepted | Refusal:
    got = frame.decode_frontier(raw)
    if isinstance(got, Refusal):
        return got
    values = got._asdict() | {"entries": [tuple(entry) for entry in got.entries]}
    return Accepted(values, frame.encode_frontier(got))


def request(raw: bytes) -> Accepted | Refusal:
    got = frame.decode_request(raw)
    if isinstance(got, Refusal):
        return got
    return Accepted(got._asdict() | {"wants": [tuple(want) for want in got.wants]}, frame.encode_request(got))


def reply(raw: bytes) -> Accepted | Refusal:
    got = frame.decode_reply(raw)
    if isinstance(got, Refusal):
        return got
    ranges = [[list(one.headers), list(one.bodies), one.signature] for one in got.ranges]
    return Accepted(got._asdict() | {"ranges": ranges}, frame.encode_reply(got))


def finals_request(raw: bytes) -> Accepted | Refusal:
    got = finals.decode_finals_request(raw)
    if isinstance(got, Refusal):
        return got
    values = got._asdict() | {"asked": list(got.asked), "held": list(got.held)}
    return Accepted(values, finals.encode_finals_request(got))


def finals_reply(raw: bytes) -> Accepted | Refusal:
    got = finals.decode_finals_reply(raw)
    if isinstance(got, Refusal):
        return got
    given = got.unsealed
    plain = [list(map(tuple, part)) for part in ((given.rows, given.leaves) if given is not None else ())]
    unsealed = {"scope": given.scope, "rows": plain[0], "leaves": plain[1]} if given is not None else None
    values = got._asdict() | {"certificates": list(got.certificates), "unsealed": unsealed}
    return Accepted(values, finals.encode_finals_reply(got))


def state_request(raw: bytes) -> Accepted | Refusal:
    got = stateparts.decode_state_request(raw)
    return got if isinstance(got, Refusal) else Accepted(got._asdict(), stateparts.encode_state_request(got))


def state_reply(raw: bytes) -> Accepted | Refusal:
    got = stateparts.decode_state_reply(raw)
    return got if isinstance(got, Refusal) else Accepted(got._asdict(), stateparts.encode_state_reply(got))


def fork(raw: bytes) -> Accepted | Refusal:
    got = evidence.decode_evidence(raw)
    if isinstance(got, Refusal):
        return got
    again = evidence.make_evidence(*reversed(got.sides))
    assert isinstance(again, bytes)
    sides = [(list(side.headers), side.signature) for side in got.sides]
    return Accepted({"names": tuple(map(tuple, got.names)), "ids": got.ids, "sides": sides}, again)


def one_eviction(raw: bytes) -> Accepted | Refusal:
    got = eviction.decode_eviction(raw)
    if isinstance(got, Refusal):
        return got
    assert all(head.author == got.author for head in got.heads)
    cut = [tuple(head)[1:] for head in got.heads]
    return Accepted({"author": got.author, "why": got.why, "cut": cut}, eviction.encode_eviction(got))


def stopped_vote(raw: bytes) -> Accepted | Refusal:
    got = stops.decode_stopped(raw)
    if isinstance(got, Refusal):
        return got
    again = stops.make_stopped(got.change, got.other, got.side)
    assert isinstance(again, stops.StoppedVote)
    values = {
        "change": list(got.change),
        "other": list(got.other),
        "vote": ("vote", *got.vote),
        "names": list(map(tuple, got.names)),
        "side": [list(got.side.headers), got.side.signature],
    }
    return Accepted(values, again.raw)


def one_roster(raw: bytes) -> Accepted | Refusal:
    got = roster.decode_roster(raw)
    if isinstance(got, Refusal):
        return got
    members = [
        {
            "index": member.index,
            "name": member.name,
            "label": member.label,
            "suite": member.suite,
            "public_key": member.public_key,
            "roles": list(member.roles),
        }
        for member in got.members
    ]
    values = {
        "site": got.site,
        "version": got.version,
        "issued_ms": got.issued_ms,
        "suites": list(got.suites_allowed),
        "members": members,
        "committees": [_committee(voters) for voters in got.committees],
        "ended": [_committee(voters) for voters in got.ended],
        "recovery": [
            keys._asdict() | {"digests": list(keys.digests), "proof": list(keys.proof)} for keys in got.recovery
        ],
    }
    return Accepted(values, roster.encode_roster(got))


def statement(raw: bytes) -> Accepted | Refusal:
    got = recovery.decode_statement(raw)
    if isinstance(got, Refusal):
        return got
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in got._asdict().items()}
    if isinstance(got, recovery.Replacement):
        values["heads"] = [tuple(head) for head in got.heads]
    return Accepted(values, recovery.encode_statement(got))


def endorsement(raw: bytes) -> Accepted | Refusal:
    got = recovery.decode_endorsement(raw)
    return got if isinstance(got, Refusal) else Accepted(got._asdict(), recovery.encode_endorsement(got))


def _committee(voters: Voters) -> dict[str, Any]:
    cut = voters.cut
    said = None
    if cut is not None:
        said = cut._asdict() | {"heads": [tuple(head) for head in cut.heads], "proof": list(cut.proof)}
    return voters._asdict() | {"indices": list(voters.indices), "cut": said}


def manifest(raw: bytes) -> Accepted | Refusal:
    got = blob.decode_manifest(raw)
    return got if isinstance(got, Refusal) else Accepted(got._asdict(), blob.encode_manifest(got))


def blob_frame(raw: bytes) -> Accepted | Refusal:
    got = blob.decode_blob_frame(raw)
    if isinstance(got, Refusal):
        return got
    if isinstance(got, blob.BlobPart):
        return Accepted(got._asdict(), blob.encode_blob_part(got))
    return Accepted(got._asdict() | {"chunks": list(got.chunks)}, blob.encode_blob_request(got))


def one_checkpoint(raw: bytes) -> Accepted | Refusal:
    got = checkpoint.decode_checkpoint(raw)
    if got is None:
        return Refusal("proposal-checkpoint")
    values = got._asdict() | {"heads": list(map(tuple, got.heads)), "sealed": list(got.sealed)}
    values |= {"lines": list(map(tuple, got.lines))}
    return Accepted(values, checkpoint.encode_checkpoint(got))


class Target(NamedTuple):
    fast: Callable[[bytes], Accepted | Refusal]
    slow: Callable[[bytes], Any]


TARGETS = {
    "header": Target(header, slow.decode_header),
    "event": Target(one_event, slow.decode_event),
    "body": Target(body, slow.decode_body),
    "vertex-frame": Target(vertex_frame, frames.decode_vertex),
    "frontier": Target(frontier, frames.decode_frontier),
    "request": Target(request, frames.decode_request),
    "reply": Target(reply, frames.decode_reply),
    "finals-request": Target(finals_request, frames.decode_finals_request),
    "finals-reply": Target(finals_reply, frames.decode_finals_reply),
    "state-request": Target(state_request, frames.decode_state_request),
    "state-reply": Target(state_reply, frames.decode_state_reply),
    "checkpoint": Target(one_checkpoint, slow_checkpoint.decode_checkpoint),
    "evidence": Target(fork, frames.decode_evidence),
    "eviction": Target(one_eviction, agreement.decode_eviction),
    "stopped-vote": Target(stopped_vote, agreement.decode_stopped),
    "manifest": Target(manifest, blobs.decode_manifest),
    "blob-frame": Target(blob_frame, blobs.decode_frame),
    "recovery-statement": Target(statement, slow_recovery.decode_statement),
    "recovery-signature": Target(endorsement, slow_recovery.decode_signature),
    "roster": Target(one_roster, frames.decode_roster),
}
