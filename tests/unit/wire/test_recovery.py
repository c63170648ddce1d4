"""Recovery in a roster: who may sign, how many, and what they signed."""

from dataclasses import replace
from typing import Any

import pytest

from edge.ids import Parent
from edge.limits import COMMITTEE_MAX, RECOVERY_KEYS_MAX, RECOVERY_LISTS_MAX
from edge.wire.cbor import decode, encode
from edge.wire.recovery import Cut, Keys, in_force, unsaid_keys
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster, decode_roster, encode_roster, open_roster, sign_roster
from edge.wire.voters import Voters
from tests.builders import AUTHORITY, roster_of
from tests.recovery import HOLDERS, keys_of, recover, succeed
from tests.reference.cbor import Refused
from tests.reference.frames import decode_roster as decode_slowly
from tests.reference.recovery import check_signatures

NAMES = ["a", "b", "c", "d"]
FIRST = keys_of(HOLDERS[:3], 2)
HEADS = tuple(Parent(index, 5, 9, bytes([index]) * 32) for index in (0, 2))


def site() -> Roster:
    roster, _ = roster_of(NAMES, voting=tuple(NAMES))
    return replace(roster, recovery=(FIRST,))


def opened(roster: Roster) -> Roster | Refusal:
    return open_roster(sign_roster(roster, AUTHORITY), AUTHORITY.public_key)


def reason(roster: Roster, place: int, value: Any) -> str:
    fields = decode(encode_roster(roster), depth_max=6)
    fields[place] = value
    answer = decode_roster(encode(fields))
    return answer.reason if isinstance(answer, Refusal) else ""


def test_a_roster_without_it_has_the_bytes_of_before() -> None:
    roster, _ = roster_of(NAMES, voting=tuple(NAMES))
    assert len(decode(encode_roster(roster), depth_max=4)) == 7
    ended = replace(roster, version=2, ended=(Voters("cell-a", 0, 1, (1,)),))
    assert len(decode(encode_roster(ended), depth_max=4)) == 8


def test_keys_and_a_cut_survive_the_round_trip_and_the_slow_twin_finds_the_signatures_good() -> None:
    roster, data = recover(site(), (0, 2, 3), 0, HEADS, HOLDERS[:2])
    assert open_roster(data, AUTHORITY.public_key) == roster
    check_signatures(decode_slowly(encode_roster(roster)))
    later = replace(roster, version=4, recovery=(FIRST, succeed(FIRST, HOLDERS[3:], 2, 3, HOLDERS[1:3], roster.site)))
    assert opened(later) == later
    check_signatures(decode_slowly(encode_roster(later)))


@pytest.mark.parametrize("field", ["liars", "indices", "heads", "ends", "since", "scope"])
def test_a_signature_is_for_just_this_committee(field: str) -> None:
    roster, _ = recover(site(), (0, 1, 2, 3), 1, HEADS, HOLDERS[:2])
    voters = roster.committees[0]
    cut = voters.cut
    assert cut is not None
    changes: dict[str, Voters] = {
        "liars": voters._replace(liars=0),
        "indices": voters._replace(indices=(0, 1, 2), liars=0),
        "heads": voters._replace(cut=cut._replace(heads=HEADS[:1])),
        "ends": voters._replace(cut=cut._replace(ends=2), since=3),
        "since": voters._replace(since=3),
        "scope": voters._replace(scope="cell-a"),
    }
    ended = roster.ended
    if field == "ends":
        ended = (*ended, ended[0]._replace(since=2))
    if field == "scope":
        ended = (ended[0]._replace(scope="cell-a"),)
    changed = replace(roster, version=3, committees=(changes[field],), ended=ended)
    answer = opened(changed)
    assert isinstance(answer, Refusal) and answer.reason == "roster-recovery" and "bad signature" in answer.detail
    with pytest.raises(Refused):
        check_signatures(decode_slowly(encode_roster(changed)))


def test_a_list_signs_what_comes_after_it_and_nothing_else() -> None:
    second = succeed(FIRST, HOLDERS[3:], 1, 4, HOLDERS[:2], site().site)
    lists = (FIRST, second)
    assert [in_force(lists, since) for since in (1, 2, 4, 5)] == [None, FIRST, FIRST, second]
    other = second._replace(digests=tuple(sorted((*second.digests, FIRST.digests[0]))))
    answer = opened(replace(site(), version=4, recovery=(FIRST, other)))
    assert isinstance(answer, Refusal) and answer.reason == "roster-recovery"


def test_lists_only_ever_follow_those_held() -> None:
    second = succeed(FIRST, HOLDERS[3:], 1, 4, HOLDERS[:2], site().site)
    assert not unsaid_keys((), (), 3) and not unsaid_keys((), (FIRST,), 0)
    assert not unsaid_keys((FIRST,), (FIRST, second), 3)
    assert unsaid_keys((), (FIRST,), 1), "it was not in the roster held, of this version"
    assert unsaid_keys((FIRST,), (), 3) and unsaid_keys((FIRST,), (second,), 3)
    assert unsaid_keys((FIRST, second), (FIRST,), 4)


def test_bounds_of_keys_lists_and_heads() -> None:
    digests = [bytes([number]) * 32 for number in range(RECOVERY_KEYS_MAX + 1)]
    assert reason(site(), 8, [[1, 1, digests[:-1], []]]) == ""
    assert reason(site(), 8, [[1, 1, digests, []]]) == "roster-shape"
    signed = [[bytes([1]) * 2592, bytes(4627)]]
    lists = [[since, 1, [HOLDERS[0].public_key[:0] + FIRST.digests[0]], signed] for since in range(1, 3)]
    assert reason(replace(site(), version=9), 8, [lists[0]] * (RECOVERY_LISTS_MAX + 1)) == "roster-shape"
    roster, _ = recover(site(), (0, 2, 3), 0, HEADS, HOLDERS[:2])
    heads = [[number, 1, 1, bytes(32)] for number in range(COMMITTEE_MAX + 1)]
    cut = [1, heads, []]
    assert reason(roster, 6, [["site", 0, 2, [0, 2, 3], cut]]) == "roster-shape"


def test_where_keys_are_listed_nobody_begins_anew() -> None:
    roster, _ = roster_of(NAMES, version=3, voting=tuple(NAMES), since=3, ended=(Voters("site", 0, 2, (1,)),), anew=1)
    assert isinstance(opened(roster), Roster)
    with pytest.raises(ValueError, match="begins anew"):
        encode_roster(replace(roster, recovery=(FIRST,)))
    late = replace(roster, recovery=(Keys(3, *FIRST[1:]),))
    assert opened(late) == late, "it began before"


def test_a_cut_needs_a_list_from_before_it() -> None:
    roster = replace(site(), recovery=(Keys(2, *FIRST[1:]),))
    cut = Cut(1, HEADS, ())
    voters = Voters("site", 0, 2, (0, 2, 3), 0, cut)
    with pytest.raises(ValueError, match="no keys are listed before"):
        encode_roster(replace(roster, version=2, committees=(voters,), ended=site().committees))
