"""Logs with lines of vertices, to take signatures from. What stands for a signature proves nothing."""

from collections.abc import Generator, Sequence

from edge.dag.eliding import Choice, Elided, Span, elide
from edge.dag.journal import SIGNATURE, VERTEX, Journal, JournalOptions, Place, Record
from edge.dag.pending import Candidate
from edge.sim.disk import SimDisk
from edge.wire.frame import encode_vertex
from tests.unit.dag.chains import vertex
from tests.unit.dag.journals import opened

OPTIONS = JournalOptions(segment_bytes=96 * 1024, max_bytes=4 * 1024 * 1024)
SIGNED = bytes(range(256)) * 9 + bytes(116)  # 2,420 bytes
ALL = 1 << 40


def line_of(author: int, length: int, pads: Sequence[int] = (0,), first: int = 1) -> list[Candidate]:
    """Vertices of one line with bodies of these sizes in turn."""
    made: list[Candidate] = []
    after = None
    for number in range(length):
        made.append(vertex(author, first + number, after, pad=pads[number % len(pads)]))
        after = made[-1].header
    return made


def framed(candidate: Candidate, signature: bytes | None = SIGNED) -> Record:
    return Record(VERTEX, encode_vertex(candidate.header.raw, signature, candidate.body))


def apart(candidate: Candidate) -> Record:
    return Record(SIGNATURE, candidate.header.id + SIGNED)


def written(disk: SimDisk, records: Sequence[Record], options: JournalOptions = OPTIONS) -> tuple[Journal, list[Place]]:
    """In as many segments as it takes, and one more record, so that the newest holds none of these."""
    journal = opened(disk, options)
    places = [journal.append(*record) for record in records]
    while not journal.is_closed(places[-1] >> 32):
        journal.append(31, bytes(20_000))
    journal.commit()
    return journal, places


def span(author: int, first: int = 1, through: int = ALL) -> Span:
    return Span(author, 1, first, through)


def elided(journal: Journal, segment: int, *spans: Span) -> Elided | None:
    """All steps of it."""
    return finished(elide(journal, segment, Choice(spans)))


def finished(steps: Generator[None, None, Elided | None]) -> Elided | None:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def chosen(records: Sequence[Record], *spans: Span) -> list[int]:
    """The numbers of the records that lose a signature."""
    choice = Choice(spans)
    for number, record in enumerate(records):
        choice.take(number, record)
    return list(choice.made(1 << 20))
