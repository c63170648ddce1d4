"""Questions, values and certificates as people and scripts read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edge.consensus.certificate import Certificate, voters
from edge.consensus.checkpoint import decode_checkpoint, is_checkpoint
from edge.consensus.epochs import Handover
from edge.consensus.eviction import WHY, Eviction
from edge.consensus.question import value_digest
from edge.wire.items import Question
from edge.wire.roster import Roster

HELD, RECORDED, WITNESSED, SEALED = WORDS = ("held", "recorded", "witnessed", "sealed")
"""How far a vertex has come, and what it says; each is more than the one before. `held` is a peer's, on our disk."""


def vertex_word(reached: Mapping[str, int], seq: int, *, is_own: bool) -> str:
    """The highest that is known of a vertex; `reached`: for words above the first two the seq up to which they hold."""
    for word in (SEALED, WITNESSED):
        if reached.get(word, 0) >= seq:
            return word
    return RECORDED if is_own else HELD


def lowest(words: Iterable[str]) -> str:
    """Of something in parts: that of the part which has come least far."""
    return WORDS[min(map(WORDS.index, words))]


def highest(words: Iterable[str]) -> str:
    """Of what several have said: that of whose word has come furthest."""
    return WORDS[max(map(WORDS.index, words))]


def final_word(*, is_sealed: bool) -> str:
    """How far the value of a register has come: nothing is shown before a quorum has certified it."""
    return SEALED if is_sealed else "final"


def question_row(question: Question) -> dict[str, Any]:
    return {
        "scope": question.scope,
        "key": question.key,
        "version": question.version,
        "epoch": question.epoch,
        "predecessor": question.predecessor.hex() if question.predecessor is not None else None,
    }


def value_row(value: bytes) -> dict[str, Any]:
    """A value as bytes in hex, and as text if it reads as such."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    is_text = bool(text) and text.isprintable()
    return {"value": text if is_text else None, "value_hex": value.hex(), "value_sha": value_digest(value).hex()}


def certificate_row(certificate: Certificate, roster: Roster | None) -> dict[str, Any]:
    """What a certificate says; whether it is true is another question, and so is whether a checkpoint has sealed it."""
    names = {index: member.name for index, member in roster.by_index.items()} if roster is not None else {}
    return {
        "site": certificate.site.hex(),
        **question_row(certificate.question),
        **value_row(certificate.value),
        "ballot": certificate.ballot,
        "voters": [names.get(index, str(index)) for index in voters(certificate.votes)],
        "bytes": len(certificate.raw),
        "seals": _sealed_row(certificate, names),
        **({"recovered": is_recovered(certificate.question, roster)} if roster is not None else {}),
    }


def _sealed_row(certificate: Certificate, names: Mapping[int, str]) -> dict[str, Any] | None:
    """What the certificate of a checkpoint seals; None of another register."""
    checkpoint = decode_checkpoint(certificate.value) if is_checkpoint(certificate.question) else None
    if checkpoint is None:
        return None
    heads = [
        {"node": names.get(head.author, str(head.author)), "incarnation": head.incarnation, "seq": head.seq}
        for head in checkpoint.heads
    ]
    return {"base": checkpoint.base, "registers": len(checkpoint.sealed), "heads": heads}


def is_recovered(question: Question, roster: Roster) -> bool:
    """Whether it is asked since a lost committee was replaced."""
    listed = (voters for voters in roster.listed if voters.scope == question.scope)
    return any(voters.cut is not None and voters.since <= question.epoch for voters in listed)


def handover_row(handover: Handover | None, roster: Roster) -> dict[str, Any]:
    """Which epoch decides, which is to follow, and who has stopped or entered."""
    if handover is None:
        return {"epoch": None, "changing_to": None, "stopped": [], "entered": []}
    return {
        "epoch": handover.epoch,
        "changing_to": handover.to,
        "stopped": [roster.by_index[index].name for index in handover.stopped],
        "entered": [roster.by_index[index].name for index in handover.entered],
    }


def eviction_row(eviction: Eviction, roster: Roster) -> dict[str, Any]:
    """Who is evicted, why, and up to where its lines stay valid."""
    cut = [{"incarnation": head.incarnation, "seq": head.seq, "id": head.id.hex()} for head in eviction.heads]
    return {"node": roster.name_of(eviction.author), "index": eviction.author, "why": WHY[eviction.why], "cut": cut}
