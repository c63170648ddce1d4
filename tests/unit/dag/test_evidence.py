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


def lives() -> tuple[list[Header], list[Header]]:
    """A life that went on from 2, and one of the same incarnation that went on from 5."""
    line = [candidate.header for candidate in chain(1, 5)]
    early = [candidate.header for candidate in chain(1, 2, line[1], incarnation=2)]
    late = [candidate.header for candidate in chain(1, 2, line[4], incarnation=2)]
    return early, [line[4], *late]


def test_two_lives_in_one_incarnation_are_a_proof():
    early, late = lives()
    for low in (early, early[1:]):
        proof = proof_of(side(*low), side(*late))
        assert proof.names == (low[0].key, late[1].key) and proof.ids == (low[0].id, late[1].id)
        assert judge(proof, ROSTER) is None
    assert reason(judge(proof_of(side(*early), side(*late, name="n2")), ROSTER)) == "signature-bad"


def test_one_life_is_none_however_it_is_cut():
    early, late = lives()
    assert reason(make_evidence(side(late[2]), side(*late))) == "evidence-shape"
    assert reason(make_evidence(side(late[1]), side(*late))) == "evidence-shape"
    assert reason(make_evidence(side(late[0]), side(*late[1:]))) == "evidence-shape"
    assert reason(make_evidence(side(*early), side(*late[1:]))) == "evidence-shape", "what it continues is not shown"
    other = [candidate.header for candidate in chain(2, 3)]
    assert reason(make_evidence(side(*other), side(*late))) == "evidence-shape"
