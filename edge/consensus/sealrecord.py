"""What a checkpoint comes to, and what it alone vouches for, as records of our own log (docs/WIRE.md §15)."""

from __future__ import annotations

from collections.abc import Iterable

from edge.consensus.checkpoint import Leaf, Seal, heads_of
from edge.consensus.registers import Final
from edge.limits import REGISTERS_MAX
from edge.wire.cbor import Malformed, decode, encode
from edge.wire.items import Question, is_index, is_question

FORMAT = 1


def encode_final(final: Final) -> bytes:
    """A value that a checkpoint alone vouches for, for our own log."""
    return encode([FORMAT, *final.question, final.value])


def decode_final(payload: bytes) -> Final | None:
    """None for what `encode_final` has not written."""
    try:
        form, *asked, value = decode(payload, depth_max=1)
        question = Question(*asked)
    except (Malformed, TypeError, ValueError):
        return None
    return (
        Final(question, value, None, b"") if form == FORMAT and is_question(question) and type(value) is bytes else None
    )


def encode_seal(scope: str, seal: Seal, lines: Iterable[tuple[int, int, int]]) -> bytes:
    """A seal and the lines that are sealed with it, (author, incarnation, seq), for our own log; as many as fit."""
    leaves = [[tag, *leaf] for tag, leaf in sorted(seal.leaves.items())]
    heads = [list(head) for head in seal.heads]
    return encode([FORMAT, scope, seal.version, heads, leaves, sorted(map(list, lines)), seal.epoch])


def decode_seal(payload: bytes) -> tuple[str, Seal, dict[tuple[int, int], int]] | None:
    """None for what `encode_seal` has not written."""
    try:
        form, scope, version, heads, leaves, lines, *rest = decode(payload, depth_max=3)
        (epoch,) = rest or (0,)  # logs of before say nothing of it
        named = heads_of(heads)
        known = {tag: Leaf(*leaf) for tag, *leaf in leaves}
        held = {(author, incarnation): seq for author, incarnation, seq in lines}
    except (Malformed, TypeError, ValueError):
        return None
    if form != FORMAT or type(scope) is not str or named is None or len(known) > REGISTERS_MAX or not is_index(epoch):
        return None
    return scope, Seal(version, named, known, epoch), held
