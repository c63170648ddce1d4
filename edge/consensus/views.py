"""Which checkpoint each author's newest vertex names, and whether it is ours (docs/decisions/0045).

A vertex names the newest certified checkpoint of the site that its author knows, by version and the beginning of its
id. Of one version there is one: who names another was shown another history, or lies.
"""

from __future__ import annotations

from typing import NamedTuple

from edge.consensus.checkpoint import is_checkpoint
from edge.consensus.question import final_id, value_digest
from edge.consensus.registers import Final
from edge.limits import CHECKPOINTS_NAMED_MAX
from edge.wire.vertex import Header, Known
from edge.wire.voters import SITE_SCOPE

PREFIX_BYTES = 16
PATIENCE_MS = 2_000.0
"""Others count votes a moment before us: whoever is ahead for longer knows what we do not."""
AGAIN_MS = 60_000.0
"""Between two times that the same author is a reason to ask."""


class Differing(NamedTuple):
    """An author who names another checkpoint than the one that is final here."""

    author: int
    known: Known


class Views:
    """`known` is ours. Told of each final value, and of each vertex in the order of its line."""

    def __init__(self, site: bytes) -> None:
        self._site = site
        self.known: Known | None = None
        self._ids: dict[int, tuple[bytes, ...]] = {}
        """By version, as they were learned: two only of what a committee decided again in the place of a lost one."""
        self.named: dict[int, Known] = {}
        """By author, by its vertices: the newest."""
        self.differing: dict[int, Known] = {}
        self._untold: list[Differing] = []
        self._ahead: dict[int, float] = {}
        """Authors who name a newer one than we know, and from when on that is worth a question, monotonic ms."""
        self.differed = 0

    def learned(self, final: Final) -> None:
        """A value is final here."""
        question = final.question
        if not is_checkpoint(question) or question.scope != SITE_SCOPE:
            return
        id = final_id(self._site, question, value_digest(final.value))
        self._note(question.version, id)
        if question.predecessor is not None:  # a quorum vouches for that as well
            self._note(question.version - 1, question.predecessor)
        if self.known is None or question.version >= self.known.version:
            self.known = Known(question.version, id[:PREFIX_BYTES])
        self._ahead = {author: ms for author, ms in self._ahead.items() if self._is_ahead(self.named[author])}
        for author in list(self.named):
            self._compare(author)

    def _note(self, version: int, id: bytes) -> None:
        prefix, known = id[:PREFIX_BYTES], self._ids.get(version, ())
        if prefix not in known:
            self._ids[version] = (*known, prefix)
        while len(self._ids) > CHECKPOINTS_NAMED_MAX:
            del self._ids[min(self._ids)]

    def heard(self, header: Header, now_ms: float) -> None:
        """A vertex by whoever."""
        named, author = header.checkpoint, header.author
        if named is None:
            return
        before = self.named.get(author)
        if before is not None and (before == named or before.version > named.version):
            return
        self.named[author] = named
        if self._is_ahead(named):
            self._ahead.setdefault(author, now_ms + PATIENCE_MS)
        self._compare(author)

    def _is_ahead(self, named: Known) -> bool:
        return self.known is None or named.version > self.known.version

    def _compare(self, author: int) -> None:
        """Whether it is ours; of what is older or newer than we know nothing can be said."""
        named = self.named[author]
        ids = self._ids.get(named.version)
        if ids is None:
            return
        if named.prefix in ids:
            self.differing.pop(author, None)
        elif self.differing.get(author) != named:
            self.differing[author] = named
            self.differed += 1
            self._untold.append(Differing(author, named))

    def take_differing(self) -> list[Differing]:
        """Since this was last asked."""
        untold, self._untold = self._untold, []
        return untold

    def deadline(self) -> float:
        """When `ahead` has somebody to name, monotonic ms."""
        return min(self._ahead.values(), default=float("inf"))

    def ahead(self, now_ms: float) -> list[int]:
        """Authors whom it is worth asking what they know; each again only after a while."""
        due = [author for author, due_ms in self._ahead.items() if due_ms <= now_ms]
        for author in due:
            self._ahead[author] = now_ms + AGAIN_MS
        return due
