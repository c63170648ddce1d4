"""The golden vectors of rosters."""

from dataclasses import replace

from edge.ids import Parent
from edge.wire.recovery import (
    PURPOSE_RECOVERY,
    Cut,
    Endorsement,
    Keys,
    digest_of,
    encode_endorsement,
    keys_statement,
)
from edge.wire.roster import Member, Roster, encode_roster, node_id, statement_of
from edge.wire.suite import PURPOSE_ROSTER, Signer, public_from_seed, sig_structure, sign1
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


HOLDERS = sorted((Signer(3, seed(f"holder {n}")) for n in range(3)), key=lambda one: digest_of(one.public_key))


def keys() -> Keys:
    return Keys(4, 2, tuple(digest_of(one.public_key) for one in HOLDERS))


def prove(statement: bytes, *holders: int) -> tuple[tuple[bytes, bytes], ...]:
    message = sig_structure(3, PURPOSE_RECOVERY, statement)
    return tuple((HOLDERS[n].public_key, HOLDERS[n].sign(message, deterministic=True)) for n in holders)


def listing_roster() -> Roster:
    """Two of three keys may recover, and have said who may from then on."""
    second = Keys(9, 1, keys().digests[1:])
    second = second._replace(proof=prove(keys_statement(SITE, second), 0, 2))
    return replace(roster(), version=9, recovery=(keys(), second))


def recovered_roster() -> Roster:
    """A committee in the place of one that is lost, above what is left of two lines."""
    before = voting_roster()
    heads = (Parent(1, 4, 17, bytes(range(32))), Parent(5, 7, 2, bytes(range(32, 64))))
    cut = Cut(3, heads, ())
    voters = Voters("site", 0, 8, (2, 6), 0, cut)
    cut = cut._replace(proof=prove(statement_of(SITE, voters, cut), 0, 2))
    standing = (before.committees[0], voters._replace(cut=cut))
    return replace(before, version=8, committees=standing, ended=before.committees[1:], recovery=(keys(),))


def recovery_files() -> dict[str, Vectors]:
    """What holders are given, and what they give back."""
    cut = recovered_roster().committees[1].cut
    assert cut is not None
    said = statement_of(SITE, recovered_roster().committees[1], cut)
    listed = keys_statement(SITE, listing_roster().recovery[1])
    signed = encode_endorsement(Endorsement(digest_of(said), *cut.proof[0]))
    heads = slow.decode(said, 8)[7]
    statements = file(
        "recovery-statement",
        {"a committee": {"bytes": said.hex()}, "a list of keys": {"bytes": listed.hex()}},
        {
            "neither": (edited(said, 0, 3), "recovery-shape"),
            "heads out of order": (edited(said, 7, heads[::-1]), "recovery-shape"),
            "nobody votes": (edited(said, 5, []), "recovery-shape"),
            "ends nothing": (edited(said, 6, 0), "recovery-shape"),
            "a scope that is no name": (edited(said, 2, "Site"), "recovery-shape"),
            "more than all keys": (edited(listed, 3, 3), "recovery-shape"),
            "keys out of order": (edited(listed, 4, slow.decode(listed, 8)[4][::-1]), "recovery-shape"),
        },
    )
    signatures = file(
        "recovery-signature",
        {"of the first holder": {"bytes": signed.hex()}},
        {
            "another format": (edited(signed, 0, 2), "recovery-shape"),
            "of half a statement": (edited(signed, 1, bytes(16)), "recovery-shape"),
            "a short signature": (edited(signed, 3, bytes(4626)), "recovery-shape"),
        },
    )
    return {"recovery-statements": statements, "recovery-signatures": signatures}


def refused_recoveries() -> dict[str, tuple[bytes, str]]:
    listing, recovered = (encode_roster(one) for one in (listing_roster(), recovered_roster()))
    first, second = slow.decode(listing, 8)[8]
    cell, site = slow.decode(recovered, 8)[6]
    ends, heads, (one, two) = site[4]

    def with_cut(*fields: object, since: int = 8) -> bytes:
        return edited(recovered, 6, [cell, ["site", 0, since, [2, 6], list(fields)]])

    return {
        "no keys in the list of lists": (edited(listing, 8, []), "roster-shape"),
        "three of two keys": (edited(listing, 8, [[4, 3, first[2][:2], []]]), "roster-recovery"),
        "keys out of order": (edited(listing, 8, [[4, 2, first[2][::-1], []]]), "roster-order"),
        "a first list that is signed": (edited(listing, 8, [[4, 2, first[2], second[3]]]), "roster-recovery"),
        "lists out of order": (edited(listing, 8, [first, [4, *second[1:]]]), "roster-order"),
        "a list that one of two signed": (edited(listing, 8, [first, [*second[:3], second[3][:1]]]), "roster-recovery"),
        "a list of a later version": (edited(listing, 8, [[10, *first[1:]]]), "roster-order"),
        "a cut that one of two signed": (with_cut(ends, heads, [one]), "roster-recovery"),
        "a cut with signers out of order": (with_cut(ends, heads, [two, one]), "roster-recovery"),
        "a cut by a stranger": (with_cut(ends, heads, [[bytes(2592), one[1]], two]), "roster-recovery"),
        "a cut with short signatures": (with_cut(ends, heads, [[one[0], b""], two]), "roster-shape"),
        "a cut without a proof": (with_cut(ends, heads), "roster-shape"),
        "a cut that ends nothing": (with_cut(2, heads, [one, two]), "roster-committee"),
        "a cut with who did not vote": (with_cut(ends, [[8, *heads[0][1:]]], [one, two]), "roster-committee"),
        "a cut with heads out of order": (with_cut(ends, heads[::-1], [one, two]), "roster-order"),
        "a cut with a head that is none": (with_cut(ends, [[1, 4, 17, b""]], [one, two]), "roster-shape"),
        "a cut in a site without keys": (edited(recovered, 8, [[8, *first[1:]]]), "roster-recovery"),
        "anew in a site with keys": (edited(recovered, 6, [cell, [*site[:4], 1]]), "roster-recovery"),
    }


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
            "two lists of keys": {"bytes": encode_roster(listing_roster()).hex()},
            "one in the place of a lost one": {"bytes": encode_roster(recovered_roster()).hex()},
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
            **refused_recoveries(),
        },
    )
    vectors["authority_seed"] = seed("authority").hex()
    vectors["authority_public_key"] = AUTHORITY.public_key.hex()
    vectors["site"] = SITE.hex()
    vectors["node_ids"] = [node_id(member.public_key).hex() for member in roster().members]
    vectors["signed"] = sign1(AUTHORITY, PURPOSE_ROSTER, raw, deterministic=True).hex()
    return vectors
