"""Verifying a log: what real nodes wrote holds, and whatever is changed, dropped or forged is found and named."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge.dag.records import ROSTER, SIGNATURE, VERTEX, Record
from edge.dag.verify import Verdict, verify_log
from edge.ids import Parent, VertexKey
from edge.wire.frame import VertexFrame, decode_vertex, encode_vertex
from edge.wire.suite import PURPOSE_VERTEX, sig_structure
from edge.wire.vertex import Header, decode_header, encode_body, encode_header
from tests.builders import AUTHORITY, SUITE, WALL_MS, Machine, World, event, roster_of, signer

NAMES = ["a", "b", "c"]
ROSTER_1, _ = roster_of(NAMES)


@pytest.fixture(scope="module")
def world() -> World:
    """Three nodes that recorded, gossiped and stopped cleanly."""
    world = World(NAMES)
    machines = world.boot_all()
    for round_ in range(4):
        for machine in machines:
            machine.submit(event(round_, agent=machine.name), event(100 + round_, agent=machine.name))
        world.run(0.4)
    for machine in machines:
        machine.stop()
    world.deliver()
    return world


@pytest.fixture
def log(world: World) -> list[Record]:
    return list(world.machines["a"].log)


def judge(log: list[Record], own: int | None = 0) -> Verdict:
    return verify_log(log, ROSTER_1, AUTHORITY.public_key, own=own)[0]


def reasons(verdict: Verdict) -> set[str]:
    return {fault.reason for fault in verdict.faults}


def places(log: list[Record], author: int) -> list[int]:
    """Where the vertices of an author stand, oldest first."""
    return [place for place, record in enumerate(log) if record.type == VERTEX and header_of(record).author == author]


def header_of(record: Record) -> Header:
    header = decode_header(frame_of(record).header)
    assert isinstance(header, Header)
    return header


def frame_of(record: Record) -> VertexFrame:
    frame = decode_vertex(record.payload)
    assert isinstance(frame, VertexFrame)
    return frame


def vertex(
    author: int,
    seq: int,
    prev: bytes | None = None,
    *,
    sign_as: str | None = "",
    incarnation: int = 1,
    **changes: object,
) -> tuple[Record, Header]:
    """A vertex made by hand; `sign_as` None leaves the signature out."""
    body, ref = encode_body([event(seq)], bytes(16))
    fields = {
        "suite": SUITE, "site": ROSTER_1.site, "epoch": 1, "author": author, "incarnation": incarnation, "seq": seq,
        "prev": prev, "parents": (), "hlc": WALL_MS << 16, "body": ref, **changes,
    }  # fmt: skip
    header = encode_header(**fields)  # type: ignore[arg-type]
    signature = None
    if sign_as is not None:
        message = sig_structure(SUITE, PURPOSE_VERTEX, header.raw)
        signature = signer(sign_as or NAMES[author]).sign(message, deterministic=True)
    return Record(VERTEX, encode_vertex(header.raw, signature, body)), header


def test_what_nodes_wrote_holds(world: World) -> None:
    for index, name in enumerate(NAMES):
        machine: Machine = world.machines[name]
        verdict = judge(machine.log, index)
        assert verdict.faults == () and verdict.unsigned == 0
        assert verdict.vertices == machine.vertex_count() and verdict.events == 3 * 8
        assert verdict.parents_missing == verdict.bodies_missing == 0
        held = [tuple(tip[:3]) for tip in verdict.frontier]
        assert held == [entry[:3] for entry in machine.frontier()]
    assert len({judge(machine.log).frontier for machine in world.machines.values()}) == 1


def test_the_order_of_records_does_not_matter(log: list[Record]) -> None:
    assert judge(log[::-1]) == judge(log)


def test_every_flipped_bit_of_a_vertex_is_found(log: list[Record]) -> None:
    place = places(log, 1)[-1]
    payload = log[place].payload
    for at in range(0, len(payload), 7):
        flipped = payload[:at] + bytes([payload[at] ^ 0x10]) + payload[at + 1 :]
        log[place] = Record(VERTEX, flipped)
        assert judge(log).faults, f"byte {at} of {len(payload)}"


def test_every_flipped_bit_of_an_own_vertex_is_found(log: list[Record]) -> None:
    place = places(log, 0)[1]
    payload = log[place].payload
    for at in range(0, len(payload), 5):
        flipped = payload[:at] + bytes([payload[at] ^ 0x01]) + payload[at + 1 :]
        log[place] = Record(VERTEX, flipped)
        assert judge(log).faults, f"byte {at} of {len(payload)}"


def test_a_missing_vertex_breaks_the_chain_above_it(log: list[Record]) -> None:
    places_b = places(log, 1)
    missing, above = header_of(log[places_b[1]]), header_of(log[places_b[2]])
    del log[places_b[1]]
    verdict = judge(log)
    assert [(fault.reason, fault.key) for fault in verdict.faults] == [("prev-missing", above.key)]
    assert verdict.parents_missing == sum(
        parent.id == missing.id for record in log if record.type == VERTEX for parent in header_of(record).parents
    )


def test_a_signature_covers_what_stands_below_it(log: list[Record]) -> None:
    places_b = places(log, 1)
    for place in places_b[:-1]:
        log[place] = Record(VERTEX, encode_vertex(frame_of(log[place]).header, None, frame_of(log[place]).body))
    verdict = judge(log)
    assert not verdict.faults and verdict.signatures == verdict.vertices - len(places_b) + 1


def test_a_peers_vertex_above_the_last_signature_is_not_covered(log: list[Record]) -> None:
    place = places(log, 1)[-1]
    header = header_of(log[place])
    log[place] = Record(VERTEX, encode_vertex(header.raw, None, frame_of(log[place]).body))
    (fault,) = judge(log).faults
    assert (fault.reason, fault.key) == ("signature-missing", header.key)


def test_an_own_tail_that_was_not_signed_yet_is_no_fault(log: list[Record]) -> None:
    while log[-1].type != SIGNATURE:
        log.pop()
    log.pop()
    verdict = judge(log)
    assert not verdict.faults and verdict.unsigned == 1
    assert reasons(judge(log, own=None)) == {"signature-missing"}


def test_a_body_may_be_absent_for_a_peer_but_not_for_oneself(log: list[Record]) -> None:
    for author in (1, 0):
        place = next(place for place in places(log, author) if header_of(log[place]).body is not None)
        log[place] = Record(VERTEX, encode_vertex(frame_of(log[place]).header, frame_of(log[place]).signature, None))
        verdict = judge(log)
        assert verdict.bodies_missing == 2 - author
        assert reasons(verdict) == ({"body-missing"} if author == 0 else set())


def test_a_body_of_another_vertex_is_found(log: list[Record]) -> None:
    one, other = places(log, 1)[0], places(log, 2)[0]
    frame = frame_of(log[one])
    log[one] = Record(VERTEX, encode_vertex(frame.header, frame.signature, frame_of(log[other]).body))
    assert reasons(judge(log)) <= {"body-root", "body-length"} and judge(log).faults


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda: [vertex(1, 1, sign_as="c")[0]], "signature-bad"),
        (lambda: [vertex(9, 1, sign_as="c")[0]], "author-unknown"),
        (lambda: [vertex(1, 1, site=b"elsewher")[0]], "site-other"),
        (lambda: [vertex(1, 1, epoch=2)[0]], "epoch-unknown"),
        (lambda: [vertex(1, 1, suite=2)[0]], "suite-not-allowed"),
        (lambda: [vertex(1, 1)[0], vertex(1, 1, hlc=7)[0]], "fork"),
        (lambda: [vertex(1, 1)[0], vertex(1, 3, vertex(1, 1)[1].id)[0]], "prev-mismatch"),
        (lambda: [vertex(1, 1)[0], vertex(2, 2, vertex(1, 1)[1].id)[0]], "prev-mismatch"),
        (lambda: [vertex(1, 1, incarnation=2)[0], vertex(1, 2, vertex(1, 1, incarnation=2)[1].id)[0]], "prev-mismatch"),
        (
            lambda: [vertex(1, 1)[0], vertex(2, 1, parents=(Parent(1, 1, 7, vertex(1, 1)[1].id),))[0]],
            "parent-mismatch",
        ),
        (lambda: [Record(SIGNATURE, bytes(32) + b"x" * 2420)], "signature-of-nothing"),
        (lambda: [Record(VERTEX, b"\x83\x41")], "cbor-truncated"),
        (lambda: [Record(ROSTER, roster_of(["x"], version=2)[1][:-1] + b"\x00")], "signature-bad"),
    ],
)
def test_forgeries_are_named(forge: Callable[[], list[Record]], reason: str) -> None:
    assert reason in reasons(judge(forge()))


def test_two_lines_in_different_incarnations_are_no_fork() -> None:
    first, one = vertex(1, 1)
    lost, _ = vertex(1, 2, one.id)
    after, other = vertex(1, 2, one.id, incarnation=2)
    verdict = judge([first, lost, after])
    assert not verdict.faults and [tip[:3] for tip in verdict.frontier] == [(1, 1, 2), (1, 2, 2)]
    assert verdict.frontier[1].id == other.id and other.key == VertexKey(1, 2, 2)


def test_a_newer_roster_in_the_log_explains_what_came_before_it() -> None:
    newer, signed = roster_of([*NAMES, "d"], version=2)
    record, _ = vertex(3, 1, sign_as="d", epoch=2)
    verdict, roster = verify_log([record, Record(ROSTER, signed)], ROSTER_1, AUTHORITY.public_key)
    assert not verdict.faults and verdict.vertices == 1 and roster == newer
    assert verdict.roster_version == 2


def test_a_roster_of_another_authority_is_not_taken() -> None:
    other = replace(roster_of([*NAMES, "d"], version=2)[0])
    record, _ = vertex(3, 1, sign_as="d", epoch=2)
    from edge.wire.roster import encode_roster
    from edge.wire.suite import PURPOSE_ROSTER, sign1

    forged = sign1(signer("mallory"), PURPOSE_ROSTER, encode_roster(other))
    verdict = judge([record, Record(ROSTER, forged)])
    assert reasons(verdict) == {"suite-not-allowed", "epoch-unknown"} and verdict.vertices == 0
