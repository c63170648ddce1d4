"""The thread that reads the store for the mesh: what this gateway's log has dropped and somebody asks for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from edge import limits
from edge.dag.records import VERTEX, Record
from edge.effects import Fetch, Ticket
from edge.errors import SynedgeError
from edge.gateway.store import Store
from edge.wire.frame import encode_vertex


class Librarian:
    """Carries out `Fetch` with a store of its own to read from; opened on the thread, at the first one.

    An error of the store answers with nothing, and the store is opened again for the next: whoever asked asks again.
    """

    def __init__(
        self, open_store: Callable[[], Store], loaded: Callable[[Ticket, tuple[Record | None, ...]], None]
    ) -> None:
        self._open_store = open_store
        self._loaded = loaded
        self._store: Store | None = None
        self._queue: deque[Fetch] = deque()
        self._change = threading.Condition()
        self._is_stopping = False
        self._counts = {"fetched_vertices": 0, "fetch_refused": 0, "fetch_failed": 0}
        self._thread = threading.Thread(target=self._run, name="librarian", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, effect: Fetch) -> None:
        """Queue a request; when there are too many, answer it with nothing, and count that."""
        with self._change:
            if len(self._queue) < limits.REPAIR_SERVE_MAX:
                self._queue.append(effect)
                self._change.notify()
                return
            self._counts["fetch_refused"] += 1
        self._loaded(effect.ticket, (None,) * len(effect.keys))

    def stop(self, timeout_s: float) -> bool:
        """End without answering what is queued; false when that took too long."""
        with self._change:
            self._is_stopping = True
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def counts(self) -> dict[str, int]:
        with self._change:
            return dict(self._counts)

    def _run(self) -> None:
        while (effect := self._next()) is not None:
            self._loaded(effect.ticket, self._read(effect))
        if self._store is not None:
            self._store.close()

    def _next(self) -> Fetch | None:
        with self._change:
            self._change.wait_for(lambda: self._queue or self._is_stopping)
            return None if self._is_stopping else self._queue.popleft()

    def _read(self, effect: Fetch) -> tuple[Record | None, ...]:
        found: list[Record | None] = []
        try:
            if self._store is None:
                self._store = self._open_store()
            for key in effect.keys:
                vertex = self._store.named(*key)
                found.append(Record(VERTEX, encode_vertex(*vertex)) if vertex is not None else None)
        except SynedgeError:
            self._counts["fetch_failed"] += 1
            if self._store is not None:
                self._store.close()
                self._store = None
        self._counts["fetched_vertices"] += len(found)
        return (*found, *(None,) * (len(effect.keys) - len(found)))
