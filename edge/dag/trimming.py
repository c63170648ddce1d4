"""Dropping the oldest part of a log, in the one order that a power cut may interrupt anywhere."""

from collections.abc import Callable

from edge.dag.journal import Journal
from edge.dag.records import Place, Record
from edge.errors import DiskFullError


def trim(
    journal: Journal, write_floor: Callable[[bytes], None], floor: bytes, records: tuple[Record, ...], before: int
) -> tuple[Place, ...] | None:
    """What is there, floor, then once more what must outlive the old segments, then these, oldest first.

    The new places of `records`; None when there was no room, and nothing was dropped that is not below the floor.
    `write_floor` returns when the floor is durable. Old segments below a floor are duplicates to the next start, and a
    floor above which nothing is missing is only a name.
    """
    try:
        journal.commit()  # the floor has shared state, which must not be of more than the log has
        write_floor(floor)
        places = tuple(journal.append(record.type, record.payload, beyond=True) for record in records)
        journal.commit()
        journal.drop_before(before)
    except DiskFullError:
        return None
    return places
