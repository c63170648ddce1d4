"""Rosters: who signs them, what is refused, how members are found."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from edge import limits
from edge.wire.cbor import encode
from edge.wire.refusal import Refusal
from edge.wire.roster import (
    Member,
    Roster,
    decode_roster,
    encode_roster,
    is_node_name,
    node_id,
    open_roster,
    sign_roster,
    site_id,
)
from edge.wire.suite import PURPOSE_ROSTER, Signer, sign1
from edge.wire.voters import Voters, impossible, unsaid_change

AUTHORITY = Signer(3, b"a" * 32)
SITE = site_id(AUTHORITY.public_key)
KEYS = [bytes([i]) * 1952 for i in range(4)]
MEMBERS = (
    Member(0, "gateway", "Gate, ground floor", 2, KEYS[0], ("device", "gateway")),
    Member(2, "pump-7", "", 2, KEYS[1], ("device",)),
    Member(5, "pump-8", "Pümpe", 1, bytes(1312), ("device", "validator")),
    *(Member(index, f"v{index}", "", 1, bytes([index]) * 1312, ("validator",)) for index in (6, 7, 9)),
)
COMMITTEES = (Voters("cell-a", 0, 4, (7,)), Voters("site", 1, 2, (5, 6, 7, 9)))
ROSTER = Roster(SITE, 4, 1_760_000_000_000, (1, 2), MEMBERS, COMMITTEES)
TREE: list[Any] = [
    2,
    SITE,
    4,
    1_760_000_000_000,
    [1, 2],
    [[m.index, m.name, m.label, m.suite, m.public_key, list(m.roles)] for m in MEMBERS],
    [["cell-a", 0, 4, [7]], ["site", 1, 2, [5, 6, 7, 9]]],
]


def reason(tree: object) -> str:
    answer = decode_roster(encode(tree))
    assert isinstance(answer, Refusal), answer
    return answer.reason


def with_member(**changes: Any) -> Roster:
    return replace(ROSTER, members=(replace(MEMBERS[0], **changes), *MEMBERS[1:]))


def test_a_roster_survives_the_round_trip() -> None:
    assert encode_roster(ROSTER) == encode(TREE)
    assert decode_roster(encode_roster(ROSTER)) == ROSTER
    empty = Roster(SITE, 1, 0, (2,), ())
    assert decode_roster(encode_roster(empty)) == empty


def test_members_are_found_by_index_and_name() -> None:
    assert ROSTER.member(2) is MEMBERS[1]
    assert ROSTER.member(1) is None
    assert ROSTER.by_name["pump-8"] is MEMBERS[2]
    assert list(ROSTER.by_index) == [0, 2, 5, 6, 7, 9]
    assert MEMBERS[1].node_id == node_id(KEYS[1]) == sha256(KEYS[1]).digest()


def test_the_authority_is_the_site() -> None:
    assert sha256(AUTHORITY.public_key).digest()[:8] == SITE
    data = sign_roster(ROSTER, AUTHORITY)
    assert open_roster(data, AUTHORITY.public_key) == ROSTER
    other = Signer(3, b"b" * 32)
    assert open_roster(data, other.public_key) == Refusal("signature-bad")
    foreign = sign1(other, PURPOSE_ROSTER, encode_roster(ROSTER))
    assert open_roster(foreign, other.public_key) == Refusal("site-other", SITE.hex())


def test_only_the_highest_suite_signs_rosters() -> None:
    weak = Signer(2, b"a" * 32)
    data = sign1(weak, PURPOSE_ROSTER, encode_roster(replace(ROSTER, site=site_id(weak.public_key))))
    assert open_roster(data, weak.public_key) == Refusal("suite-not-allowed", "ml-dsa-65")
    other_purpose = sign1(AUTHORITY, b"synedge/1/vertex", encode_roster(ROSTER))
    assert open_roster(other_purpose, AUTHORITY.public_key) == Refusal("signature-bad")


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        (0, 1, "roster-format"),
        (0, 3, "roster-format"),
        (0, True, "roster-shape"),
        (1, SITE[1:], "roster-shape"),
        (2, 0, "roster-shape"),
        (2, 2**32, "roster-shape"),
        (3, -1, "roster-shape"),
        (4, [], "roster-shape"),
        (4, [4], "roster-shape"),
        (4, [True, 2], "roster-shape"),
        (4, [2, 1], "roster-order"),
        (4, [2, 2], "roster-order"),
        (5, None, "roster-shape"),
        (5, [[0, "a", "", 2, KEYS[0]]], "roster-shape"),
        (5, [[0, "a", "", 4, KEYS[0], ["device"]]], "roster-shape"),
        (5, [[0, "a", "", 2, KEYS[0], [None]]], "roster-shape"),
        (5, [[0, "a", "", 2, KEYS[0], []]], "roster-role"),
        (5, [[0, "a", "", 2, KEYS[0], ["root"]]], "roster-role"),
        (5, [[0, "a", "", 2, KEYS[0], ["gateway", "device"]]], "roster-role"),
        (5, [[0, "a", "", 2, KEYS[0], ["device", "device"]]], "roster-role"),
        (5, [[0, "A", "", 2, KEYS[0], ["device"]]], "roster-name"),
        (5, [[0, "a", "x" * 65, 2, KEYS[0], ["device"]]], "roster-name"),
        (5, [[0, "a", "\x1b[2J", 2, KEYS[0], ["device"]]], "roster-name"),
        (5, [[0, "a", "", 1, KEYS[0], ["device"]]], "roster-key"),
        (5, [TREE[5][1], TREE[5][0]], "roster-order"),
        (5, [TREE[5][0], [0, *TREE[5][1][1:]]], "roster-order"),
        (5, [TREE[5][0], [1, "gateway", *TREE[5][1][2:]]], "roster-duplicate"),
        (5, [TREE[5][0], [1, "b", "", 2, KEYS[0], ["device"]]], "roster-duplicate"),
        (5, [None] * 4097, "too-many-members"),
        (6, None, "roster-shape"),
        (6, [["site", 0, 1]], "roster-shape"),
        (6, [["site", 0, 1, None]], "roster-shape"),
        (6, [["site", 0, 1, [True]]], "roster-shape"),
        (6, [["site", -1, 1, [5]]], "roster-shape"),
        (6, [["Site", 0, 1, [5]]], "roster-name"),
        (6, [["site", 0, 1, []]], "roster-committee"),
        (6, [["site", 1, 1, [5, 6, 7]]], "roster-committee"),
        (6, [["site", 0, 0, [5]]], "roster-committee"),
        (6, [["site", 0, 5, [5]]], "roster-committee"),
        (6, [["site", 0, 1, [5, 8]]], "roster-committee"),
        (6, [["site", 0, 1, [2, 5]]], "roster-committee"),
        (6, [["site", 0, 1, list(range(32))]], "roster-committee"),
        (6, [["site", 0, 1, [6, 5]]], "roster-order"),
        (6, [["site", 0, 1, [5, 5]]], "roster-order"),
        (6, [["site", 0, 1, [5]], ["cell-a", 0, 1, [5]]], "roster-order"),
        (6, [["site", 0, 1, [5]], ["site", 0, 1, [6]]], "roster-order"),
        (6, [None] * 17, "too-many-committees"),
        (6, [["site", 0, 1, [5], 0]], "roster-shape"),
        (6, [["site", 0, 1, [5], 2]], "roster-shape"),
        (6, [["site", 0, 1, [5], 1, 1]], "roster-shape"),
    ],
)
def test_each_field_is_refused_for_its_reason(field: int, value: object, why: str) -> None:
    assert reason([*TREE[:field], value, *TREE[field + 1 :]]) == why


ENDED = (Voters("cell-a", 0, 1, (5,)), Voters("cell-a", 0, 2, (7,), 1), Voters("site", 0, 1, (5, 6)))


def test_the_committees_of_before_are_listed_and_come_back_as_they_were() -> None:
    roster = replace(ROSTER, ended=ENDED)
    read = decode_roster(encode_roster(roster))
    assert read == roster
    assert isinstance(read, Roster)
    assert [(voters.scope, voters.since) for voters in read.listed] == [
        ("cell-a", 1), ("cell-a", 2), ("cell-a", 4), ("site", 1), ("site", 2)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        ([], "roster-shape"),
        (None, "roster-shape"),
        ([["site", 0, 1, [5]], ["site", 0, 1, [6]]], "roster-order"),
        ([["site", 0, 1, [5]], ["cell-a", 0, 1, [5]]], "roster-order"),
        ([["site", 0, 2, [5]]], "roster-committee"),
        ([["site", 0, 1, [8]]], "roster-committee"),
        ([None] * (limits.COMMITTEES_ENDED_MAX + 1), "too-many-committees"),
    ],
)
def test_a_wrong_list_of_those_of_before_is_refused(ended: object, why: str) -> None:
    assert reason([*TREE, ended]) == why


def test_a_committee_is_found_by_its_scope() -> None:
    assert ROSTER.committee("site") == Voters("site", 1, 2, (5, 6, 7, 9))
    assert ROSTER.committee("cell-b") is None


def test_a_roster_without_committees_has_none() -> None:
    tree = [*TREE[:6], []]
    roster = decode_roster(encode(tree))
    assert isinstance(roster, Roster) and roster.committees == () and roster.committee("site") is None


def test_a_roster_of_the_first_format_is_refused_with_what_to_do() -> None:
    answer = decode_roster(encode([1, *TREE[1:6]]))
    assert isinstance(answer, Refusal) and answer.reason == "roster-format" and "synedge fleet init" in answer.detail


@pytest.mark.parametrize("members", range(1, limits.COMMITTEE_MAX + 1))
def test_as_many_may_lie_as_leave_a_quorum_without_them(members: int) -> None:
    allowed = [liars for liars in range(members + 1) if not impossible(members, liars)]
    assert allowed == [liars for liars in range(members + 1) if -(-(members + liars + 1) // 2) <= members - liars]


@pytest.mark.parametrize("members", [0, limits.COMMITTEE_MAX + 1])
def test_a_committee_has_one_to_thirty_one_members(members: int) -> None:
    assert "allowed: 1 to 31" in impossible(members, 0)


@pytest.mark.parametrize(
    ("newer", "scope"),
    [
        (COMMITTEES, ""),
        (COMMITTEES[:1], "site"),
        ((*COMMITTEES, Voters("site", 0, 5, (5, 6))), ""),
        ((COMMITTEES[0], Voters("site", 0, 5, (5, 6))), "site"),
        ((COMMITTEES[0], Voters("site", 0, 5, (5, 6), 1)), ""),
        ((*COMMITTEES, Voters("z", 0, 5, (5,))), ""),
        ((*COMMITTEES, Voters("cell-a", 0, 6, (7,))), ""),
        ((COMMITTEES[0], Voters("site", 0, 2, (5, 6, 7, 9))), "site"),
        ((Voters("cell-a", 0, 4, (9,)), COMMITTEES[1]), "cell-a"),
        ((*COMMITTEES, Voters("z", 0, 4, (5,))), "z"),
        ((COMMITTEES[0], Voters("site", 1, 3, (5, 6, 7, 9))), "site"),
    ],
)
def test_a_committee_that_changes_says_since_when(newer: tuple[Voters, ...], scope: str) -> None:
    assert unsaid_change(COMMITTEES, newer, ROSTER.version) == scope


def test_a_roster_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROSTER_BYTES_MAX", 100)
    assert decode_roster(bytes(101)) == Refusal("roster-too-large", "101")
    assert open_roster(bytes(101), AUTHORITY.public_key) == Refusal("roster-too-large", "101")


def test_a_roster_of_two_thousand_is_signed_and_one_that_no_broker_passes_is_not() -> None:
    def members(count: int) -> tuple[Member, ...]:
        return tuple(
            Member(index, f"n{index}", "", 2, index.to_bytes(2, "big") + KEYS[0][2:], ("device",))
            for index in range(count)
        )

    roster = Roster(site_id(AUTHORITY.public_key), 1, 0, (2,), members(2000))
    signed = sign_roster(roster, AUTHORITY)
    assert 3_900_000 < len(signed) < limits.ROSTER_BYTES_MAX
    assert open_roster(signed, AUTHORITY.public_key) == roster
    with pytest.raises(ValueError, match="roster-too-large"):
        sign_roster(replace(roster, members=members(2200)), AUTHORITY)


@pytest.mark.parametrize("changes", [{"name": "A"}, {"index": 2}, {"roles": ()}, {"public_key": b""}, {"suite": 1}])
def test_a_roster_nobody_would_take_is_our_own_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="would be refused"):
        encode_roster(with_member(**changes))


@pytest.mark.parametrize("name", ["a", "0", "pump-7", "a" * 32, "9-"])
def test_names(name: str) -> None:
    assert is_node_name(name)


@pytest.mark.parametrize("name", ["", "-a", "A", "a" * 33, "a.b", "a\n", "é", "²"])
def test_other_names_are_none(name: str) -> None:
    assert not is_node_name(name)
