"""The rule of epochs, vote by vote: what stops, what lets in, what binds, and who may ask for a change."""

from edge.consensus.agreement import Agreement
from edge.consensus.committee import Committee, Seats
from edge.consensus.epochs import CHANGE_KEY, change_value
from edge.consensus.past import Lock
from edge.consensus.question import conflict_of, final_id, value_digest
from edge.consensus.registers import Final
from edge.dag.graph import Graph
from edge.ids import Parent
from edge.wire.items import PRECOMMIT, PREVOTE, Item, Proposal, Question, Vote
from edge.wire.vertex import Header
from tests.agreement.council import SITE, Line

OLD = Seats("site", 1, (0, 1, 2, 3), Committee(4, 1), stands=False)
NEW = Seats("site", 2, (4, 5, 6, 7), Committee(4, 1), begins=False)
NEXT = Seats("site", 3, (0, 5, 6, 7), Committee(4, 1), begins=False, stands=False)
MODEL = Question("site", 1, "model", 1, None)
CHANGE = Question("site", 1, CHANGE_KEY, 1, None)
TO_NEW = change_value(SITE, NEW)


def vote(question: Question, ballot: int, phase: int, value: bytes | None) -> Vote:
    return Vote(conflict_of(SITE, question), ballot, phase, value_digest(value) if value is not None else None)


class Scene:
    """An onlooker, index 9, told of what others say in this order."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.agreement = Agreement(SITE, 9, self.graph)
        self.agreement.seat([OLD, NEW], ())
        self.lines: dict[int, Line] = {}

    def say(self, author: int, *items: Item, above: list[Header] | None = None, epoch: int = 2) -> Header:
        line = self.lines.setdefault(author, Line(author))
        line.epoch = epoch
        below = line.head
        header = line.write(items, sorted(Parent(*one.key, one.id) for one in above or []))
        self.graph.insert(header.key, header.id, below.key if below else None)
        self.agreement.heard(header, below.key if below else None, b"signed", 0.0)
        return header

    def round(self, question: Question, value: bytes, members: tuple[int, ...], ballot: int = 0) -> list[Header]:
        """Everyone of these prevotes and precommits, above a proposal by the first."""
        asked = self.say(members[0], Proposal(question, value), above=self.heads())
        prevotes = [self.say(one, vote(question, ballot, PREVOTE, value), above=[asked]) for one in members[1:]]
        prevotes.append(self.say(members[0], vote(question, ballot, PREVOTE, value)))
        return [
            self.say(
                one, vote(question, ballot, PRECOMMIT, value), above=[two for two in prevotes if two.author != one]
            )
            for one in members
        ]

    def heads(self) -> list[Header]:
        return [line.head for line in self.lines.values() if line.head is not None and line.author != 0]

    @property
    def refused(self) -> dict[str, int]:
        return self.agreement.refused


def test_nothing_on_another_question_counts_above_a_precommit_for_the_change() -> None:
    scene = Scene()
    asked = scene.say(0, Proposal(MODEL, b"a"))
    change = scene.say(1, Proposal(CHANGE, TO_NEW), above=[asked])
    prevotes = [scene.say(one, vote(CHANGE, 0, PREVOTE, TO_NEW), above=[change]) for one in (0, 2)]
    prevotes.append(scene.say(1, vote(CHANGE, 0, PREVOTE, TO_NEW)))
    last = vote(CHANGE, 0, PRECOMMIT, TO_NEW)
    scene.say(0, vote(MODEL, 0, PREVOTE, b"a"), last, above=prevotes[1:])
    assert "vote-stopped" not in scene.refused, "it stands below, in the same vertex"
    scene.say(2, last, vote(MODEL, 0, PREVOTE, b"a"), above=[prevotes[0], prevotes[2]])
    assert scene.refused["vote-stopped"] == 1, "above it, in the same vertex"
    scene.say(0, vote(MODEL, 0, PRECOMMIT, None))
    assert scene.refused["vote-stopped"] == 2, "above it, also nil"
    scene.say(0, vote(CHANGE, 1, PREVOTE, TO_NEW))
    assert scene.refused["vote-stopped"] == 2, "on the change it goes on"


def test_a_vote_of_the_new_epoch_counts_only_above_a_quorum_for_the_change() -> None:
    scene = Scene()
    ended = scene.round(CHANGE, TO_NEW, (0, 1, 2))
    fresh = MODEL._replace(epoch=2)
    asked = scene.say(4, Proposal(fresh, b"x"))
    scene.say(4, vote(fresh, 0, PREVOTE, b"x"), above=ended[:2])
    assert scene.refused["vote-early"] == 1
    scene.say(5, vote(fresh, 0, PREVOTE, b"x"), above=[asked, *ended])
    contest = scene.agreement.contest(conflict_of(SITE, fresh))
    assert contest is not None
    assert [one.member for one in contest.ballots.statements if one.phase == PREVOTE] == [1]
    assert scene.refused["vote-early"] == 1


def test_precommits_that_nothing_justifies_end_an_epoch_all_the_same() -> None:
    scene = Scene()
    change = scene.say(0, Proposal(CHANGE, TO_NEW))
    ended = [scene.say(one, vote(CHANGE, 0, PRECOMMIT, TO_NEW), above=[change]) for one in (1, 2, 3)]
    assert scene.refused["vote-unjustified"] == 3
    fresh = MODEL._replace(epoch=2)
    scene.say(5, Proposal(fresh, b"x"), above=ended)
    scene.say(5, vote(fresh, 0, PREVOTE, b"x"))
    assert "vote-early" not in scene.refused


def taken_over() -> tuple[Scene, list[Header]]:
    """The old committee has q prevotes for a in ballot 0, for b in ballot 1, and hands over above them."""
    scene = Scene()
    asked = scene.say(3, Proposal(MODEL, b"a"), Proposal(MODEL, b"b"))
    for one in (0, 1, 2):
        scene.say(one, vote(MODEL, 0, PREVOTE, b"a"), above=[asked])
    for one in (0, 1, 2):
        scene.say(one, vote(MODEL, 1, PREVOTE, b"b"))
    return scene, scene.round(CHANGE, TO_NEW, (0, 1, 2))


def test_the_first_vote_fixes_what_is_taken_over_and_binds_its_author() -> None:
    scene, ended = taken_over()
    fresh = MODEL._replace(epoch=2)
    asked = scene.say(4, Proposal(fresh, b"a"), Proposal(fresh, b"b"), above=ended)
    first = scene.say(5, vote(fresh, 0, PREVOTE, None), above=[asked])
    contest = scene.agreement.contest(conflict_of(SITE, fresh))
    assert contest is not None
    assert contest.past.mark(first.key).lock == Lock(1, 1, value_digest(b"b")), "the highest of the ended epoch"
    scene.say(5, vote(fresh, 1, PREVOTE, b"a"))
    assert scene.refused["vote-against-lock"] == 1, "the quorum for a is older"
    scene.say(6, vote(fresh, 0, PREVOTE, b"b"), above=[asked])
    assert scene.refused["vote-against-lock"] == 1


def test_a_certificate_of_an_ended_epoch_is_believed_only_with_its_prevotes_below_the_change() -> None:
    scene, _ = taken_over()
    assert not scene.agreement.decide(Final(MODEL, b"a", 1, b"forged")), "ballot 1 had b"
    assert scene.refused["certificate-late"] == 1
    assert scene.agreement.decide(Final(MODEL, b"b", 1, b"true"))


def test_a_change_is_asked_for_by_members_of_the_epoch_for_what_a_roster_lists() -> None:
    scene = Scene()
    scene.say(4, Proposal(CHANGE, TO_NEW))
    assert scene.refused == {"proposal-unauthorised": 1}
    for value in (
        b"x",
        change_value(SITE, NEXT),
        change_value(SITE, OLD),
        change_value(SITE, NEW._replace(members=(4,))),
    ):
        scene.say(0, Proposal(CHANGE, value))
    scene.say(1, Proposal(CHANGE, TO_NEW), epoch=1)
    assert scene.refused["proposal-committee"] == 5, "also under a roster that does not list it yet"
    scene.say(2, Proposal(CHANGE._replace(version=2, predecessor=bytes(32)), TO_NEW))
    assert scene.refused["proposal-unauthorised"] == 2, "it is asked once in an epoch"
    assert not scene.agreement.open_sets()
    scene.say(3, Proposal(CHANGE, TO_NEW))
    assert len(scene.agreement.open_sets()) == 1


def test_the_change_of_the_next_epoch_names_the_one_before() -> None:
    scene = Scene()
    ended = scene.round(CHANGE, TO_NEW, (0, 1, 2))
    scene.agreement.seat([OLD, NEW._replace(stands=False), NEXT._replace(stands=True)], ())
    later = Question("site", 2, CHANGE_KEY, 2, final_id(SITE, CHANGE, value_digest(TO_NEW)))
    proposal = Proposal(later, change_value(SITE, NEXT))
    scene.say(5, proposal, epoch=3)
    assert scene.refused == {"proposal-unauthorised": 1}, "it has not entered"
    scene.say(6, proposal, above=ended, epoch=3)
    assert scene.refused == {"proposal-unauthorised": 1}
    assert [contest.question for contest in scene.agreement.open_sets()] == [later]


def test_final_ids_know_no_epoch() -> None:
    assert final_id(SITE, MODEL, b"d" * 32) == final_id(SITE, MODEL._replace(epoch=7), b"d" * 32)


def test_a_change_that_others_have_decided_is_waited_for_no_more() -> None:
    """A deadline that has passed and that nothing answers to would keep a node busy for ever."""
    scene = Scene()
    scene.agreement = Agreement(SITE, 3, scene.graph)
    scene.agreement.seat([OLD, NEW], ())
    asked = scene.say(0, Proposal(CHANGE, TO_NEW))
    assert scene.agreement.due([Parent(*asked.key, asked.id)], 0.0) == []
    assert scene.agreement.deadline() == 20.0, "it waits for other proposals"
    prevotes = [scene.say(one, vote(CHANGE, 0, PREVOTE, TO_NEW), above=[asked] if one else []) for one in range(3)]
    for one in range(3):
        others = [header for header in prevotes if header.author != one]
        scene.say(one, vote(CHANGE, 0, PRECOMMIT, TO_NEW), above=others)
    assert not scene.agreement.has_open and scene.agreement.deadline() == float("inf")
