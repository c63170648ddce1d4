"""Precommits whose signature has not come yet: what a certificate shows of each is made when it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edge.consensus.contest import Contest
from edge.consensus.past import Statement
from edge.dag.evidence import Side
from edge.ids import VertexKey
from edge.limits import VOTE_CHAIN_MAX
from edge.wire.vertex import Header


class _Chain(NamedTuple):
    """Headers from a precommit up to the newest on its line."""

    contest: Contest
    statement: Statement
    key: VertexKey
    headers: tuple[bytes, ...]
    ids: tuple[bytes, ...]
    """Of the headers."""


class Chains:
    """Precommits for values, until they can be shown."""

    def __init__(self) -> None:
        self._chains: list[_Chain] = []

    def said(
        self, contest: Contest, statement: Statement, key: VertexKey, header: Header, signature: bytes | None
    ) -> None:
        """A precommit for a value stands in this vertex; `key` is what it is called here."""
        if signature is not None:
            contest.show(statement, Side((header.raw,), signature))
        else:
            self._chains.append(_Chain(contest, statement, key, (header.raw,), (header.id,)))

    def cover(self, header: Header, signature: bytes | None) -> None:
        """A signature covers all below it on its chain that has none of its own."""
        for at, chain in enumerate(self._chains):
            if chain.ids[-1] == header.prev and len(chain.ids) < VOTE_CHAIN_MAX:
                longer = chain._replace(headers=(*chain.headers, header.raw), ids=(*chain.ids, header.id))
                self._chains[at] = longer
        if signature is not None:
            self.signed(header.id, signature)

    def signed(self, id: bytes, signature: bytes) -> None:
        chains, self._chains = self._chains, []
        for chain in chains:
            if id in chain.ids:
                length = chain.ids.index(id) + 1
                chain.contest.show(chain.statement, Side(chain.headers[:length], signature))
            else:
                self._chains.append(chain)

    def of(self, contest: Contest) -> list[tuple[Statement, VertexKey, tuple[bytes, ...]]]:
        """Of one set: what is said where, and the headers from there on."""
        return [(one.statement, one.key, one.headers) for one in self._chains if one.contest is contest]

    def recall(self, contest: Contest, statement: Statement, key: VertexKey, headers: Sequence[Header]) -> None:
        """What `of` gave before a start."""
        raws, ids = tuple(header.raw for header in headers), tuple(header.id for header in headers)
        self._chains.append(_Chain(contest, statement, key, raws, ids))

    def unsigned(self) -> list[tuple[Contest, VertexKey]]:
        """Where precommits are that nothing shows yet."""
        return [(chain.contest, chain.key) for chain in self._chains]

    def drop(self, contest: Contest) -> None:
        """Nobody needs to be shown these."""
        self._chains = [chain for chain in self._chains if chain.contest is not contest]
