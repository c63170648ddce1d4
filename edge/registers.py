"""What the running agent answers on its control socket about agreement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge.consensus.checkpoint import CHECKPOINT_KEY, decode_checkpoint
from edge.consensus.eviction import eviction_key
from edge.consensus.lease import LEASES, Lease, Term, encode_term
from edge.consensus.shown import final_word, question_row, value_row
from edge.limits import LEASE_MS_MAX, LEASE_MS_MIN, VALUE_BYTES_MAX
from edge.shell.loop import now
from edge.wire.items import is_register_key, is_scope
from edge.wire.refusal import Refusal
from edge.wire.voters import SITE_SCOPE

if TYPE_CHECKING:
    from edge.agent import Agent
    from edge.consensus.registers import Final
    from edge.node.voting import Voting


def registers(agent: Agent) -> list[dict[str, Any]]:
    """Every final value whose certificate is in the log of the running agent, by scope and key."""
    voting = agent.node.voting
    finals = sorted(voting.finals.values(), key=lambda final: final.question[:3:2])
    return [_final_row(final, voting) for final in finals]


def checkpoints(agent: Agent) -> list[dict[str, Any]]:
    """The newest final checkpoint of each scope; `known` if the running agent knows all that is sealed with it."""
    voting, names = agent.node.voting, agent.node.roster.by_index
    kept, rows = agent.node.shared.sealed, []
    for (scope, key), final in sorted(voting.finals.items()):
        checkpoint = decode_checkpoint(final.value) if key == CHECKPOINT_KEY else None
        if checkpoint is None:
            continue
        seal = voting.agreement.checkpoints.seals.get(scope)
        is_known = seal is not None and seal.version == final.question.version
        rows.append(
            {
                "scope": scope,
                "version": final.question.version,
                "state": final_word(is_sealed=False),
                "epoch": final.question.epoch,
                "root": checkpoint.root.hex(),
                "state_root": checkpoint.state.hex() if checkpoint.state is not None else None,
                "state_known": checkpoint.state == kept.sealed.root and kept.is_current,
                "roster_version": checkpoint.roster,
                "heads": [
                    {"node": names[head.author].name, "incarnation": head.incarnation, "seq": head.seq}
                    for head in checkpoint.heads
                ],
                "known": is_known,
                "registers": len(seal.leaves) if seal is not None and is_known else None,
                "lines": len(voting.sealing.lines),
            }
        )
    return rows


def _final_row(final: Final, voting: Voting) -> dict[str, Any]:
    """With what a lost committee had certified in its place, where that is known."""
    overruled = voting.overruled.get((final.question.scope, final.question.key))
    return {
        **question_row(final.question),
        **value_row(final.value),
        "ballot": final.ballot,
        "state": final_word(is_sealed=voting.certified.is_sealed(final)),
        "recovered": voting.agreement.registers.is_recovered(final.question),
        "overruled": {**question_row(overruled.question), **value_row(overruled.value)} if overruled else None,
    }


def certificate(agent: Agent, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The certificate of a register's newest value, as bytes in hex, or of what that overruled; ValueError where there
    is none."""
    scope, key = _register(asked)
    voting = agent.node.voting
    what, held = ("overruled", voting.overruled) if asked.get("overruled") else ("final", voting.finals)
    final = held.get((scope, key))
    if final is None:
        raise ValueError(f"nothing is {what} for {key!r} in scope {scope!r}")
    if not final.certificate:
        raise ValueError(
            f"{key!r} in scope {scope!r} has no certificate of its own here: that of 'checkpoint' vouches for it"
        )
    return {
        "certificate": final.certificate.hex(),
        "state": final_word(is_sealed=voting.certified.is_sealed(final)) if what == "final" else what,
        "recovered": voting.agreement.registers.is_recovered(final.question),
    }


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
    return _propose(agent, scope, key, raw)


def leases(agent: Agent) -> list[dict[str, Any]]:
    """Every lease that somebody ever had, as this device knows it, by scope and name."""
    return [_lease_row(agent, lease) for lease in sorted(agent.node.voting.agreement.leases.all(now()))]


def lease(agent: Agent, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for a lease of `ms`, or for more of it, or give it back with 0: the question that this answers, or, while
    somebody else has it, its row. ValueError says why it cannot be."""
    scope, name, ms = str(asked.get("scope")), str(asked.get("name")), asked.get("ms")
    if not isinstance(ms, int) or not (ms == 0 or LEASE_MS_MIN <= ms <= LEASE_MS_MAX):
        raise ValueError(f"ms: {ms!r}; allowed: {LEASE_MS_MIN} to {LEASE_MS_MAX}, 0 to give it back")
    key, index = LEASES + name, agent.identity.member.index
    held = agent.node.voting.agreement.leases.get(scope, key, now())
    if ms and held is not None and held.holder != index and held.left_ms:
        return _lease_row(agent, held)
    if not ms and (held is None or held.holder != index):
        raise ValueError(f"{name!r} in scope {scope!r} is not ours to give back")
    return _propose(agent, scope, key, encode_term(Term(index, ms)))


def evict(agent: Agent, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Give the word of this member that another is to be evicted; the question that this answers. ValueError says why
    it cannot be."""
    name, roster, agreement = str(asked.get("node")), agent.node.roster, agent.node.voting.agreement
    member = roster.by_name.get(name)
    if member is None:
        raise ValueError(f"no member {name!r} in roster version {roster.version}")
    key, seats = eviction_key(member.index), agreement.epochs.current(SITE_SCOPE)
    if agreement.registers.get(SITE_SCOPE, key) is not None:
        raise ValueError(f"{name} is evicted already; `synedge committee show` says why")
    question = agreement.question(SITE_SCOPE, key)
    if question is None or seats is None:
        raise ValueError(f"nobody decides in scope {SITE_SCOPE!r}; `synedge fleet committee` at the site says who does")
    if agent.identity.member.index not in seats.members:
        voters = ", ".join(roster.name_of(index) for index in seats.members)
        raise ValueError(f"this device has no vote: say it on {seats.committee.quorum} of {voters}")
    value = agreement.evictions.by_hand(question, member.index)
    return {**_propose(agent, SITE_SCOPE, key, value), "quorum": seats.committee.quorum}


def _lease_row(agent: Agent, lease: Lease) -> dict[str, Any]:
    member, voting = agent.identity.roster.by_index.get(lease.holder), agent.node.voting
    final = voting.agreement.registers.get(lease.scope, LEASES + lease.name)
    return {
        "scope": lease.scope,
        "name": lease.name,
        "token": lease.token,
        "holder": member.name if member is not None else str(lease.holder),
        "left_ms": round(lease.left_ms) if lease.left_ms < LEASE_MS_MAX * 2 else None,
        "state": "ours" if lease.is_ours else "held" if lease.left_ms else "free",
        "level": final_word(is_sealed=final is not None and voting.certified.is_sealed(final)),
    }


def _propose(agent: Agent, scope: str, key: str, value: bytes) -> dict[str, Any]:
    if not (is_scope(scope) and is_register_key(key)):
        raise ValueError(f"{scope!r} {key!r}: a scope is like a node's name, a key such names joined by /")
    answer, effects = agent.node.propose(scope, key, value, now())
    agent.loop.execute(effects)
    if isinstance(answer, Refusal):
        raise ValueError(str(answer))
    return question_row(answer)


def _register(asked: Mapping[str, Any]) -> tuple[str, str]:
    return str(asked.get("scope")), str(asked.get("key"))
