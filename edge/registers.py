"""What the running agent answers on its control socket about agreement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge.consensus.shown import question_row, value_row
from edge.limits import VALUE_BYTES_MAX
from edge.shell.loop import now
from edge.wire.items import is_register_key, is_scope
from edge.wire.refusal import Refusal

if TYPE_CHECKING:
    from edge.agent import Agent


def registers(agent: Agent) -> list[dict[str, Any]]:
    """Every final value that the running agent knows, by scope and key."""
    finals = sorted(agent.node.voting.agreement.registers, key=lambda final: final.question[:3:2])
    return [
        {**question_row(final.question), **value_row(final.value), "ballot": final.ballot, "state": "final"}
        for final in finals
    ]


def certificate(agent: Agent, asked: Mapping[str, Any]) -> dict[str, str]:
    """The certificate of a register's newest value, as bytes in hex; ValueError where nothing is final."""
    scope, key = _register(asked)
    final = agent.node.voting.agreement.registers.get(scope, key)
    if final is None:
        raise ValueError(f"nothing is final for {key!r} in scope {scope!r}")
    return {"certificate": final.certificate.hex()}


def propose(agent: Agent, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Propose the next value of a register; the question that this answers. ValueError says why it cannot be."""
    scope, key = _register(asked)
    value = asked.get("value_hex")
    try:
        raw = bytes.fromhex(value if isinstance(value, str) else "?")
    except ValueError:
        raise ValueError("value_hex: allowed: bytes in hex") from None
    if len(raw) > VALUE_BYTES_MAX:
        raise ValueError(f"value_hex: {len(raw)} bytes; allowed: {VALUE_BYTES_MAX}")
    if not (is_scope(scope) and is_register_key(key)):
        raise ValueError(f"{scope!r} {key!r}: a scope is like a node's name, a key such names joined by /")
    answer, effects = agent.node.propose(scope, key, raw, now())
    agent.loop.execute(effects)
    if isinstance(answer, Refusal):
        raise ValueError(str(answer))
    return question_row(answer)


def _register(asked: Mapping[str, Any]) -> tuple[str, str]:
    return str(asked.get("scope")), str(asked.get("key"))
