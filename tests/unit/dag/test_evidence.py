"""The proof of a fork: what is one, and how much of it is kept."""

from edge.dag.evidence import Evidence, Side, decode_evidence, judge, make_evidence
from edge.limits import EVIDENCE_BYTES_MAX
from edge.wire.refusal import Refusal
from edge.wire.suite import PURPOSE_VERTEX, sig_structure
from edge.wire.vertex import Header
from tests.builders import SUITE, signer
from tests.unit.dag.chains import ROSTER, chain, vertex


def side(*headers: Header, name: str = "n1") -> Side:
    message = sig_structure(SUITE, PURPOSE_VERTEX, headers[-1].raw)
    return Side(tuple(header.raw for header in headers), signer(name).sign(message))


def reason(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.reason


def proof_of(one: Side, other: Side) -> Evidence:
    raw = make_evidence(one, other)
    assert isinstance(raw, bytes), raw
    assert make_evidence(other, one) == raw, "whoever finds it writes the same"
    evidence = decode_evidence(raw)
    assert isinstance(evidence, Evidence)
    return evidence


def test_two_signed_headers_of_one_name_are_a_proof():
    first, *above = [candidate.header for candidate in chain(1, 3)]
    other = vertex(1, 1, mark=1).header
    proof = proof_of(side(first, *above), side(other))
    assert (proof.key, set(proof.ids)) == (first.key, {first.id, other.id})
    assert judge(proof, ROSTER) is None


def test_what_somebody_else_signed_proves_nothing():
    one, other = vertex(1, 1).header, vertex(1, 1, mark=1).header
    assert reason(judge(proof_of(side(one), side(other, name="n2")), ROSTER)) == "signature-bad"
    one, other = vertex(99, 1).header, vertex(99, 1, mark=1).header
    assert reason(judge(proof_of(side(one), side(other)), ROSTER)) == "author-unknown"


def test_one_vertex_twice_is_none_nor_are_two_names():
    one, two = [candidate.header for candidate in chain(1, 2)]
    assert reason(make_evidence(side(one), side(one))) == "evidence-shape"
    assert reason(make_evidence(side(one), side(two))) == "evidence-shape"
    assert reason(make_evidence(side(two, one), side(vertex(1, 2, one, mark=1).header))) == "range-broken"


def test_a_proof_has_only_so_many_bytes():
    line = [candidate.header for candidate in chain(1, 2000)]
    other = side(vertex(1, 1, mark=1).header)
    fits = EVIDENCE_BYTES_MAX // len(line[-1].raw) // 2
    assert isinstance(make_evidence(side(*line[:fits]), other), bytes)
    assert reason(make_evidence(side(*line), other)) == "evidence-too-large"
