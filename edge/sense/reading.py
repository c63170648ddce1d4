"""What a source delivers: one reading, all its fields at one moment."""

from typing import NamedTuple


class Reading(NamedTuple):
    """One reading; `values` are in the order of the source's fields.

    What went missing travels in band, so that nothing between a source and its agents has to be told twice.
    """

    source: str
    time_ms: int
    """When it was taken: Unix ms by the clock of whoever stamped it. It may jump, stand or run backwards."""
    values: tuple[float, ...]
    lost: int = 0
    """Readings of this source that were shed just before this one, because the node's queue was full."""
    gap: bool = False
    """Something unreadable (a bad line, a bad payload, a sensor error) came just before this one."""
