"""A certificate is true or refused: every bit of it counts, and who signed, for what, under which roster."""

from dataclasses import replace

import pytest

from edge.consensus.certificate import Certificate, decode_certificate, judge
from edge.consensus.committee import Committee, by_epoch, seats_of
from edge.limits import CERTIFICATE_BYTES_MAX, VOTE_CHAIN_MAX
from edge.wire.cbor import decode, encode
from edge.wire.refusal import Refusal
from tests.builders import World, roster_of

VOTERS = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def made() -> tuple[World, bytes]:
    world = World(list(VOTERS), voting=VOTERS)
    machines = world.boot_all()
    world.deliver()
    _, effects = machines[0].node.propose("site", "model", b"one", world.now)
    machines[0].do(effects)
    world.run(2)
    final = machines[3].node.voting.agreement.registers.get("site", "model")
    assert final is not None
    return world, final.certificate


def verdict(world: World, raw: bytes) -> Refusal | None:
    certificate = decode_certificate(raw)
    if isinstance(certificate, Refusal):
        return certificate
    return judge(certificate, world.roster, by_epoch(seats_of(world.roster)))


def edited(raw: bytes, at: int, value: object) -> bytes:
    fields = decode(raw, depth_max=4)
    fields[at] = value
    return encode(fields)


def test_it_is_true_and_has_a_quorum(made: tuple[World, bytes]) -> None:
    world, raw = made
    certificate = decode_certificate(raw)
    assert isinstance(certificate, Certificate)
    assert verdict(world, raw) is None
    assert len(certificate.votes) == Committee(4, 1).quorum == 3


def test_one_changed_bit_anywhere_is_refused(made: tuple[World, bytes]) -> None:
    world, raw = made
    for at in range(0, len(raw), 7):
        spoilt = bytearray(raw)
        spoilt[at] ^= 1 << at % 8
        assert verdict(world, bytes(spoilt)) is not None, f"byte {at}"


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, 2, "certificate-shape"),
        (1, b"elsewher", "site-other"),
        (2, ["site", 1, "model", 2, b"x" * 32], "vote-other"),
        (2, ["site", 9, "model", 1, None], "epoch-unknown"),
        (2, ["site", 1, "other", 1, None], "vote-other"),
        (3, b"two", "vote-other"),
        (3, bytes(1025), "certificate-shape"),
        (4, 1, "vote-other"),
        (4, 256, "certificate-shape"),
        (5, [], "certificate-shape"),
    ],
)
def test_another_field_is_refused_with_its_reason(
    made: tuple[World, bytes], at: int, value: object, reason: str
) -> None:
    refused = verdict(made[0], edited(made[1], at, value))
    assert refused is not None and refused.reason == reason


def test_votes_are_of_different_members_in_order_and_enough(made: tuple[World, bytes]) -> None:
    world, raw = made
    votes = decode(raw, depth_max=4)[5]
    for chosen, reason in (
        ([votes[0], votes[0], votes[1]], "certificate-order"),
        ([votes[1], votes[0], votes[2]], "certificate-order"),
        (votes[:2], "certificate-short"),
    ):
        refused = verdict(world, edited(raw, 5, chosen))
        assert refused is not None and refused.reason == reason


def test_a_quorum_without_a_seat_is_none(made: tuple[World, bytes]) -> None:
    world, raw = made
    certificate = decode_certificate(raw)
    assert isinstance(certificate, Certificate)
    seats = seats_of(world.roster)[0]
    fewer = seats._replace(members=seats.members[:1], committee=Committee(1, 0))
    refused = judge(certificate, world.roster, by_epoch([fewer]))
    assert refused is not None and refused.reason in ("vote-stranger", "certificate-short")
    others = replace(world.roster, members=roster_of(["w", "x", "y", "z"])[0].members)
    refused = judge(certificate, others, by_epoch([seats]))
    assert refused is not None and refused.reason == "signature-bad"


def test_one_of_an_ended_epoch_is_judged_by_the_committee_of_that_epoch(made: tuple[World, bytes]) -> None:
    world, raw = made
    certificate = decode_certificate(raw)
    assert isinstance(certificate, Certificate)
    names = ["a", "b", "c", "d", "e"]
    later, _ = roster_of(names, version=7, voting=("e",), since=7, ended=world.roster.committees)
    assert judge(certificate, later, by_epoch(seats_of(later))) is None
    forgotten, _ = roster_of(names, version=7, voting=("e",), since=7)
    refused = judge(certificate, forgotten, by_epoch(seats_of(forgotten)))
    assert refused is not None and refused.reason == "epoch-unknown"
    later_question = edited(raw, 2, ["site", 7, "model", 1, None])
    certificate = decode_certificate(later_question)
    assert isinstance(certificate, Certificate)
    refused = judge(certificate, later, by_epoch(seats_of(later)))
    assert refused is not None and refused.reason == "vote-other", "not by who sits there now"


def test_what_is_too_large_is_not_looked_at(made: tuple[World, bytes]) -> None:
    refused = decode_certificate(made[1] + bytes(CERTIFICATE_BYTES_MAX))
    assert isinstance(refused, Refusal) and refused.reason == "certificate-too-large"
    certificate = decode_certificate(made[1])
    assert isinstance(certificate, Certificate)
    longest = [[list(shown.headers) * (VOTE_CHAIN_MAX + 1), shown.signature] for shown in certificate.votes]
    refused = decode_certificate(edited(made[1], 5, longest))
    assert isinstance(refused, Refusal) and refused.reason == "certificate-shape"
