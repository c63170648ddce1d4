"""The thread that owns the store: tickets that queue up share one transaction and are done once it is on the disk."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from edge import limits
from edge.effects import Ticket
from edge.errors import DiskFullError, StorageError, TryLaterError
from edge.gateway.store import Store, Vertex

GROUP_WINDOW_S = 0.02
"""How long the first ticket of a group waits for company: at most 50 syncs a second, however events trickle in."""
RETRY_FIRST_S = 1.0
RETRY_MAX_S = 30.0

Failure = StorageError | TryLaterError


class Archiver:
    """Takes tickets from the loop and hands each back through `done`, in order, when its vertices are durable.

    A full or busy store is tried again until there is room: its tickets wait, `failed` is told once for each change of
    state. Any other error is final: `failed` gets it, nothing more is taken or done. Both callbacks run on the archive
    thread and must not block.
    """

    def __init__(
        self,
        store: Store,
        done: Callable[[Ticket], None],
        failed: Callable[[Failure], None],
        *,
        group_window_s: float = GROUP_WINDOW_S,
        retry_s: float = RETRY_FIRST_S,
    ) -> None:
        self._store = store
        self._done = done
        self._failed = failed
        self._group_window_s = group_window_s
        self._retry_s = retry_s
        self._queue: deque[tuple[Ticket, Sequence[Vertex], int]] = deque()
        self._queued_bytes = 0
        self._change = threading.Condition()
        self._is_stopping = False
        self._is_dead = False
        self._counts = {"archived_vertices": 0, "archived_events": 0, "archive_commits": 0, "archive_refused": 0}
        self._counts["archive_retries"] = 0
        self._thread = threading.Thread(target=self._run, name="archive", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, ticket: Ticket, vertices: Sequence[Vertex]) -> bool:
        """Queue a ticket; false, and counted, when the queue is at its limit or the store is lost."""
        size = sum(len(part) for vertex in vertices for part in vertex if part is not None)
        with self._change:
            is_full = len(self._queue) >= limits.TICKETS_MAX or self._queued_bytes + size > limits.ARCHIVE_QUEUE_BYTES
            if self._is_dead or self._is_stopping or (is_full and self._queue):
                self._counts["archive_refused"] += 1
                return False
            self._queue.append((ticket, vertices, size))
            self._queued_bytes += size
            self._change.notify()
        return True

    def stop(self, timeout_s: float) -> bool:
        """Store what is queued and end; false when that was not possible in time. The store stays open."""
        with self._change:
            self._is_stopping = True
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        with self._change:
            return not self._queue and not self._thread.is_alive()

    def counts(self) -> dict[str, int]:
        with self._change:
            return {**self._counts, "archive_queue": len(self._queue), "archive_queue_bytes": self._queued_bytes}

    def _run(self) -> None:
        try:
            while group := self._next_group():
                self._store_group(group)
        except (StorageError, TryLaterError) as error:
            self._die(error)
        except Exception as error:  # a bug here must not look like a store that is merely slow
            self._die(StorageError(f"archive: {error!r}"))

    def _die(self, error: Failure) -> None:
        with self._change:
            self._is_dead = True
        self._failed(error)

    def _next_group(self) -> list[tuple[Ticket, Sequence[Vertex]]]:
        """Everything queued, once the window of the first has passed; empty to end. It stays queued until done."""
        with self._change:
            self._change.wait_for(lambda: self._queue or self._is_stopping)
            if self._queue and not self._is_stopping:
                self._change.wait_for(lambda: self._is_stopping or self._is_half_full(), self._group_window_s)
            return [(ticket, vertices) for ticket, vertices, _ in self._queue]

    def _is_half_full(self) -> bool:
        return 2 * len(self._queue) >= limits.TICKETS_MAX or 2 * self._queued_bytes >= limits.ARCHIVE_QUEUE_BYTES

    def _store_group(self, group: list[tuple[Ticket, Sequence[Vertex]]]) -> None:
        delay_s = self._retry_s
        while True:
            try:
                stored = self._store.put_many(vertex for _, vertices in group for vertex in vertices)
                break
            except (DiskFullError, TryLaterError) as error:
                if delay_s == self._retry_s:
                    self._failed(error)
                if not self._wait_to_retry(delay_s):
                    raise
                delay_s = min(2 * delay_s, RETRY_MAX_S)
        with self._change:
            for _ in group:
                self._queued_bytes -= self._queue.popleft()[2]
            self._counts["archived_vertices"] += stored.vertices
            self._counts["archived_events"] += stored.events
            self._counts["archive_commits"] += 1
        for ticket, _ in group:
            self._done(ticket)

    def _wait_to_retry(self, delay_s: float) -> bool:
        """False when we are asked to stop instead."""
        until = time.monotonic() + delay_s
        with self._change:
            self._counts["archive_retries"] += 1
            self._change.wait_for(lambda: self._is_stopping, until - time.monotonic())
            return not self._is_stopping
