"""The newest roster we know: who may speak, taken only from the authority, and told to whoever has an older one."""

from __future__ import annotations

from collections.abc import Callable

from edge.dag.admission import Admission
from edge.dag.records import ROSTER, Record
from edge.effects import Announce
from edge.ids import Instant
from edge.node.desk import Desk
from edge.wire.frame import Channel
from edge.wire.recovery import unsaid_keys
from edge.wire.refusal import Refusal
from edge.wire.roster import Roster, open_roster
from edge.wire.voters import unsaid_change

REPEAT_MS = 5_000
SPREAD_MS = 10_000
"""Over which a site says its roster, of 2 MB perhaps, if all find at once that somebody needs it: one is enough."""
WAIT_MS = 2_000
"""A broker that has a retained roster sends it at once; only if none comes do we leave ours there."""


class Membership:
    """`persist(record)` puts a newer roster into the log."""

    def __init__(
        self,
        desk: Desk,
        authority: bytes,
        admission: Admission,
        data: bytes,
        persist: Callable[[Record], None],
        turn: float = 0.0,
    ) -> None:
        """`turn` in [0, 1) spreads what all would say at once; 0 speaks first."""
        self.roster = admission.roster
        self._desk = desk
        self._authority = authority
        self._admission = admission
        self.data = data
        """The roster as the authority signed it."""
        self.on_adopted: Callable[[Roster], None] = lambda roster: None
        """Told of each roster that we go by from now on."""
        self._persist = persist
        self._said_ms = float("-inf")
        self.deadline = float("inf")
        """When `tick` says the roster, monotonic ms."""
        self._turn_ms = turn * SPREAD_MS

    def adopt(self, roster: Roster, data: bytes) -> None:
        """Go by another roster, the newest of the log or of the mesh."""
        self.roster = self._admission.roster = roster
        self.data = data
        self.on_adopted(roster)

    def receive(self, data: bytes, now: Instant) -> Refusal | None:
        """A roster by whoever: None if it is ours, or now is; what is refused changes nothing."""
        if data == self.data:
            self.deadline, self._said_ms = float("inf"), now.mono_ms
            return None
        roster = open_roster(data, self._authority)
        if isinstance(roster, Refusal):
            return roster
        if roster.version <= self.roster.version:
            self.say(now)
            return Refusal("roster-stale", str(roster.version))
        # Vertices of a member stay in the history of others: without its key their chains could not be verified.
        for member in self.roster.members:
            kept = roster.member(member.index)
            if kept is None or (kept.suite, kept.public_key) != (member.suite, member.public_key):
                return Refusal("roster-shrinks", member.name)
        if scope := unsaid_change(self.roster.listed, roster.listed, self.roster.version):
            return Refusal("committee-unsaid", scope)
        if unsaid_keys(self.roster.recovery, roster.recovery, self.roster.version):
            return Refusal("recovery-unsaid")
        self.deadline, self._said_ms = float("inf"), now.mono_ms
        self.adopt(roster, data)
        self._persist(Record(ROSTER, data))
        self._desk.report("info", "roster", version=roster.version, members=len(roster.members))
        return None

    def linked(self, now: Instant) -> None:
        """A new broker may have none."""
        self.deadline = now.mono_ms + WAIT_MS + self._turn_ms

    def tick(self, now: Instant) -> None:
        if now.mono_ms < self.deadline:
            return
        self.deadline = float("inf")
        if now.mono_ms - self._said_ms >= REPEAT_MS:
            self._said_ms = now.mono_ms
            self._desk.do(Announce(Channel.ROSTER, self.data))

    def say(self, now: Instant) -> None:
        """Tell everyone in our turn, at most every REPEAT_MS, unless somebody does so before."""
        self.deadline = min(self.deadline, now.mono_ms + self._turn_ms)
        self.tick(now)
