"""What others can make grow in agreement, and what happens at the end of it."""

from edge.consensus.agreement import Agreement
from edge.consensus.lease import Term, encode_term
from edge.consensus.question import conflict_of
from edge.consensus.registers import Final, Registers
from edge.ids import Parent
from edge.limits import (
    BALLOT_MAX,
    CLOSED_SETS_MAX,
    LEASE_MS_MIN,
    OPEN_SETS_MAX,
    OPEN_SETS_PER_AUTHOR_MAX,
    OWN_OPEN_SETS_MAX,
    PROPOSALS_PER_AUTHOR_MAX,
    REGISTER_KEY_BYTES_MAX,
    REGISTERS_MAX,
    VOTES_PER_VERTEX_MAX,
)
from edge.wire.items import PREVOTE, Proposal, Question, Vote, is_register_key, item_fields, item_of
from edge.wire.refusal import Refusal
from tests.agreement.council import SITE, Council, Line, question

LONG_MS = 60_000.0


def tell(council: Council, line: Line, *items: Proposal | Vote) -> None:
    header = line.write(items, [])
    for member in council.members.values():
        member.take(header)
        member.turn()


def agreement(council: Council) -> Agreement:
    return council.members[0].agreement


def test_one_author_opens_few_sets_and_others_still_can() -> None:
    council = Council(4, 1, seed=0, liars=1, absent=2)
    for number in range(OPEN_SETS_PER_AUTHOR_MAX + 3):
        tell(council, council_line(council), Proposal(question(f"k/{number}"), b"x"))
    assert agreement(council).counts()["sets_open"] == OPEN_SETS_PER_AUTHOR_MAX
    assert agreement(council).refused["sets-many"] == 3
    council.members[2].is_up = True
    council.members[2].proposing("model", b"a")()
    council.run(LONG_MS)
    assert council.members[2].agreement.counts()["sets_open"] == OPEN_SETS_PER_AUTHOR_MAX + 1


def test_who_knows_its_answers_sooner_than_others_finds_room_with_them() -> None:
    """By certificates, which come apart from vertices: the others have all of its questions open yet."""
    council = Council(4, 1, seed=0, absent=4)
    member, other = council.members[0], council.members[1]

    def ask(number: int) -> None:
        assert member.agreement.has_room(question(f"k/{number}"), 0) == ""
        header = member.line.write((Proposal(question(f"k/{number}"), b"x"),), [])
        for one in (member, other):
            one.take(header)

    for number in range(OWN_OPEN_SETS_MAX):
        ask(number)
    assert member.agreement.has_room(question("more"), 0) == "sets-many"
    for number in range(OWN_OPEN_SETS_MAX):
        assert member.agreement.decide(Final(question(f"k/{number}"), b"x", 0, b"judged"))
        ask(OWN_OPEN_SETS_MAX + number)
    assert "sets-many" not in other.agreement.refused
    assert other.agreement.counts()["sets_open"] == OPEN_SETS_PER_AUTHOR_MAX


def council_line(council: Council) -> Line:
    """The one line of the liar."""
    line: Line = council.__dict__.setdefault("line", Line(council.liars[0]))
    return line


def lease(holder: int, name: str) -> Proposal:
    return Proposal(question(f"lease/{name}"), encode_term(Term(holder, LEASE_MS_MIN)))


def test_all_together_open_no_more_than_there_is_room_for() -> None:
    authors = OPEN_SETS_MAX // OPEN_SETS_PER_AUTHOR_MAX + 1
    council = Council(4, 1, seed=0, absent=4)
    for author in range(4, 4 + authors):
        line = Line(author)
        for number in range(OPEN_SETS_PER_AUTHOR_MAX):
            header = line.write((lease(author, f"{author}-{number}"),), [])
            council.members[0].take(header)
    assert agreement(council).counts()["sets_open"] == OPEN_SETS_MAX
    assert agreement(council).refused["sets-many"] == OPEN_SETS_PER_AUTHOR_MAX


def test_what_of_ours_waits_to_be_judged_takes_up_room_already() -> None:
    """Others judge it sooner than we do: what we asked besides, they would have no room for."""
    council = Council(4, 1, seed=0, absent=3)
    member = council.members[0]
    unheard = Line(1).write((), [])
    member.line.write((Proposal(question("k/0"), b"x"),), [Parent(*unheard.key, unheard.id)])
    member._insert(member.line.head, b"signed")
    assert agreement(council).counts()["sets_open"] == 0 and agreement(council).counts()["agreement_early"] == 1
    for number in range(1, OWN_OPEN_SETS_MAX):
        assert agreement(council).has_room(question(f"k/{number}"), 0) == ""
        member._insert(member.line.write((Proposal(question(f"k/{number}"), b"x"),), []), b"signed")
    assert agreement(council).has_room(question("more"), 0) == "sets-many"
    assert agreement(council).has_room(question("more"), 1) == ""


def test_a_late_vote_is_told_from_one_on_what_nobody_asked() -> None:
    council = Council(4, 1, seed=0, liars=1, absent=2)
    answered = [conflict_of(SITE, question(f"k/{number}")) for number in range(CLOSED_SETS_MAX + 1)]
    for conflict in answered:
        agreement(council).sets.passed(conflict)
    line = council_line(council)
    tell(council, line, Vote(answered[-1], 0, PREVOTE, None), Vote(answered[1], 0, PREVOTE, None))
    assert "vote-unasked" not in agreement(council).refused
    tell(council, line, Vote(answered[0], 0, PREVOTE, None), Vote(bytes(32), 0, PREVOTE, None))
    assert agreement(council).refused["vote-unasked"] == 2, "only so many are remembered"


def test_one_author_names_few_values_for_a_set() -> None:
    council = Council(4, 1, seed=0, liars=1, absent=2)
    for number in range(PROPOSALS_PER_AUTHOR_MAX + 2):
        tell(council, council_line(council), Proposal(question("model"), b"%d" % number))
    assert agreement(council).refused["proposals-many"] == 2


def test_votes_of_more_sets_than_fit_a_vertex_go_into_the_next() -> None:
    council = Council(1, 0, seed=0)
    member = council.members[0]
    proposals = [lease(100 + number, f"{number}") for number in range(VOTES_PER_VERTEX_MAX + 5)]
    for at, proposal in enumerate(proposals):
        member.take(Line(100 + at).write((proposal,), []))
    member.turn()
    votes = [sum(isinstance(item, Vote) for item in header.items) for header in member.headers.values()]
    assert max(votes) == VOTES_PER_VERTEX_MAX
    assert len(member.finals) == len(proposals)


def test_registers_beyond_the_last_are_not_begun_and_those_that_are_go_on() -> None:
    registers = Registers(SITE)
    for number in range(REGISTERS_MAX):
        assert registers.take(Final(question(f"k{number}"), b"x", 0, b""))
    assert registers.is_full
    council = Council(1, 0, seed=0)
    member = council.members[0]
    member.agreement.registers = registers
    member.proposing("another", b"x")()
    assert member.finals == []
    member.proposing("k7", b"y")()
    assert [final.question.key for final in member.finals] == ["k7"]


def test_a_key_and_a_ballot_have_a_last_one() -> None:
    assert is_register_key("k" * REGISTER_KEY_BYTES_MAX) and not is_register_key("k" * (REGISTER_KEY_BYTES_MAX + 1))
    vote = Vote(b"c" * 32, BALLOT_MAX, 0, None)
    assert item_of(list(item_fields(vote))) == vote
    assert isinstance(item_of(list(item_fields(vote._replace(ballot=BALLOT_MAX + 1)))), Refusal)


def test_a_certificate_may_be_some_versions_ahead_and_never_behind() -> None:
    registers = Registers(SITE)
    ahead = Final(Question("site", 1, "model", 5, b"p" * 32), b"five", 0, b"")
    assert registers.take(ahead)
    assert not registers.take(ahead._replace(value=b"other"))
    assert not registers.take(Final(question("model"), b"one", 0, b""))
    assert registers.get("site", "model") == ahead
