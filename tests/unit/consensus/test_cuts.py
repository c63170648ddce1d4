"""The heads of a cut below a vertex: what counts as being there, and which old votes are."""

from edge.consensus.agreement import Agreement
from edge.consensus.committee import Committee, Seats
from edge.consensus.cuts import Crossing, Followed
from edge.consensus.epochs import CHANGE_KEY, change_value
from edge.consensus.question import conflict_of, value_digest
from edge.consensus.registers import Final, Registers
from edge.dag.graph import Graph
from edge.ids import Parent, VertexKey
from edge.wire.items import PRECOMMIT, PREVOTE, Item, Proposal, Question, Vote
from edge.wire.recovery import Cut
from edge.wire.vertex import Header
from tests.agreement.council import SITE, Line

OLD = Seats("site", 1, (0, 1, 2, 3), Committee(4, 1), stands=False)
MODEL = Question("site", 1, "model", 1, None)


def parent(header: Header) -> Parent:
    return Parent(*header.key, header.id)


def vote(question: Question, ballot: int, phase: int, value: bytes) -> Vote:
    return Vote(conflict_of(SITE, question), ballot, phase, value_digest(value))


class Scene:
    """An onlooker, told of what others say in this order."""

    def __init__(self, index: int = 9) -> None:
        self.graph = Graph()
        self.agreement = Agreement(SITE, index, self.graph)
        self.agreement.seat([OLD], ())
        self.lines = {author: Line(author) for author in range(9)}

    def say(self, author: int, *items: Item, above: tuple[Header, ...] = (), epoch: int = 1) -> Header:
        line = self.lines[author]
        line.epoch = epoch
        below = line.head
        header = line.write(items, sorted(parent(one) for one in above))
        self.graph.insert(header.key, header.id, below.key if below else None)
        self.agreement.heard(header, below.key if below else None, b"signed", 0.0)
        return header

    def replace(self, *heads: Header) -> Seats:
        cut = Cut(1, tuple(sorted(parent(one) for one in heads)), ())
        seats = Seats("site", 2, (2, 4, 5, 6), Committee(4, 1), begins=False, cut=cut)
        self.agreement.seat([OLD, seats], ())
        return seats


def test_a_head_is_below_what_names_it_or_a_later_one_or_goes_on_from_it() -> None:
    scene = Scene()
    heads = [scene.say(author) for author in (0, 1, 2)]
    seats = scene.replace(*heads)
    assert seats.cut is not None
    later = scene.say(1)
    named_before = scene.say(4, above=(heads[0],), epoch=1)
    crossing = scene.agreement.epochs.cuts.crossings["site", 2]
    assert crossing.view(named_before.key) == 0, "it was not made under the roster"
    assert crossing.view(scene.say(4, epoch=2).key) == 0
    assert crossing.view(scene.say(4, above=(heads[0], later), epoch=2).key) == 0b011
    mine = scene.say(2, above=(), epoch=2)
    assert crossing.view(mine.key) == 0b100, "its own line"
    assert crossing.view(scene.say(4, above=(mine,), epoch=2).key) == 0b111
    assert crossing.view(scene.say(5, above=(scene.lines[4].head,), epoch=2).key) == 0b111  # type: ignore[arg-type]
    assert sorted(crossing.entered()) == [4, 5] and crossing.is_whole(0b111) and not crossing.is_whole(0b011)


def test_a_line_goes_on_in_another_life_and_a_lost_one_does_not() -> None:
    scene = Scene()
    head = scene.say(2)
    scene.replace(head)
    crossing = scene.agreement.epochs.cuts.crossings["site", 2]
    scene.lines[2] = Line(2, 2, head)
    assert crossing.view(scene.say(2, epoch=2).key) == 1
    scene.lines[2] = Line(2, 3)
    assert crossing.view(scene.say(2, epoch=2).key) == 0


def test_the_other_side_of_a_fork_is_no_head() -> None:
    graph = Graph()
    held, other = Line(1).write((), []), Line(1).write((Proposal(MODEL, b"x"),), [])
    graph.insert(held.key, held.id, None)
    crossing = Crossing((parent(other),), graph)
    assert crossing.view(held.key) == 0 and not crossing.is_whole(1), "also if others say that they have it"
    assert crossing.unnamed(None) == []
    named = Line(4).write((), [parent(other)])
    crossing.heard(named.key, named, None, [])
    assert crossing.view(named.key) == 1


def test_a_member_names_what_its_line_lacks_and_its_votes_count_from_there_on() -> None:
    scene = Scene(4)
    heads = [scene.say(author) for author in (0, 1)]
    for head in heads:
        scene.agreement.naming.named([parent(head)])
    seats = scene.replace(*heads)
    assert scene.agreement.naming.parents(31) == [parent(head) for head in heads]
    assert scene.agreement.naming.clocks(scene.agreement.naming.parents(31)) == (0, 0)
    question = Question("site", 2, "model", 1, None)
    asked = scene.say(5, Proposal(question, b"a"), epoch=2)
    early = scene.say(6, vote(question, 0, PREVOTE, b"a"), above=(asked,), epoch=2)
    assert scene.agreement.refused == {"vote-early": 1}
    scene.say(6, vote(question, 0, PREVOTE, b"a"), above=tuple(heads), epoch=2)
    assert scene.agreement.votes_counted == 1 and early
    later = scene.say(1)
    assert parent(later) in scene.agreement.naming.parents(31) and parent(
        heads[1]
    ) not in scene.agreement.naming.parents(31)
    (mine,) = scene.agreement.due(scene.agreement.naming.parents(31), 100.0)
    assert isinstance(mine, Vote)
    scene.lines[4].epoch = 2
    header = scene.lines[4].write((mine,), scene.agreement.naming.parents(31))
    scene.agreement.naming.named(scene.agreement.naming.parents(31))
    scene.graph.insert(header.key, header.id, None)
    scene.agreement.heard(header, None, b"signed", 100.0)
    assert scene.agreement.votes_counted == 2 and scene.agreement.epochs.is_entered(
        seats, lambda one: one.view(header.key)
    )
    needed = scene.agreement.imprints.needed()
    assert {head.key for head in heads}.isdisjoint(needed), "what is above them outlives them"


def test_old_votes_beside_the_heads_decide_and_bind_to_nothing() -> None:
    scene = Scene()
    asked = scene.say(0, Proposal(MODEL, b"a"))
    prevotes = [scene.say(one, vote(MODEL, 0, PREVOTE, b"a"), above=(asked,) if one else ()) for one in (0, 1, 2)]
    locked = scene.say(0, vote(MODEL, 0, PRECOMMIT, b"a"), above=tuple(prevotes[1:]))
    scene.replace(locked, prevotes[1])
    (contest,) = [open_.contest for open_ in scene.agreement.sets]
    for one in (1, 2):
        others = tuple(header for header in prevotes if header.author != one)
        scene.say(one, vote(MODEL, 0, PRECOMMIT, b"a"), above=others)
    assert contest.decided is not None and not scene.agreement.epochs.is_certified(contest)
    assert scene.agreement.take_finals() == [], "two of the three precommits are beside the cut"
    epochs = scene.agreement.epochs

    def sees(one: Followed) -> int:
        return one.view(VertexKey(0, 1, 99))

    (lock,) = epochs.locks(contest, 2, sees)
    assert (lock.epoch, lock.ballot, lock.value) == (1, 0, value_digest(b"a"))
    epochs.cuts.crossings.clear()
    scene.replace(prevotes[1])
    assert epochs.locks(contest, 2, sees) == [], "the quorum of prevotes is not below this one"
    late = Final(MODEL, b"a", 0, b"raw")
    assert not scene.agreement.decide(late) and scene.agreement.refused["certificate-late"] == 1


def test_a_change_of_the_lost_epoch_lets_nobody_in_and_the_next_one_names_the_epoch() -> None:
    scene = Scene()
    head = scene.say(2)
    seats = scene.replace(head)
    after = Seats("site", 3, (4, 5), Committee(2, 0), begins=False)
    wanted = change_value(SITE, after)
    scene.agreement.seat([OLD, seats._replace(stands=False), after], ())
    epochs = scene.agreement.epochs
    current = epochs.current("site")
    assert current is not None and current.epoch == 2 and epochs.is_overruled(OLD) and not epochs.is_over(OLD)
    scene.say(2, Proposal(Question("site", 1, CHANGE_KEY, 1, None), wanted), epoch=3)
    assert scene.agreement.refused == {"proposal-committee": 1}
    mine = scene.say(4, above=(head,), epoch=3)
    question = epochs.change_question(current, lambda one: one.view(mine.key))
    assert question == Question("site", 2, CHANGE_KEY, 2, value_digest(change_value(SITE, seats)))
    assert epochs.change_question(current, lambda _: 0) is None


def test_of_one_version_the_value_since_a_recovery_stands_and_the_other_is_told() -> None:
    registers = Registers(SITE)
    registers.generation = lambda scope, epoch: int(epoch >= 3)
    old, new = Final(MODEL, b"a", 0, b"1"), Final(MODEL._replace(epoch=3), b"b", 0, b"2")
    assert registers.take(old) and registers.is_next(new.question) and not registers.is_past(new.question)
    assert registers.take(new) and registers.get("site", "model") == new and not registers.take(old)
    assert registers.take_overruled() == [old] and registers.take_overruled() == []
    assert registers.is_recovered(new.question) and not registers.is_recovered(old.question)
    ahead = Final(MODEL._replace(version=2, predecessor=bytes(32)), b"c", 0, b"3")
    assert registers.contradicts(ahead), "it goes on from the other value"
    assert not registers.take(Final(MODEL._replace(epoch=4), b"d", 0, b"4")), "of one committee there is one value"
