"""What every engine behind a gateway must do. One contract test-suite holds for all: tests/unit/gateway/contract.py."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from edge.ids import VertexId
from edge.wire.event import Event

Vertex = tuple[bytes, bytes | None, bytes | None]
"""Header, signature (None: covered by one further up its chain), body (None: the header has none, or not held yet)."""

Order = Literal["arrival", "oldest", "newest"]
"""`arrival`: as they were stored, so that a follower misses nothing; the others by time of the event."""

ROWS_MAX = 10_000
"""Most events of one answer; go on with `after`."""


class Cursor(NamedTuple):
    """Where an event stands in every order; opaque to callers."""

    time_ms: int
    place: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event and the name by which anyone can ask for it again."""

    author: int
    incarnation: int
    seq: int
    index: int
    event: Event
    cursor: Cursor


class Stored(NamedTuple):
    """What a `put_many` added; zeros when everything was there already."""

    vertices: int
    events: int


class Count(NamedTuple):
    vertices: int
    events: int


class Store(Protocol):
    """Vertices by id and their events by name, agent and time. One thread at a time.

    Raises DiskFullError or TryLaterError when nothing was written and a later try may succeed; any other StorageError
    is final for this object. A vertex given to it has passed admission: bytes that no decoder takes are a ValueError.
    """

    def put_many(self, vertices: Iterable[Vertex]) -> Stored:
        """Add all or nothing; durable when it returns. A known id is skipped, or fills a missing signature or body."""

    def count(self) -> Count: ...

    def ids(self) -> Iterator[VertexId]:
        """Every id, ascending."""

    def vertices(self) -> Iterator[tuple[VertexId, Vertex]]:
        """Every vertex in order of arrival, as it lies there, with the id it is stored under; what comes meanwhile too.

        For audits: nothing is decoded or checked.
        """

    def has(self, ids: Sequence[VertexId]) -> list[bool]:
        """For each id whether its vertex is held, with its body if its header has one."""

    def vertex(self, id_: VertexId) -> Vertex | None: ...

    def named(self, author: int, incarnation: int, seq: int) -> Vertex | None:
        """The vertex of this key. Of two (a fork) the one that was stored first."""

    def event(self, author: int, incarnation: int, seq: int, index: int) -> Event | None:
        """One event by name. Of two vertices under one name (a fork) the one that was stored first."""

    def events(
        self,
        *,
        node: int | None = None,
        agent: str | None = None,
        kind: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = 1000,
        after: Cursor | None = None,
        order: Order = "arrival",
    ) -> list[StoredEvent]:
        """Events that meet every condition given: of author `node`, from `since_ms` up to before `until_ms`.

        `after` is the cursor of the last event of the answer before, in the same order.
        """

    def frontier(self) -> dict[tuple[int, int], int]:
        """Per (author, incarnation) the seq up to which its branch is held without a gap, bodies too.

        A branch starts at a vertex without `prev`, or with a `prev` that is held; while that is missing, 0.
        """

    def stats(self) -> dict[str, int]:
        """For telemetry: vertices, events, bytes; oldest_ms and newest_ms when there are events."""

    def close(self) -> None: ...
