"""Who is asked for what others have dropped: gateways, then whoever sits on a committee or did, each in turn."""

from edge.dag.admission import Admission
from edge.dag.graph import Graph
from edge.dag.pending import Pending
from edge.ids import Instant
from edge.mesh.repair import NO_KEEPER
from edge.node.keepers import MEMBER_MS, Keepers
from edge.wire.voters import SITE_SCOPE, Voters
from tests.builders import roster_of

NAMES = ["a", "b", "c", "d", "e", "gw"]


def keepers(*voting: str, ended: tuple[Voters, ...] = ()) -> tuple[Keepers, Admission]:
    roster, _ = roster_of(NAMES, ("gw",), 2, voting, 2, ended)
    admission = Admission(Graph(), Pending(), roster)
    return Keepers(admission), admission


def test_gateways_come_first_then_members_of_any_committee() -> None:
    before = Voters(SITE_SCOPE, 0, 1, (3,))
    known, admission = keepers("a", "b", ended=(before,))
    assert [known.rank(index) for index in range(6)] == [1, 1, NO_KEEPER, 1, NO_KEEPER, 0]
    admission.roster, _ = roster_of(NAMES, (), 3, ("c",), 3, (before,))
    assert [known.rank(index) for index in range(6)] == [NO_KEEPER, NO_KEEPER, 1, 1, NO_KEEPER, NO_KEEPER]


def test_a_gateway_is_asked_each_time_and_members_from_time_to_time() -> None:
    known, _ = keepers("a", "b", "c")
    now = Instant(0.0, 0)
    assert known.among([4, 0, 5, 1], now) == [5] == known.among([5], now)
    asked = [known.among([4, 0, 1, 2], Instant(second * MEMBER_MS, 0)) for second in range(3)]
    assert sorted(asked) == [[0], [1], [2]]
    assert known.among([4, 0, 1, 2], Instant(2 * MEMBER_MS + 1, 0)) == []
    assert known.among([4], Instant(9 * MEMBER_MS, 0)) == []
