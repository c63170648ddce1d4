"""After a start the store gets what it lacks, once, with its signature, and nothing else."""

from collections.abc import Iterable

import pytest

from edge.dag.records import BOOT, SIGNATURE, VERTEX, Record
from edge.errors import StorageError
from edge.gateway.refill import BATCH_VERTICES, Refill
from edge.gateway.store import Stored, Vertex
from edge.wire.frame import encode_vertex
from edge.wire.vertex import Header, decode_header
from tests.unit.gateway.memory import MemoryStore
from tests.unit.gateway.vertices import chain


class Counting(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.given: list[int] = []

    def put_many(self, vertices: Iterable[Vertex]) -> Stored:
        listed = list(vertices)
        self.given.append(len(listed))
        return super().put_many(listed)


def header_of(vertex: Vertex) -> Header:
    header = decode_header(vertex[0])
    assert isinstance(header, Header)
    return header


def refill(store: MemoryStore, records: Iterable[tuple[Record, Header | None]]) -> Refill:
    made = Refill(store)
    for record, header in records:
        made.take(record, header)
    made.finish()
    return made


def as_held(vertices: Iterable[Vertex]) -> list[tuple[Record, Header | None]]:
    """As a log has what peers sent: the signature beside the header."""
    return [(Record(VERTEX, encode_vertex(*vertex)), header_of(vertex)) for vertex in vertices]


def as_own(vertices: Iterable[Vertex], behind: int) -> list[tuple[Record, Header | None]]:
    """As a log has its own: the signature is a record of its own, `behind` vertices later."""
    log: list[tuple[Record, Header | None]] = []
    late: list[Record] = []
    for raw, signature, body in vertices:
        header = header_of((raw, signature, body))
        log.append((Record(VERTEX, encode_vertex(raw, None, body)), header))
        assert signature is not None
        late.append(Record(SIGNATURE, header.id + signature))
        if len(late) > behind:
            log.append((late.pop(0), None))
    return log + [(record, None) for record in late]


def real(vertices: list[Vertex]) -> list[Vertex]:
    """Signatures of a length that a frame takes."""
    return [(raw, bytes([number % 256]) * 2420, body) for number, (raw, _, body) in enumerate(vertices)]


def test_a_store_that_lacks_nothing_is_given_nothing():
    vertices = real(chain(1, 600))
    store = Counting()
    store.put_many(vertices)
    store.given.clear()
    assert refill(store, as_held(vertices)).vertices == 0
    assert store.given == []


def test_only_what_is_lacking_in_batches():
    vertices = real(chain(1, 1000))
    store = Counting()
    store.put_many(vertices[:700])
    store.given.clear()
    assert refill(store, as_held(vertices)).vertices == 300
    assert sum(store.given) == 300 and max(store.given) <= BATCH_VERTICES
    assert store.count().vertices == 1000
    for raw, signature, body in vertices:
        assert store.vertex(header_of((raw, signature, body)).id) == (raw, signature, body)


@pytest.mark.parametrize("behind", [0, 3, BATCH_VERTICES + 40])
def test_the_signature_of_an_own_vertex_follows(behind):
    vertices = real(chain(1, 2 * BATCH_VERTICES + 100))
    store = Counting()
    boot: list[tuple[Record, Header | None]] = [(Record(BOOT, b"\x82\x01\x00"), None)]
    assert refill(store, boot + as_own(vertices, behind)).vertices == len(vertices)
    assert [store.vertex(header_of(vertex).id) for vertex in vertices] == vertices


def test_a_vertex_that_was_never_signed_counts_all_the_same():
    (vertex,) = real(chain(1, 1))
    store = Counting()
    refill(store, as_own([vertex], 9)[:1])
    held = store.vertex(header_of(vertex).id)
    assert held is not None and held[1] is None


def test_a_store_that_fails_says_so():
    class Broken(MemoryStore):
        def put_many(self, vertices: Iterable[Vertex]) -> Stored:
            raise StorageError("the card is gone")

    with pytest.raises(StorageError, match="the card is gone"):
        refill(Broken(), as_held(real(chain(1, 3))))
