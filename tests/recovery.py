"""Rosters that recovery keys sign, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from edge.dag.graph import Graph
from edge.ids import Parent
from edge.wire.recovery import Cut, Keys, Proof, digest_of, endorse, keys_statement
from edge.wire.roster import Roster, sign_roster, statement_of
from edge.wire.suite import AUTHORITY_SUITE, Signer
from edge.wire.voters import SITE_SCOPE, Voters
from tests.builders import AUTHORITY, seed_of

HOLDERS = sorted(
    (Signer(AUTHORITY_SUITE, seed_of(f"holder {n}")) for n in range(5)), key=lambda one: digest_of(one.public_key)
)
"""By the digest of their keys, as lists and proofs have them."""


def keys_of(holders: Sequence[Signer], needed: int, since: int = 1) -> Keys:
    return Keys(since, needed, tuple(digest_of(one.public_key) for one in holders))


def prove(statement: bytes, holders: Iterable[Signer]) -> Proof:
    return tuple(endorse(one, statement) for one in holders)


def heads(graph: Graph, authors: Iterable[int]) -> tuple[Parent, ...]:
    """The newest vertices of these, as somebody holds them."""
    tips = (max(graph.tips(author), key=lambda tip: tip.key) for author in authors if graph.has(author))
    return tuple(Parent(*tip.key, tip.id) for tip in tips)


def succeed(keys: Keys, holders: Sequence[Signer], needed: int, since: int, by: Sequence[Signer], site: bytes) -> Keys:
    """Another list of keys, signed by those of the list before."""
    newer = keys_of(holders, needed, since)
    return newer._replace(proof=prove(keys_statement(site, newer), by))


def recover(
    roster: Roster,
    indices: Sequence[int],
    liars: int,
    cut_heads: Iterable[Parent],
    by: Sequence[Signer],
    ends: int | None = None,
) -> tuple[Roster, bytes]:
    """The next version, in which these take the place of the committee of the site."""
    lost = roster.committee(SITE_SCOPE)
    assert lost is not None
    cut = Cut(lost.since if ends is None else ends, tuple(cut_heads), ())
    voters = Voters(SITE_SCOPE, liars, roster.version + 1, tuple(indices), 0, cut)
    proof = prove(statement_of(roster.site, voters, cut), by)
    voters = voters._replace(cut=cut._replace(proof=proof))
    newer = replace(roster, version=roster.version + 1, committees=(voters,), ended=(*roster.ended, lost))
    return newer, sign_roster(newer, AUTHORITY)
