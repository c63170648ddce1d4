"""The note beside the key: a member that lost its log abstains where it voted, until the epoch is another."""

import pytest

from edge.dag.records import VERTEX
from edge.effects import Effect, NoteVotes
from edge.limits import INDEX_MAX
from edge.node.votenote import BYTES_MAX, ROWS_MAX, Row, VoteNote, decode_note, encode_note
from edge.wire.frame import decode_vertex
from edge.wire.items import Vote
from edge.wire.vertex import decode_header
from tests.builders import Machine
from tests.unit.node import test_succession as succession
from tests.unit.node.test_voting import propose, site, values


def rows(machine: Machine) -> dict[str, Row]:
    assert machine.note is not None
    found = decode_note(machine.note)
    assert found is not None
    return found


def votes(machine: Machine) -> int:
    """In its log, of its own."""
    headers = [decode_header(decode_vertex(one.payload).header) for one in machine.log if one.type == VERTEX]  # type: ignore[union-attr]
    return sum(
        isinstance(item, Vote)
        for header in headers
        if header.author == machine.index  # type: ignore[union-attr]
        for item in header.items  # type: ignore[union-attr]
    )


def why(machine: Machine) -> list[object]:
    return [dict(report.fields).get("why") for report in machine.reports if report.event == "votes-lost"]


def lose_log(machine: Machine) -> None:
    machine.kill()
    machine.log.clear()


# ---- what is written


def test_a_note_is_read_as_it_was_written() -> None:
    noted = [Row("site", 7, 55_000_000, 3), Row("cell-a", 2, 1)]
    assert decode_note(encode_note(noted)) == {"site": noted[0], "cell-a": noted[1]}
    assert decode_note(encode_note([])) == {}


def test_the_largest_note_fits_its_file_and_a_larger_one_is_none() -> None:
    full = [Row(f"{number:03}" + "x" * 61, INDEX_MAX, INDEX_MAX, INDEX_MAX) for number in range(ROWS_MAX + 1)]
    assert len(encode_note(full)) < BYTES_MAX
    assert decode_note(encode_note(full[1:])) is not None and decode_note(encode_note(full)) is None


def test_bytes_that_are_no_note_are_none() -> None:
    good = encode_note([Row("site", 7, 5)])
    assert decode_note(b"") is None and decode_note(good[:-1]) is None and decode_note(good + b"\x00") is None
    for at in range(len(good)):
        assert decode_note(good[:at] + bytes([good[at] ^ 0x01]) + good[at + 1 :]) is None, f"byte {at}"
    assert decode_note(encode_note([Row("site", -1, 5)])) is None


# ---- before votes


def test_the_note_is_durable_before_the_first_vote_and_written_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    world = site()
    a, asked = world.machines["a"], list[NoteVotes]()
    carry_out = a._one

    def slow(effect: Effect) -> list[Effect]:
        if isinstance(effect, NoteVotes):
            asked.append(effect)
            return []
        return carry_out(effect)

    monkeypatch.setattr(a, "_one", slow)
    propose(a, "model", b"one")
    world.run(3)
    assert len(asked) == 1 and votes(a) == 0
    assert values(world) == [b"one"] * 4, "the others are enough"
    propose(a, "model", b"two")
    assert a.node.voting.deadline() > world.ms, "it waits for the disk, and does not spin"
    a.do(carry_out(asked[0]))
    world.run(2)
    assert votes(a) == 2 and a.notes == 1 and list(rows(a).values()) == [Row("site", 1, a.node.incarnation)]
    propose(a, "model", b"three")
    world.run(2)
    assert votes(a) == 4 and a.notes == 1
    assert values(world) == [b"three"] * 4


def test_who_has_no_seat_notes_nothing() -> None:
    world = site("x")
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    assert world.machines["x"].note is None and world.machines["a"].note is not None


def test_a_full_disk_keeps_a_member_silent_until_it_has_room() -> None:
    world = site()
    a = world.machines["a"]
    a.keys_full = True
    propose(a, "model", b"one")
    world.run(3)
    assert votes(a) == 0 and 2 <= a.notes <= 4, "once a second"
    assert any(report.event == "votes-note-unwritten" for report in a.reports)
    a.keys_full = False
    world.run(2)
    propose(a, "model", b"two")
    world.run(2)
    assert votes(a) == 2


# ---- what a start finds


def test_a_member_whose_log_is_gone_abstains_over_all_its_starts_until_the_epoch_is_another() -> None:
    world = succession.site()
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    lose_log(world.machines["d"])
    world.boot("d", link=False)
    assert why(world.machines["d"]) == ["log-replaced"]
    assert rows(world.machines["d"])["site"].lost == 1
    for _ in range(2):
        world.machines["d"].kill()
        world.boot("d", link=False)
        assert why(world.machines["d"]) == ["noted-before"], "its log is no longer another, and still lacks the votes"
    d = world.boot("d")
    propose(world.machines["a"], "model", b"two")
    propose(world.machines["b"], "lease/door", b"x")
    world.run(5)
    assert values(world) == [b"two"] * 6, "it learns what the others decide"
    assert d.node.voting.agreement.votes_cast == 0
    assert d.node.status(world.now)["votes_lost"] == ["site"]

    succession.change(world, "b", "c", "d", "e")
    succession.spread(world)
    world.run(5)
    propose(d, "model", b"three")
    world.run(5)
    assert values(world) == [b"three"] * 6
    assert d.node.voting.agreement.votes_cast == 2 and d.node.status(world.now)["votes_lost"] == []
    assert rows(d)["site"] == Row("site", 2, d.node.incarnation, 1)


def test_an_older_directory_is_another_log() -> None:
    """Put back from before the last start in which it voted; nobody is asked."""
    world = site()
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    d = world.machines["d"]
    older = list(d.log)
    d.kill()
    world.ms += 5_000
    world.boot("d")
    propose(world.machines["a"], "model", b"two")
    world.run(2)
    d = world.machines["d"]
    assert d.node.voting.agreement.votes_cast == 2
    d.kill()
    d.log[:] = older
    assert why(world.boot("d", link=False)) == ["log-replaced"]


def test_a_start_that_finds_its_log_votes_on() -> None:
    world = site()
    for value in (b"one", b"two"):
        propose(world.machines["a"], "model", value)
        world.run(2)
        world.machines["d"].kill()
        world.boot("d")
        world.run(10)
        assert why(world.machines["d"]) == []
    propose(world.machines["d"], "model", b"three")
    world.run(2)
    assert world.machines["d"].node.voting.agreement.votes_cast == 2


def test_a_member_that_never_voted_loses_nothing_with_its_log() -> None:
    world = site()
    world.run(2)
    lose_log(world.machines["d"])
    d = world.boot("d")
    propose(world.machines["a"], "model", b"one")
    world.run(3)
    assert d.node.voting.agreement.votes_cast == 2 and why(d) == []


@pytest.mark.parametrize("data", [b"", b"junk", encode_note([Row("site", 1, 1)])[:-1]])
def test_a_note_that_cannot_be_read_makes_a_member_abstain_and_is_named(data: bytes) -> None:
    world = site()
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    world.machines["d"].kill()
    world.machines["d"].note = data
    d = world.boot("d")
    assert why(d) == ["note-unreadable"] and rows(d)["site"].lost == 1
    propose(world.machines["a"], "model", b"two")
    world.run(3)
    assert d.node.voting.agreement.votes_cast == 0 and values(world) == [b"two"] * 4


def test_what_a_peer_shows_is_noted_and_remembered() -> None:
    """A card put back whole, with its key and note; a peer knows better."""
    world = site()
    d = world.machines["d"]
    image, note = list(d.log), d.note
    propose(world.machines["a"], "model", b"one")
    world.run(2)
    d.kill()
    d.log[:], d.note = image, note
    d = world.boot("d")
    world.run(10)
    assert rows(d)["site"].lost == 1 and len(why(d)) == 1, "said once"
    d.kill()
    d = world.boot("d", link=False)
    assert why(d) == ["noted-before"] and d.node.voting.abstains == ["site"]


def test_scopes_of_before_leave_the_note_when_it_is_full() -> None:
    written: list[NoteVotes] = []

    class Desk:
        def ticket(self, then: object) -> int:
            return 1

        do = staticmethod(written.append)

    note = VoteNote(Desk())  # type: ignore[arg-type]
    before = [Row(f"cell-{number}", 1, 5) for number in range(ROWS_MAX)]
    note.recall(encode_note(before))
    note.begin(5, 6, [])
    assert not written
    assert not note.promise([("site", 2)], ["site", "cell-3"])
    assert decode_note(written[0].data) == {"site": Row("site", 2, 6), "cell-3": Row("cell-3", 1, 5)}
