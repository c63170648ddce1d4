"""Worlds in which one rule does not hold: each must be caught, or a checker is blind.

Nothing of this is in the code that ships: rules are taken from the objects of a node that has just been made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.dag.admission import Duplicate
from edge.dag.eliding import Choice
from edge.effects import Decided
from edge.ids import VertexKey
from edge.sim.converging import by_arrival, without_cut
from edge.sim.profiles import SEGMENT_BYTES, Profile

if TYPE_CHECKING:
    from edge.sim.machine import Machine


@dataclass(frozen=True)
class Break:
    """`profile`: where it shows; `kinds`: how."""

    rule: str
    profile: str
    kinds: tuple[str, ...]
    apply: Callable[[Machine], None]
    behaviour: str = "mix"
    """Of liars, where there are any."""
    is_calm: bool = False
    """Nothing else goes wrong: among crashes it shows too rarely."""
    keys: tuple[str, ...] = Profile.keys
    """Of registers that are asked for: among others it shows too rarely."""

    world: dict[str, Any] = field(default_factory=dict)
    """Other fields of the profile, where it shows too rarely with those that this has."""

    @property
    def changes(self) -> dict[str, Any]:
        """Of the profile."""
        return {
            "behaviour": self.behaviour,
            "keys": self.keys,
            **({"faults": {}} if self.is_calm else {}),
            **self.world,
        }


def _fsync(machine: Machine) -> None:
    def commit() -> None:
        machine.journal._dirty = False

    _set(machine.journal, "commit", commit)


def _order(machine: Machine) -> None:
    machine.scribe.answers_early = True


def _dedupe(machine: Machine) -> None:
    _set(machine.node._admission, "knows", lambda header: False)


def _parents(machine: Machine) -> None:
    admission = machine.node._admission
    place = admission._place
    _set(admission, "_place", lambda one, *rest: place(one._replace(place=one.place or 1), *rest))


def _incarnation(machine: Machine) -> None:
    recovery = machine.node.recovery
    finish = recovery.finish

    def same(*args: Any) -> Any:
        end = finish(*args)
        machine.node._author.incarnation = max(1, recovery.highest_incarnation)
        return end

    _set(recovery, "finish", same)


def _forks(machine: Machine) -> None:
    _set(machine.node._admission, "_fork", lambda candidate, held: Duplicate())


def _lives(machine: Machine) -> None:
    admission = machine.node._admission
    _set(admission, "_second_life", lambda candidate, above: None)
    _set(admission, "_has", lambda key: False)


def _bounds(machine: Machine) -> None:
    pending = machine.node._pending
    park = pending.park

    def always(candidate: Any, missing: Any) -> bool:
        author = candidate.header.author
        mine = pending._per_author.pop(author, {})
        is_taken = park(candidate, missing)
        pending._per_author[author] = mine | pending._per_author.get(author, {})
        return is_taken

    _set(pending, "park", always)


def _repair(machine: Machine) -> None:
    _set(machine.node._exchange.repair, "requests_due", lambda now: [])


def _frontier(machine: Machine) -> None:
    """Insert without what lies between: heads look right, what is below them is not there."""
    graph = machine.node.graph
    insert = graph.insert

    def skip(key: VertexKey, *args: Any) -> None:
        insert(key, *args)
        branch = graph.branch(key.author, key.incarnation)
        if branch is not None and key.seq % 16 == 0 and key.author != machine.index and len(branch.places) > 1:
            branch.start += 1
            del branch.ids[:32], branch.places[:1], branch.signed[:1]

    _set(graph, "insert", skip)


def _ack(machine: Machine) -> None:
    _set(machine, "_archived", lambda effect: machine.feed(machine.node.archived, effect.ticket))
    machine.store.vertices.clear()


def _trim(machine: Machine) -> None:
    custody = machine.node.custody
    _set(custody, "covered_seq", lambda branch, roster: branch.head_seq)


def _prune(machine: Machine) -> None:
    _set(machine.node.voting, "sealed_seq", lambda branch: branch.head_seq)


class _Everything(Choice):
    """No signature of a line stays."""

    def made(self, room: int) -> dict[int, int]:
        return self._saved


def _elide(machine: Machine) -> None:
    _set(machine.scribe, "choose", _Everything)


def _mend(machine: Machine) -> None:
    _set(machine.node.graph, "lose", lambda key, place: False)


def _anew(machine: Machine) -> None:
    _set(machine.node._rescue, "tick", lambda is_linked, now: None)


def _rescue(machine: Machine) -> None:
    _set(machine.node._rescue, "_record_again", lambda *args: None)


def _quorum(machine: Machine) -> None:
    _each_contest(machine, lambda contest: _set(contest.ballots, "quorum", 1))


def _locks(machine: Machine) -> None:
    _each_contest(machine, lambda contest: _set(contest, "unlocks", lambda *args: True))


def _each_contest(machine: Machine, change: Callable[[Any], None]) -> None:
    """Of each set that is open, or will be."""
    sets = machine.node.voting.agreement.sets
    open_ = sets.open

    def begin(*args: Any) -> Any:
        begun = open_(*args)
        if begun is not None:
            change(begun.contest)
        return begun

    _set(sets, "open", begin)
    for held in sets:
        change(held.contest)


def _once(machine: Machine) -> None:
    """Whoever has prevoted or precommitted a value says nil in the same phase, too."""
    agreement = machine.node.voting.agreement
    due = agreement.due
    cast: list[Any] = []

    def twice(*args: Any) -> Any:
        again = [vote._replace(value=None) for vote in cast if vote.value is not None]
        cast[:] = [] if again else due(*args)
        return again or list(cast)

    _set(agreement, "due", twice)


def _votes(machine: Machine) -> None:
    """After a start nothing is known of what the log says that we voted."""
    agreement = machine.node.voting.agreement
    agreement.naming.head = None
    for opened in agreement.sets:
        lines = opened.contest.past._lines
        for line in [line for line in lines if line[0] == machine.index]:
            del lines[line]


def _note(machine: Machine) -> None:
    """Nothing beside the key says that the log which is gone had votes in it."""
    machine.node.voting.note.recall(None)


def _witness(machine: Machine) -> None:
    """What others made is held, and never written."""
    _set(machine.node._mending, "keep", lambda candidate: None)


def _seal(machine: Machine) -> None:
    """All that is held counts as sealed, whoever else has it."""
    witnesses, graph = machine.node.voting.witnessing.witnesses, machine.node.graph

    def below(author: int, heads: object, epoch: int) -> dict[int, int]:
        return {branch.incarnation: branch.head_seq for branch in graph.branches(author)}

    _set(witnesses, "below", below)


def _final(machine: Machine) -> None:
    voting = machine.node.voting

    def say(final: Any) -> None:
        voting._desk.do(Decided(final.question, final.value, final.ballot))

    _set(voting, "_persist", say)


def _outlive(machine: Machine) -> None:
    _set(machine.node._trimmer, "snapshot", lambda: None)


def _imprint(machine: Machine) -> None:
    _set(machine.node.voting.agreement.imprints, "dump", lambda: None)


def _lease(machine: Machine) -> None:
    _set(machine.node.voting.agreement.leases, "opens_ms", lambda question, value: 0.0)


def _grounds(machine: Machine) -> None:
    _set(machine.node.voting.agreement.evictions, "_is_ours", lambda question, value: True)


def _cut(machine: Machine) -> None:
    _set(machine.node._admission, "_has_room", lambda cut, header: True)


def _handover(machine: Machine) -> None:
    _set(machine.node._exchange.handover, "heard", lambda frame, now: None)


def _set(thing: object, name: str, value: object) -> None:
    setattr(thing, name, value)


BREAKS = {
    "fsync": Break(
        "durable means synced", "crashes", ("lost-recorded", "honest-fork", "lost-final", "lost-witnessed"), _fsync
    ),
    "order": Break("durable first, then sent", "crashes", ("sent-early",), _order),
    "dedupe": Break("what is held costs a look-up", "network", ("verified-twice",), _dedupe),
    "parents": Break("a vertex waits for its parents", "network", ("causality",), _parents),
    "incarnation": Break("every unclean start has a new incarnation", "disks", ("honest-fork",), _incarnation),
    "forks": Break("two vertices under one name are evidence", "forks", ("fork-unnamed", "unconverged"), _forks),
    "lives": Break("two lives in one incarnation are evidence", "lives", ("fork-unnamed", "unconverged"), _lives),
    "bounds": Break("the parking lot is bounded", "flood", ("bounds",), _bounds),
    "repair": Break("what is missing is asked for", "network", ("unconverged",), _repair),
    "chain": Break("a chain is held without holes", "calm", ("graphs-differ", "causality"), _frontier),
    "ack": Break("an acknowledgement follows the store's sync", "calm", ("lost-acknowledged",), _ack),
    "mend": Break("what the log has lost is fetched again", "rot", ("unconverged",), _mend),
    "anew": Break("our line goes on below a hole that nobody can fill", "rot", ("unconverged",), _anew),
    "rescue": Break("what hangs above a hole is recorded once more", "rot", ("lost-readable",), _rescue),
    "quorum": Break("q members decide", "crashes", ("disagreement", "certificate"), _quorum),
    "locks": Break("a lock binds until a quorum opens it", "liars", ("disagreement",), _locks, "turncoat", True),
    "once": Break("one vote in a phase of a ballot", "crashes", ("voted-twice",), _once),
    "votes": Break("votes of before a crash bind", "crashes", ("voted-twice", "unconverged"), _votes),
    "note": Break("who lost its log abstains where it voted", "logs", ("voted-twice",), _note),
    "lease": Break(
        "a lease is another's once its time is over", "liars", ("lease-shared",), _lease, "mute", keys=("lease/door",)
    ),
    "final": Break("what is said to be final is in the log, synced", "crashes", ("lost-final",), _final),
    "witness": Break("what a member says that it holds is in its log", "crashes", ("lost-witnessed",), _witness),
    "seal": Break("what a quorum says that it holds is sealed", "crashes", ("sealed-false",), _seal),
    "cuts": Break("shared state is sealed up to one cut", "crashes", ("sealed-differs",), without_cut),
    "grounds": Break("nobody is evicted without grounds", "liars", ("honest-evicted",), _grounds, "slander", True),
    "cut": Break("nothing is taken above a cut", "evictions", ("evicted-taken",), _cut),
    "writer": Break("the last writer is found by the clock", "network", ("roots-differ",), by_arrival),
    "outlive": Break("shared state outlives what the log drops", "trim", ("roots-differ",), _outlive),
    "handover": Break("what was decided is handed over", "leaves", ("final-unknown",), _handover),
    "prune": Break(
        "what no gateway has is dropped once it is sealed",
        "pruning",
        ("dropped-early",),
        _prune,
        world={"leaf_log_bytes": 4 * SEGMENT_BYTES, "faults": {"members away": 6.0}}
        | {"minutes": 0.6, "rate_per_minute": 400.0},
    ),
    "elide": Break(
        "signatures go only where another one covers what lies below",
        "pruning",
        ("unprovable",),
        _elide,
        world={"leaf_log_bytes": 4 * SEGMENT_BYTES, "faults": {}, "minutes": 0.6, "rate_per_minute": 400.0},
    ),
    "imprint": Break("what let a committee in outlives what the log drops", "successions", ("unconverged",), _imprint),
    "trim": Break("only what a gateway has is dropped", "trim", ("dropped-early",), _trim),
}
"""By the name that `--break` takes."""
