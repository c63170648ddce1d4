"""The golden vectors of rosters."""

from dataclasses import replace

from edge.wire.roster import Member, Roster, encode_roster, node_id
from edge.wire.suite import PURPOSE_ROSTER, public_from_seed, sign1
from edge.wire.voters import Voters
from tests.conformance.headers import AUTHORITY, SITE, WALL_MS, Vectors, edited, file, seed
from tests.reference import cbor as slow


def roster() -> Roster:
    def member(index: int, name: str, suite: int, *roles: str) -> Member:
        return Member(index, name, f"Label of {name}", suite, public_from_seed(suite, seed(name)), roles)

    members = (member(0, "gateway", 2, "device", "gateway"), member(3, "pump-7", 1, "device"))
    return Roster(SITE, 1, WALL_MS, (1, 2), members)


def voting_roster() -> Roster:
    def member(index: int, *roles: str) -> Member:
        return Member(index, f"n{index}", "", 1, public_from_seed(1, seed(f"n{index}")), roles)

    members = (*(member(index, "device", "validator") for index in (1, 2, 5)), member(6, "gateway", "validator"))
    committees = (Voters("cell-a", 0, 7, (5,)), Voters("site", 1, 3, (1, 2, 5, 6)))
    return Roster(SITE, 7, WALL_MS, (1,), (*members, member(8, "device")), committees)


def changed_roster() -> Roster:
    """One committee came after another, and one began anew."""
    before = voting_roster()
    standing = (Voters("cell-a", 0, 8, (2,), 1), Voters("site", 1, 8, (1, 2, 5, 6)))
    return replace(before, version=8, committees=standing, ended=(before.committees[0], Voters("site", 0, 3, (1, 8))))


def roster_file() -> Vectors:
    raw, voting, changed = (encode_roster(one) for one in (roster(), voting_roster(), changed_roster()))
    gone = slow.decode(changed, 8)[7]
    one, two = slow.decode(raw, 8)[5]
    cell, site = slow.decode(voting, 8)[6]
    vectors = file(
        "roster",
        {
            "two members": {"bytes": raw.hex()},
            "two committees": {"bytes": voting.hex()},
            "two of before": {"bytes": changed.hex()},
        },
        {
            "members out of order": (edited(raw, 5, [two, one]), "roster-order"),
            "one name twice": (edited(raw, 5, [one, [1, one[1], *two[2:]]]), "roster-duplicate"),
            "a key of another suite": (edited(raw, 5, [[*one[:3], 1, *one[4:]]]), "roster-key"),
            "an unknown role": (edited(raw, 5, [[*one[:5], ["root"]]]), "roster-role"),
            "suite 4 allowed": (edited(raw, 4, [4]), "roster-shape"),
            "the first format": (slow.encode([1, *slow.decode(raw, 8)[1:6]]), "roster-format"),
            "the next format": (edited(raw, 0, 3), "roster-format"),
            "no list of committees": (edited(raw, 6, None), "roster-shape"),
            "committees out of order": (edited(voting, 6, [site, cell]), "roster-order"),
            "one scope twice": (edited(voting, 6, [site, site]), "roster-order"),
            "a scope that is no name": (edited(voting, 6, [["cell a", *cell[1:]]]), "roster-name"),
            "who votes out of order": (edited(voting, 6, [["site", 1, 3, [2, 1, 5, 6]]]), "roster-order"),
            "who votes twice": (edited(voting, 6, [["site", 1, 3, [1, 1, 2, 5]]]), "roster-order"),
            "a device votes": (edited(voting, 6, [["site", 0, 3, [1, 8]]]), "roster-committee"),
            "who is no member votes": (edited(voting, 6, [["site", 0, 3, [1, 3]]]), "roster-committee"),
            "nobody votes": (edited(voting, 6, [["site", 0, 3, []]]), "roster-committee"),
            "one of three lies": (edited(voting, 6, [["site", 1, 3, [1, 2, 5]]]), "roster-committee"),
            "changed in version 0": (edited(voting, 6, [["site", 1, 0, site[3]]]), "roster-committee"),
            "changed in a later version": (edited(voting, 6, [["site", 1, 8, site[3]]]), "roster-committee"),
            "anew says 0": (edited(voting, 6, [[*cell, 0]]), "roster-shape"),
            "an empty list of those of before": (edited(changed, 7, []), "roster-shape"),
            "those of before out of order": (edited(changed, 7, gone[::-1]), "roster-order"),
            "ended after the one that stands": (edited(changed, 7, [["site", 0, 8, [1]]]), "roster-committee"),
            "seventeen committees": (
                edited(voting, 6, [[f"cell-{number}", 0, 1, [1]] for number in range(10, 27)]),
                "too-many-committees",
            ),
        },
    )
    vectors["authority_seed"] = seed("authority").hex()
    vectors["authority_public_key"] = AUTHORITY.public_key.hex()
    vectors["site"] = SITE.hex()
    vectors["node_ids"] = [node_id(member.public_key).hex() for member in roster().members]
    vectors["signed"] = sign1(AUTHORITY, PURPOSE_ROSTER, raw, deterministic=True).hex()
    return vectors
