"""The stand-in for signatures stays in the simulator."""

import pytest

from edge.sim.signing import SUITE, Genuine, StandIn, authority, make_roster
from edge.wire import suite
from edge.wire.refusal import Refusal
from edge.wire.roster import Member, Roster, decode_roster, encode_roster, open_roster


@pytest.mark.parametrize("signatures", [StandIn(), Genuine()])
def test_signatures_are_checked(signatures):
    key, other = signatures.public_key("a"), signatures.public_key("b")
    signed = signatures.sign("a", b"message")
    assert signatures.verify(SUITE, key, b"message", signed)
    assert not signatures.verify(SUITE, key, b"massage", signed)
    assert not signatures.verify(SUITE, other, b"message", signed)
    assert not signatures.verify(SUITE, key, b"message", signed[:-1] + b"\1")
    assert (len(key), len(signed)) == (suite.SUITES[SUITE].public_bytes, suite.SUITES[SUITE].signature_bytes)


def test_no_service_takes_what_the_stand_in_makes():
    stand_in = StandIn()
    key, signed = stand_in.public_key("a"), stand_in.sign("a", b"message")
    assert not suite.verify(SUITE, key, b"message", signed)
    assert [known.name for known in suite.SUITES.values()] == ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"]


@pytest.mark.parametrize("number", [0, 4, 255])
def test_no_roster_can_name_another_suite(number):
    roster, _ = make_roster([("a", "device")], 1, StandIn())
    raw = encode_roster(roster)
    assert isinstance(decode_roster(raw), Roster)
    member = roster.members[0]
    with pytest.raises((ValueError, KeyError)):
        encode_roster(Roster(roster.site, 1, 0, (number,), roster.members))
    renamed = Member(0, "a", "a", number, member.public_key, member.roles)
    with pytest.raises((ValueError, KeyError)):
        encode_roster(Roster(roster.site, 1, 0, (SUITE,), (renamed,)))


def test_rosters_are_really_signed():
    _, data = make_roster([("a", "device"), ("g", "gateway")], 3, StandIn())
    assert isinstance(open_roster(data, authority().public_key), Roster)
    assert isinstance(open_roster(data[:-1] + bytes([data[-1] ^ 1]), authority().public_key), Refusal)
