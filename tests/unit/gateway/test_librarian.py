"""What a gateway's log has dropped is read from its store, on a thread of its own."""

import queue

from edge.dag.records import VERTEX
from edge.effects import Fetch
from edge.errors import StorageError
from edge.gateway.librarian import Librarian
from edge.ids import VertexKey
from edge.wire.frame import decode_vertex
from tests.unit.gateway.memory import MemoryStore
from tests.unit.gateway.vertices import chain

DEADLINE_S = 10.0


def test_vertices_by_name_with_what_is_lacking_left_out() -> None:
    store = MemoryStore()
    vertices = chain(3, 4)
    store.put_many(vertices)
    answers: queue.Queue = queue.Queue()
    librarian = Librarian(lambda: store, lambda ticket, records: answers.put((ticket, records)))
    librarian.start()
    librarian.put(Fetch(9, (VertexKey(3, 1, 2), VertexKey(3, 1, 5), VertexKey(3, 1, 4))))
    ticket, (second, none, fourth) = answers.get(timeout=DEADLINE_S)
    assert ticket == 9
    assert none is None
    assert second.type == VERTEX
    assert tuple(decode_vertex(second.payload)) == vertices[1]
    assert tuple(decode_vertex(fourth.payload)) == vertices[3]
    assert librarian.stop(DEADLINE_S)


def test_a_store_that_fails_answers_with_nothing_and_is_opened_again() -> None:
    class Failing(MemoryStore):
        def named(self, author: int, incarnation: int, seq: int) -> None:
            raise StorageError("gone")

        def close(self) -> None:
            pass

    good = MemoryStore()
    good.put_many(chain(3, 1))
    stores = [good, Failing()]
    answers: queue.Queue = queue.Queue()
    librarian = Librarian(stores.pop, lambda ticket, records: answers.put(records))
    librarian.put(Fetch(1, (VertexKey(3, 1, 1),)))
    librarian.put(Fetch(2, (VertexKey(3, 1, 1),)))
    librarian.start()
    assert answers.get(timeout=DEADLINE_S) == (None,)
    assert answers.get(timeout=DEADLINE_S) != (None,)
    assert librarian.counts()["fetch_failed"] == 1
    assert librarian.stop(DEADLINE_S)


def test_too_many_at_once_are_answered_with_nothing_and_counted() -> None:
    answers: list = []
    librarian = Librarian(MemoryStore, lambda ticket, records: answers.append((ticket, records)))
    for ticket in range(20):
        librarian.put(Fetch(ticket, (VertexKey(1, 1, 1),)))
    assert answers == [(ticket, (None,)) for ticket in range(16, 20)]
    assert librarian.counts()["fetch_refused"] == 4
