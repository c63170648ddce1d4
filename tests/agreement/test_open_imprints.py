"""A question that is open outlives what logs drop: after a start of everybody in the middle of it, it is decided."""

from random import Random

import pytest

from edge.consensus.agreement import Agreement
from edge.consensus.eviction import BY_HAND, Eviction, encode_eviction, eviction_key
from edge.consensus.past import Lock, Statement
from edge.consensus.question import value_digest
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.limits import IMPRINT_BALLOTS_MAX, OWN_OPEN_SETS_MAX
from edge.wire.cbor import encode
from edge.wire.items import PRECOMMIT, PREVOTE, Proposal, Vote
from tests.agreement.council import SITE, Council, Line, Member, question
from tests.agreement.test_council import LIE_MS, LONG_MS, SEEDS, SHAPES, make
from tests.agreement.test_imprints import start


def again(member: Member, dropped: int, imprints: bytes | None = None) -> None:
    """A start of this member, whose log has dropped so many vertices."""
    agreement = start(member, [member.council.seats], dropped, imprints or member.agreement.imprints.dump())
    agreement.naming.begin(agreement.epochs.members)
    member.agreement, member.graph = agreement, agreement._graph


def marks(member: Member) -> dict[tuple[bytes, VertexKey], object]:
    """What every vertex stands for in each open set."""
    return {
        (one.contest.conflict, header.key): one.contest.past.mark(header.key)
        for one in member.agreement.sets
        for header in member.headers.values()
    }


@pytest.mark.parametrize(("n", "r", "liars"), [shape for shape in SHAPES if shape[0] > 1])
@pytest.mark.parametrize("kind", ["mute", "babble", "echo", "turncoat", "mix"])
def test_all_start_anew_with_logs_that_have_dropped_it_and_decide(n: int, r: int, liars: int, kind: str) -> None:
    dropped = 0
    for seed in range(SEEDS if liars else 3):
        council, rng = make(n, r, liars, seed, kind), Random(seed)
        council.run(rng.uniform(20, rng.choice((150, LIE_MS))))
        for member in council.members.values():
            known = marks(member)
            count = rng.choice((len(member.headers), rng.randint(0, len(member.headers))))
            again(member, count)
            assert marks(member) == known, f"seed {seed}"
            dropped += count if known else 0
            council.at(council.now, member.turn)
        council.run(LONG_MS, ("model", 1))
        final = council.decided("model")
        assert set(final) == set(council.members), f"seed {seed}: undecided"
        assert len(set(final.values())) == 1, f"seed {seed}: {final}"
    assert dropped > 0


def test_it_can_be_certified_though_nobody_has_a_vote_any_more() -> None:
    """Some have precommitted, and all start anew: what shows these votes is in the file."""
    council = Council(4, 1, seed=0, absent=1)
    members = [council.members[index] for index in (1, 2, 3)]
    members[0].proposing("model", b"a")()
    contest = members[0].agreement.sets.of(question("model")).contest  # type: ignore[union-attr]
    while sum(one.phase == PRECOMMIT for one in contest.ballots.statements) < 2:
        council.run(council._plan[0][0] - council.now)
    for member in members:
        assert not member.finals and marks(member)
        again(member, len(member.headers))
        council.at(council.now, member.turn)
    council.run(LONG_MS, ("model", 1))
    assert council.decided("model") == {1: b"a", 2: b"a", 3: b"a"}


def test_a_precommit_that_waits_for_its_signature_is_shown_by_that_after_a_start() -> None:
    council = Council(4, 1, seed=0, absent=4)
    member, line = council.members[0], Line(1)
    value = Proposal(question("model"), b"a")
    member.take(line.write((value,), []))
    contest = member.agreement.sets.of(question("model")).contest  # type: ignore[union-attr]
    vote = Vote(contest.conflict, 0, PRECOMMIT, value_digest(b"a"))
    unsigned = line.write((vote,), [])
    member._insert(unsigned, None)
    assert not contest.shown
    again(member, len(member.headers))
    (open_,) = member.agreement.sets
    assert not open_.contest.shown
    member._insert(line.write((), []), b"above")
    ((statement, side),) = open_.contest.shown.items()
    assert statement == Statement(1, 0, PRECOMMIT, value_digest(b"a"))
    assert side.signature == b"above" and side.headers[0] == unsigned.raw and len(side.headers) == 2


def test_a_proposal_that_nobody_has_named_is_named_though_it_was_dropped() -> None:
    """Of who has no seat: a later vertex of its line shows nothing of what lies below."""
    council = Council(4, 1, seed=0, absent=4)
    member, outsider = council.members[0], Line(9)
    council.members[0].agreement.proposers.gateways = frozenset({9})
    asks = outsider.write((Proposal(question("model"), b"a"),), [])
    for header in (asks, outsider.write((), [])):
        member.take(header)
    again(member, len(member.headers))
    assert Parent(*asks.key, asks.id) in member.agreement.naming.parents(31)


def test_our_word_that_somebody_is_to_go_is_known_though_what_says_so_was_dropped() -> None:
    for author in (0, 1):
        member = Council(4, 1, seed=0, absent=4).members[0]
        asked = question(eviction_key(7))
        value = encode_eviction(Eviction(7, BY_HAND, ()))
        line = member.line if author == 0 else Line(1)
        member._insert(line.write((Proposal(asked, value),), []), b"signed")
        again(member, len(member.headers))
        assert (7 in member.agreement.evictions.words) is (author == 0)


def test_of_votes_in_more_ballots_than_are_kept_the_newest_are() -> None:
    council = Council(4, 1, seed=0, absent=4)
    member, line = council.members[0], Line(1)
    member.take(line.write((Proposal(question("model"), b"a"),), []))
    contest = member.agreement.sets.of(question("model")).contest  # type: ignore[union-attr]
    for ballot in range(IMPRINT_BALLOTS_MAX + 3):
        member.take(line.write((Vote(contest.conflict, ballot, PRECOMMIT, value_digest(b"a")),), []))
    again(member, len(member.headers))
    (open_,) = member.agreement.sets
    assert sorted(one.ballot for one in open_.contest.shown) == [3, 4, 5, 6][-IMPRINT_BALLOTS_MAX:]
    assert open_.contest.ballots.statements == contest.ballots.statements, "all of them bind as before"


def test_who_asked_has_no_more_room_after_a_start() -> None:
    council = Council(4, 1, seed=0, absent=4)
    member = council.members[0]
    for number in range(OWN_OPEN_SETS_MAX):
        member._insert(member.line.write((Proposal(question(f"k/{number}"), b"x"),), []), b"signed")
    again(member, len(member.headers))
    assert member.agreement.has_room(question("more"), 0) == "sets-many"
    assert member.agreement.sets.unsaid(member.graph) == [], "others know of it although it was dropped"


def test_what_there_is_no_room_for_stays_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    council = Council(4, 1, seed=0, absent=4)
    member = council.members[0]
    for number in range(3):
        member._insert(member.line.write((Proposal(question(f"k/{number}"), b"x"),), []), b"signed")
    imprints = member.agreement.imprints
    assert imprints.needed() == []
    whole = imprints.dump()
    assert whole is not None
    monkeypatch.setattr("edge.consensus.imprint.IMPRINTS_BYTES_MAX", len(whole) // 2)
    needed = imprints.needed()
    assert needed and min(key.seq for key in needed) > 1
    again(member, needed[0].seq - 1)
    assert len(member.agreement.sets) == 3


def test_what_the_release_before_has_written_is_read() -> None:
    """Of changes that were decided, and nothing else."""
    council = Council(4, 1, seed=0, absent=4)
    change = [["site", 1, "committee", 1, None], 0, value_digest(b"next"), [[b"next", 1]]]
    statements = [[-1, -1, -1, value_digest(b"next")]]
    statements += [
        [member, 0, phase, value_digest(b"next")] for member in range(3) for phase in (PREVOTE, 2, PRECOMMIT)
    ]
    mark = [4, [0, 1, 2], 0, PRECOMMIT, list(Lock(1, 0, value_digest(b"next"))), True]
    lines, proposals = [[1, 1, 9, [mark]]], [[1, 1, 2, [0]]]
    agreement = Agreement(SITE, 0, Graph())
    assert agreement.imprints.restore(encode([1, [[*change, statements, lines, proposals]], []]))
    agreement.seat([council.seats], ())
    (open_,) = agreement.sets
    assert open_.contest.decided == (0, value_digest(b"next"))
    assert open_.contest.past.mark(VertexKey(1, 1, 5)).votes == 0b111
