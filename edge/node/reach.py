"""Whom we hear, and who may answer us: who keeps its own line hears gateways alone, where there are any."""

from edge.dag.admission import Admission
from edge.ids import Instant
from edge.mesh.peers import Peers


class Reach:
    """The members of the newest roster as this node stands to them (docs/decisions/0020)."""

    def __init__(self, index: int, admission: Admission, peers: Peers) -> None:
        self._index = index
        self._admission = admission
        self._peers = peers

    @property
    def keeps_all(self) -> bool:
        """Whether we hold everyone's line."""
        return self._admission.keeps_all

    def hears(self, member: int) -> bool:
        """Whether its signs of life reach us: silence means nothing of those whom we do not listen to."""
        admission = self._admission
        if admission.keeps_all or admission.is_gateway(member):
            return True
        return not any(map(admission.is_gateway, admission.roster.by_index))

    def may_answer(self, now: Instant) -> list[int]:
        """Those heard of lately, and where not all are heard, the others behind them."""
        online = self._peers.online(now)
        if self._admission.keeps_all:
            return online
        known = dict.fromkeys((*online, self._index))
        return [*online, *(index for index in self._admission.roster.by_index if index not in known)]
