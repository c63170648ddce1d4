"""Looks through the vertices of a log for members who broke their word: who voted twice, or above their own stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edge.consensus.doubles import DoubleVote, make_double
from edge.consensus.epochs import is_change
from edge.consensus.question import conflict_of
from edge.consensus.stops import StoppedVote, make_stopped
from edge.dag.evidence import Side
from edge.ids import VertexKey
from edge.wire.items import PRECOMMIT, Proposal, Question, Vote
from edge.wire.refusal import Refusal
from edge.wire.vertex import Header

Place = tuple[int, bytes, int, int]
"""Author, conflict set, ballot and phase: where a member has one vote."""
Line = tuple[int, bytes, int]
"""Author, conflict set and incarnation."""
Signed = tuple[Header, bytes | None]


class Audit:
    """Take vertices in any order, then ask for proofs from the same vertices and their signatures.

    Of a vote it remembers a digest and a name; headers and signatures only of those that a proof may need.
    """

    def __init__(self) -> None:
        self._values: dict[Place, tuple[bytes | None, VertexKey]] = {}
        self._questions: dict[bytes, Question] = {}
        self._precommits: dict[Line, VertexKey] = {}
        """The first for a value."""
        self._last: dict[Line, VertexKey] = {}
        """The last vote of any kind."""
        self.votes = 0
        self.found: dict[int, tuple[VertexKey, VertexKey]] = {}
        """By author, the first two vertices with votes that contradict one another."""

    def look(self, header: Header) -> None:
        for item in header.items:
            if isinstance(item, Proposal):
                self._questions[conflict_of(header.site, item.question)] = item.question
            elif isinstance(item, Vote):
                self._look(header, item)

    def _look(self, header: Header, vote: Vote) -> None:
        self.votes += 1
        place, line = (header.author, *vote[:3]), (header.author, vote.conflict, header.incarnation)
        value, name = self._values.setdefault(place, (vote.value, header.key))
        if value != vote.value:
            self.found.setdefault(header.author, (name, header.key))
        if vote.phase == PRECOMMIT and vote.value is not None:
            self._precommits[line] = min(header.key, self._precommits.get(line, header.key))
        self._last[line] = max(header.key, self._last.get(line, header.key))

    def suspects(self) -> Iterator[tuple[Question, Question, VertexKey, VertexKey]]:
        """A change, another question of its epoch, and where one member precommitted the one and voted last on the
        other, higher up; on one chain or not."""
        changes = {at: question for at, question in self._questions.items() if is_change(question)}
        for (author, conflict, _), low in self._precommits.items():
            change = changes.get(conflict)
            if change is None:
                continue
            for (other_author, other, _), high in self._last.items():
                asked = self._questions.get(other)
                is_other = other_author == author and asked is not None and not is_change(asked)
                if is_other and asked is not None and asked[:2] == change[:2] and high.seq >= low.seq:
                    yield change, asked, low, high

    def proofs(
        self, signed: Iterable[Signed]
    ) -> tuple[dict[int, DoubleVote | Refusal], dict[int, StoppedVote | Refusal]]:
        """Who voted twice, and who above its stop, by author, with the proof or why there is none. What nobody has
        signed was never sent and accuses nobody: a power cut leaves such a vertex in its author's own log
        (docs/decisions/0021)."""
        suspects = list(self.suspects())
        authors = {low.author for _, _, low, _ in suspects} | self.found.keys()
        chains = _Chains((header, signature) for header, signature in signed if header.author in authors)
        doubles: dict[int, DoubleVote | Refusal] = {}
        for author, names in self.found.items():
            one, other = (chains.up_to_signature(chains.named[name]) for name in names)
            if one and other:
                doubles[author] = make_double(one, other)
        stopped: dict[int, StoppedVote | Refusal] = {}
        for change, asked, low, high in suspects:
            if not isinstance(stopped.get(low.author), StoppedVote):
                for proof in chains.stopped(change, asked, low, high):
                    stopped[low.author] = proof
        return doubles, stopped


class _Chains:
    """Vertices of some authors, by id."""

    def __init__(self, signed: Iterable[Signed]) -> None:
        self.named: dict[VertexKey, bytes] = {}
        self._known: dict[bytes, Signed] = {}
        self._above: dict[bytes, bytes] = {}
        for header, signature in signed:
            self._known[header.id] = (header, signature)
            self.named.setdefault(header.key, header.id)
            if header.prev is not None:
                self._above.setdefault(header.prev, header.id)

    def up_to_signature(self, id: bytes | None) -> Side | None:
        """The vertex with those above it up to the first signed one; None if the log has no such."""
        headers: list[bytes] = []
        while id is not None:
            header, signature = self._known[id]
            headers.append(header.raw)
            if signature is not None:
                return Side(tuple(headers), signature)
            id = self._above.get(id)
        return None

    def stopped(
        self, change: Question, other: Question, low: VertexKey, high: VertexKey
    ) -> Iterator[StoppedVote | Refusal]:
        """The proof that on the chain from one vertex up to another there is a vote above the stop in the first, or
        why it is none; nothing if there is no such vote that is signed."""
        chain = self._between(self.named[low], self.named[high])
        for at, id in enumerate(chain):
            header = self._known[id][0]
            conflict = conflict_of(header.site, other)
            if not any(isinstance(item, Vote) and item.conflict == conflict for item in header.items):
                continue
            top = self.up_to_signature(id)
            if top is None:
                return
            below = (self._known[one][0].raw for one in chain[:at])
            proof = make_stopped(change, other, Side((*below, *top.headers), top.signature))
            if isinstance(proof, StoppedVote) or proof.reason != "evidence-shape":  # below the stop, in one vertex
                yield proof
                return

    def _between(self, low: bytes, high: bytes) -> list[bytes]:
        """The chain from one vertex up to another, oldest first; empty if it is not one."""
        chain = [high]
        while chain[-1] != low:
            header = self._known[chain[-1]][0]
            if header.prev not in self._known:
                return []
            chain.append(header.prev)
        return chain[::-1]
