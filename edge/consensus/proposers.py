"""Who may propose what, and from when on a member may vote for it."""

from __future__ import annotations

from edge.consensus.arrivals import Heard
from edge.consensus.checkpoint import Checkpoints, is_checkpoint
from edge.consensus.epochs import Epochs, Sees, is_change
from edge.consensus.eviction import Evictions
from edge.consensus.eviction import fault as eviction_fault
from edge.consensus.lease import Leases, is_lease
from edge.consensus.lease import fault as lease_fault
from edge.consensus.question import is_eviction
from edge.wire.items import Proposal, Question


class Proposers:
    """`gateways` may propose for every key that anybody may."""

    def __init__(self, epochs: Epochs, leases: Leases, checkpoints: Checkpoints, evictions: Evictions) -> None:
        self._epochs = epochs
        self._leases = leases
        self._checkpoints = checkpoints
        self._evictions = evictions
        self.gateways: frozenset[int] = frozenset()

    def heard(self, proposal: Proposal, heard: Heard, sees: Sees) -> str:
        """Why a proposal that stands in a vertex counts for nothing; empty if it may be decided."""
        header = heard.header
        if is_change(proposal.question):
            return self._epochs.fault(proposal, header, sees)
        fault = self.fault(proposal, header.author, header.epoch, self._epochs.is_handed(proposal, sees))
        if fault == "proposal-checkpoint":
            seats = self._epochs.find(proposal.question.scope, proposal.question.epoch)
            assert seats is not None
            return self._checkpoints.fault(proposal.value, header, heard.prev, seats)
        return fault

    def fault(self, proposal: Proposal, author: int, epoch: int, is_handed: bool = False) -> str:
        """The same of a proposal by this member, under the roster of this version, whatever vertex it is to stand in.
        For what an earlier epoch has handed over, its quorum stands."""
        question = proposal.question
        seats = self._epochs.find(question.scope, question.epoch)
        if seats is None or seats.epoch > epoch or self._epochs.is_over(seats):
            return "proposal-epoch"
        if is_change(question):
            return "proposal-committee"
        if is_handed and author in seats.members:
            return ""
        if is_checkpoint(question):
            return "proposal-checkpoint"
        if is_lease(question.key):
            return lease_fault(proposal.value, author)
        if is_eviction(question.key):
            fault = eviction_fault(question, proposal.value)
            return fault or ("" if author in seats.members else "proposal-unauthorised")
        # Keys of leases are for any member of the site; the others are the committee's and the gateways'.
        is_trusted = author in self.gateways or self._epochs.may_propose(question, author, epoch)
        return "" if is_trusted else "proposal-unauthorised"

    def opens_ms(self, question: Question, value: bytes) -> float:
        """From when on a member may be the one who votes for a value, monotonic ms."""
        if is_eviction(question.key):
            return self._evictions.opens_ms(question, value)
        machine = self._checkpoints if is_checkpoint(question) else self._leases
        return machine.opens_ms(question, value)
