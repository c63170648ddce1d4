"""Records into the journal, so that no vertex overtakes one that the disk had no room for."""

from edge.dag.journal import Journal
from edge.dag.records import VERTEX, Place, Record
from edge.errors import DiskFullError


class InOrder:
    """Appends for one journal. A vertex behind a refused one would leave its chain with a hole."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._refused: tuple[Record, ...] | None = None

    def append(self, records: tuple[Record, ...]) -> tuple[Place, ...] | None:
        """Their places; None for want of room, and for vertices until the very records that were refused are taken."""
        is_vertex = VERTEX in [record.type for record in records]
        if is_vertex and self._refused is not None and self._refused is not records:
            return None
        try:
            places = tuple([self._journal.append(record.type, record.payload) for record in records])
        except DiskFullError:
            if is_vertex:
                self._refused = records
            return None
        if is_vertex:
            self._refused = None
        return places
