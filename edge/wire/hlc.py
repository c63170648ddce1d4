"""The hybrid logical clock: 48 bits of Unix ms above a 16-bit counter. It orders; it never decides validity."""

from collections.abc import Iterable

from edge.limits import HLC_AHEAD_MS_MAX

MS_MAX = (1 << 48) - 1
COUNTER_MAX = (1 << 16) - 1
HLC_MAX = (1 << 64) - 1


def pack(ms: int, counter: int) -> int:
    assert 0 <= ms <= MS_MAX and 0 <= counter <= COUNTER_MAX
    return ms << 16 | counter


def unpack(hlc: int) -> tuple[int, int]:
    """(ms, counter)"""
    return hlc >> 16, hlc & COUNTER_MAX


def tick(previous: int, now_wall_ms: int, parents_hlc: Iterable[int], sure: bool) -> int:
    """The clock of the next own vertex: not below the wall, above `previous` and above every parent that is followed.

    A sure clock does not follow a parent more than HLC_AHEAD_MS_MAX ahead of it, or one member could drag the site into
    the future; an unsure one follows all. A full counter runs over into the milliseconds; at the end of the 64 bits the
    clock stands still.
    """
    wall = min(max(now_wall_ms, 0), MS_MAX)
    horizon = min(wall + HLC_AHEAD_MS_MAX, MS_MAX) if sure else MS_MAX
    latest = previous
    for parent in parents_hlc:
        if parent >> 16 <= horizon and parent > latest:
            latest = parent
    return max(wall << 16, min(latest + 1, HLC_MAX))
