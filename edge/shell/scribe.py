"""The one thread that owns the journal. Everything waiting when it wakes shares one fdatasync: the group commit."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator

from edge.dag.eliding import Choice, Elided, abandon, elide
from edge.dag.inorder import InOrder
from edge.dag.journal import Journal
from edge.dag.records import Record
from edge.dag.trimming import trim
from edge.effects import Elide, Load, NoteVotes, Persist, Ticket, Trim
from edge.errors import DiskFullError, StorageError

Asked = Persist | Load | Trim | Elide | NoteVotes
Stored = Callable[[Ticket, tuple[int, ...] | None, int], None]
"""(ticket, places or None for a full disk, monotonic ns at which they were durable)."""
Loaded = Callable[[Ticket, tuple[Record | None, ...]], None]
Trimmed = Callable[[Ticket, tuple[int, ...] | None], None]
Shortened = Callable[[Ticket, Elided | None], None]
Noted = Callable[[Ticket, bool], None]
Failed = Callable[[StorageError], None]


class Scribe:
    """Carries out its effects in order. A dead disk is final: `failed` is called once, then no more.

    `write_floor` and `write_note` return when the floor, or the note, is durable.
    """

    def __init__(
        self,
        journal: Journal,
        stored: Stored,
        loaded: Loaded,
        failed: Failed,
        trimmed: Trimmed = lambda ticket, places: None,
        write_floor: Callable[[bytes], None] | None = None,
        noted: Noted = lambda ticket, is_durable: None,
        write_note: Callable[[bytes], None] | None = None,
        elided: Shortened = lambda ticket, elided: None,
    ) -> None:
        self._journal = journal
        self._in_order = InOrder(journal)
        self._stored = stored
        self._loaded = loaded
        self._failed = failed
        self._trimmed = trimmed
        self._write_floor = write_floor
        self._noted = noted
        self._write_note = write_note
        self._elided = elided
        self._elisions: deque[tuple[Elide, Generator[None, None, Elided | None]]] = deque()
        self._queue: deque[Asked] = deque()
        self._change = threading.Condition()
        self._is_stopping = False
        self._is_dead = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, effect: Asked) -> None:
        with self._change:
            self._queue.append(effect)
            self._change.notify()

    def stop(self, timeout_s: float) -> bool:
        """Write what is queued and end; False when that was not possible in time."""
        with self._change:
            self._is_stopping = True
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive() and not self._is_dead

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                self._write(batch)
                self._go_on()
            except StorageError as error:
                return self._die(error)
            except Exception as error:  # a bug here must not look like a disk that is merely slow
                return self._die(StorageError(f"journal: {error!r}"))
        for effect, _ in self._elisions:
            abandon(self._journal, effect.segment)
        return None

    def _die(self, error: StorageError) -> None:
        self._is_dead = True
        self._failed(error)

    def _next_batch(self) -> list[Asked] | None:
        """What waits, perhaps nothing while a segment is written anew; None once all is done that was asked for."""
        with self._change:
            self._change.wait_for(lambda: self._queue or self._is_stopping or self._elisions)
            if self._is_stopping and not self._queue:
                return None
            batch = list(self._queue)
            self._queue.clear()
        return batch

    def _write(self, batch: list[Asked]) -> None:
        answers: list[tuple[Ticket, tuple[int, ...] | None]] = []
        must_sync = False
        for effect in batch:
            if isinstance(effect, Trim):
                self._trim(effect)
            elif isinstance(effect, Elide):
                self._elisions.append((effect, elide(self._journal, effect.segment, Choice(effect.spans))))
            elif isinstance(effect, NoteVotes):
                self._note(effect)
            elif isinstance(effect, Persist):
                places = self._in_order.append(effect.records)
                must_sync |= effect.sync and places is not None
                answers.append((effect.ticket, places))
        if must_sync:
            self._journal.commit()
        durable_ns = time.monotonic_ns()
        for ticket, places in answers:
            self._stored(ticket, places, durable_ns)
        for effect in batch:
            if isinstance(effect, Load):
                self._loaded(effect.ticket, tuple(self._journal.read(place) for place in effect.places))

    def _trim(self, effect: Trim) -> None:
        """In its turn: a mark of a clean stop that was asked for later must stay the last record."""
        assert self._write_floor is not None, "a floor is durable before anything is dropped"
        places = trim(self._journal, self._write_floor, effect.floor, effect.records, effect.before)
        self._trimmed(effect.ticket, places)

    def _go_on(self) -> None:
        """One step of what is written anew: whoever waits for the disk comes between two of them."""
        if not self._elisions:
            return
        effect, steps = self._elisions[0]
        try:
            next(steps)
        except StopIteration as end:
            self._elisions.popleft()
            self._elided(effect.ticket, end.value)

    def _note(self, effect: NoteVotes) -> None:
        """What it says of the log is durable there before."""
        assert self._write_note is not None, "who votes has a file for the note"
        self._journal.commit()
        try:
            self._write_note(effect.data)
        except DiskFullError:
            self._noted(effect.ticket, False)
        else:
            self._noted(effect.ticket, True)
