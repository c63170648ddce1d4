"""Who surely has what others have dropped from their logs: gateways, and whoever sits on a committee or did."""

from __future__ import annotations

from edge.dag.admission import Admission
from edge.ids import Instant
from edge.mesh.repair import NO_KEEPER
from edge.wire.roster import Roster

MEMBER_MS = 1_000.0


class Keepers:
    """By the newest roster."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._roster: Roster | None = None
        self._seated: frozenset[int] = frozenset()
        self._turn = 0
        self._member_ms = float("-inf")

    def rank(self, member: int) -> int:
        """As `Repair` takes it. Gateways have what anybody dropped, members of committees what no gateway has
        (docs/decisions/0042)."""
        if self._admission.is_gateway(member):
            return 0
        roster = self._admission.roster
        if self._roster is not roster:
            self._roster = roster
            self._seated = frozenset(index for voters in roster.listed for index in voters.indices)
        return 1 if member in self._seated else NO_KEEPER

    def among(self, peers: list[int], now: Instant) -> list[int]:
        """Of these one to ask as well for what others name: a gateway, or from time to time a member, each in turn. One
        may lie, or lack it, too."""
        gateways = [peer for peer in peers if self.rank(peer) == 0][:1]
        if gateways or now.mono_ms < self._member_ms:
            return gateways
        self._member_ms = now.mono_ms + MEMBER_MS
        self._turn += 1
        members = sorted(peer for peer in peers if self.rank(peer) < NO_KEEPER)
        return members[self._turn % max(1, len(members)) :][:1]
