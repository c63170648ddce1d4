"""A certificate: q precommits of one ballot for one value, to be checked by whoever has the roster (docs/WIRE.md).

certificate = [1, site, [scope, epoch, key, version, predecessor], value, ballot, votes]; votes = [[headers,
signature]], by author ascending: the header with the vote, those above it up to the first signed one, and that
signature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edge.consensus.committee import Committees
from edge.consensus.contest import Contest
from edge.consensus.question import conflict_of, value_digest
from edge.dag.evidence import Side, chained, decode_side, signed_by
from edge.limits import (
    BALLOT_MAX,
    CERTIFICATE_BYTES_MAX,
    COMMITTEE_MAX,
    VALUE_BYTES_MAX,
    VOTE_CHAIN_MAX,
)
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import PRECOMMIT, Question, Vote, is_question
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster
from edge.wire.suite import PURPOSE_VERTEX, sig_structure, verify

FORMAT = 1


class Certificate(NamedTuple):
    """What the bytes say; `judge` says whether it is true."""

    site: bytes
    question: Question
    value: bytes
    ballot: int
    votes: tuple[Side, ...]
    raw: bytes


class Signed(NamedTuple):
    """A signature over a vote, to be verified."""

    author: int
    suite: int
    public_key: bytes
    message: bytes
    signature: bytes


def certify(site: bytes, contest: Contest) -> bytes | None:
    """The certificate of a decided set, once its precommits are signed; None before."""
    votes = contest.certifying()
    if votes is None or contest.decided is None:
        return None
    ballot, digest = contest.decided
    value = contest.proposed[digest].value
    shown = [[list(vote.headers), vote.signature] for vote in votes]
    raw = encode([FORMAT, site, tuple(contest.question), value, ballot, shown])
    return raw if len(raw) <= CERTIFICATE_BYTES_MAX else None


def decode_certificate(raw: bytes) -> Certificate | Refusal:
    if len(raw) > CERTIFICATE_BYTES_MAX:
        return Refusal("certificate-too-large", str(len(raw)))
    try:
        fields = decode(raw, depth_max=4)
    except Malformed as fault:
        return Refusal(fault.reason, "certificate")
    match fields:
        case [form, bytes() as site, [_, _, _, _, _] as asked, bytes() as value, ballot, list() as votes]:
            question = Question(*asked)
        case _:
            return Refusal("certificate-shape")
    is_numbered = type(form) is int and form == FORMAT and type(ballot) is int and 0 <= ballot <= BALLOT_MAX
    if not (is_numbered and len(site) == 8 and is_question(question) and len(value) <= VALUE_BYTES_MAX):
        return Refusal("certificate-shape")
    if not 1 <= len(votes) <= COMMITTEE_MAX:
        return Refusal("certificate-shape", f"{len(votes)} votes")
    shown: list[Side] = []
    for vote in votes:
        side = decode_side(vote, VOTE_CHAIN_MAX)
        if not isinstance(side, Side):
            return side or Refusal("certificate-shape", "vote")
        shown.append(side)
    return Certificate(site, question, value, ballot, tuple(shown), raw)


def judge(certificate: Certificate, roster: Roster, committees: Committees) -> Refusal | None:
    """None if a quorum of the committee of the epoch that it names has signed precommits for just this."""
    signed = signatures(certificate, roster, committees)
    if isinstance(signed, Refusal):
        return signed
    for one in signed:
        if not verify(one.suite, one.public_key, one.message, one.signature):
            return Refusal("signature-bad", str(one.author))
    return None


def signatures(certificate: Certificate, roster: Roster, committees: Committees) -> Refusal | list[Signed]:
    """What makes the certificate true, if each is good; everything else has been looked at."""
    fault = look(certificate, roster.site, committees)
    if fault is not None:
        return fault
    signed: list[Signed] = []
    for side in certificate.votes:
        shown = signed_by(side, roster)
        if isinstance(shown, Refusal):
            return shown
        headers, member = shown
        top = headers[-1]
        message = sig_structure(top.suite, PURPOSE_VERTEX, top.raw)
        signed.append(Signed(headers[0].author, top.suite, member.public_key, message, side.signature))
    return signed


def look(certificate: Certificate, site: bytes, committees: Committees) -> Refusal | None:
    """All that `judge` looks at, but for the signatures: enough for what our own log has, and was judged before."""
    question = certificate.question
    if certificate.site != site:
        return Refusal("site-other", certificate.site.hex())
    seats = committees.get((question.scope, question.epoch))
    if seats is None and all(scope != question.scope for scope, _ in committees):
        return Refusal("scope-unknown", question.scope)
    if seats is None:
        return Refusal("epoch-unknown", f"{question.scope}/{question.epoch}")
    if len(certificate.votes) < seats.committee.quorum:
        return Refusal("certificate-short", f"{len(certificate.votes)} of {seats.committee.quorum} votes")
    conflict = conflict_of(certificate.site, question)
    wanted = Vote(conflict, certificate.ballot, PRECOMMIT, value_digest(certificate.value))
    last = -1
    for side in certificate.votes:
        headers = chained(side.headers)
        if isinstance(headers, Refusal):
            return headers
        author = headers[0].author
        if wanted not in headers[0].items:
            return Refusal("vote-other", str(tuple(headers[0].key)))
        if author not in seats.members:
            return Refusal("vote-stranger", str(author))
        if author <= last:
            return Refusal("certificate-order", str(author))
        last = author
    return None


def voters(votes: Sequence[Side]) -> list[int]:
    """The authors of these votes."""
    found = (chained(side.headers[:1]) for side in votes)
    return [headers[0].author for headers in found if not isinstance(headers, Refusal)]
