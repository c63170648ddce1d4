"""What clients asked for, what nodes showed and what their logs keep; and whether a site that agrees can have done so.

A register is a chain of compare-and-swap: version v + 1 names the value of version v as its predecessor, so a proposal
either becomes final at exactly the version it asked for, or never. Times are of one monotonic clock, in ns. A node
answers from its own copy, which may be old: what it shows must have been asked for by then, and never goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from edge.consensus.checkpoint import CHECKPOINT_KEY

Outcome = Literal["final", "lost", "refused", "unknown"]
"""Ours is final; another is; the node took it not; nobody told in time, and it may be final yet."""


class Asked(NamedTuple):
    """A proposal as its client saw it."""

    client: str
    key: str
    value: str
    """No two proposals of a history have the same."""
    asked_ns: int
    ended_ns: int
    outcome: Outcome
    version: int | None
    """That the node asked for on its behalf; None if it gave no answer."""


class Shown(NamedTuple):
    """What a node answered for a key; version 0 and an empty value where it had none."""

    node: str
    key: str
    version: int
    value: str
    asked_ns: int
    ended_ns: int


class Kept(NamedTuple):
    """A certificate in a node's log."""

    node: str
    key: str
    version: int
    value: str
    predecessor: str | None
    names: str
    """What the next version has to name as its predecessor."""
    fault: str = ""
    """Why it is not true; empty if a quorum signed it."""


class Cast(NamedTuple):
    """A member's vote: `place` is the conflict set, ballot and phase, `value` empty for nil."""

    author: int
    place: tuple[str, int, int]
    value: str


class Held(NamedTuple):
    """A node answered that a lease is its own, for `left_ms` more."""

    node: str
    key: str
    token: int
    asked_ns: int
    ended_ns: int
    left_ms: float

    @property
    def until_ns(self) -> int:
        """It may act so long at least: what it answered was true when it was asked, or later."""
        return self.asked_ns + round(self.left_ms * 1e6)


@dataclass(slots=True)
class History:
    """Of one run. `kept` has each node's certificates in the order of its log."""

    asked: list[Asked] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    cast: list[Cast] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    ends: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)
    """By node, what it shows when everything has healed: version and value of each key."""


class Fault(NamedTuple):
    """Something that a site which agrees does not do."""

    kind: str
    key: str
    text: str


def faults(history: History) -> list[Fault]:
    """Everything that cannot be; empty for a history that one chain for each key explains."""
    return [fault for rule in RULES for fault in rule(history)]


def chains(history: History) -> dict[str, dict[int, str]]:
    """By key, the value of each version that anybody showed, kept or was told; the first that was seen."""
    found: dict[str, dict[int, str]] = {}
    for key, version, value, _ in _finals(history):
        found.setdefault(key, {}).setdefault(version, value)
    return found


def _finals(history: History) -> Iterator[tuple[str, int, str, str]]:
    """(key, version, value, who says so) of whatever was said to be final, by anybody and at any time."""
    for kept in history.kept:
        yield kept.key, kept.version, kept.value, f"the log of {kept.node}"
    for shown in history.shown:
        if shown.version:
            yield shown.key, shown.version, shown.value, shown.node
    for asked in history.asked:
        if asked.outcome == "final" and asked.version is not None:
            yield asked.key, asked.version, asked.value, asked.client
    for node, registers in history.ends.items():
        for key, (version, value) in registers.items():
            if version:
                yield key, version, value, f"{node} in the end"


# ---- rules


def _one_value(history: History) -> Iterator[Fault]:
    """A version of a key has one value: everywhere, at every time, before and after every restart."""
    first: dict[tuple[str, int], tuple[str, str]] = {}
    for key, version, value, who in _finals(history):
        known, by = first.setdefault((key, version), (value, who))
        if known != value:
            yield Fault("two-values", key, f"version {version}: {known} by {by}, {value} by {who}")


def _one_chain(history: History) -> Iterator[Fault]:
    """Each version names what was final before it, and none is missing."""
    names: dict[tuple[str, int], str] = {}
    for kept in history.kept:
        names.setdefault((kept.key, kept.version), kept.names)
    for kept in history.kept:
        before = names.get((kept.key, kept.version - 1))
        if kept.predecessor != before:
            text = f"version {kept.version} in the log of {kept.node} names {kept.predecessor}, not {before}"
            yield Fault("broken-chain", kept.key, text)
    for key, values in chains(history).items():
        missing = sorted(set(range(1, max(values) + 1)) - {version for one, version in names if one == key})
        if missing:
            yield Fault("uncertified", key, f"no log has a certificate of version {missing[0]}")


def _true_certificates(history: History) -> Iterator[Fault]:
    for kept in history.kept:
        if kept.fault:
            yield Fault("certificate", kept.key, f"version {kept.version} in the log of {kept.node}: {kept.fault}")


def _no_way_back(history: History) -> Iterator[Fault]:
    """A node that has shown a version shows none before it in an answer that was asked for later; nor does its log."""
    highest: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for shown in sorted(history.shown, key=lambda one: one.asked_ns):
        seen = highest.setdefault((shown.node, shown.key), [])
        above = next((version for version, by_ns in seen if version > shown.version and by_ns < shown.asked_ns), None)
        if above is not None:
            text = f"{shown.node} shows version {shown.version} after {above}"
            yield Fault("went-back", shown.key, text)
        seen.append((shown.version, shown.ended_ns))
    last: dict[tuple[str, str], int] = {}
    for kept in history.kept:
        register = (kept.node, kept.key)
        if kept.version < last.get(register, 0):
            text = f"version {kept.version} stands after {last[register]} in the log of {kept.node}"
            yield Fault("went-back", kept.key, text)
        last[register] = kept.version


def _compare_and_swap(history: History) -> Iterator[Fault]:
    """What is final was asked for, at just that version, once; and clients were told the truth."""
    chain = chains(history)
    by_value = {(asked.key, asked.value): asked for asked in history.asked}
    for key, values in chain.items():
        if key == CHECKPOINT_KEY:
            continue  # members ask for it by themselves
        for version, value in values.items():
            asked = by_value.get((key, value))
            if asked is None:
                yield Fault("from-nowhere", key, f"version {version} is {value}, which nobody proposed")
            elif asked.outcome == "refused":
                yield Fault("refused-final", key, f"version {version} is {value}, which {asked.client} was refused")
            elif asked.version not in (None, version):
                text = f"{value} of {asked.client} asked for version {asked.version} and is version {version}"
                yield Fault("other-version", key, text)
    for asked in history.asked:
        if asked.outcome == "lost" and chain.get(asked.key, {}).get(asked.version or 0) == asked.value:
            yield Fault("won-unknown", asked.key, f"{asked.client} was told that {asked.value} lost, and it is final")


def _real_time(history: History) -> Iterator[Fault]:
    """Linearizability of each key.

    Version v took effect after its proposal, and those of all versions before it, had been asked for, and before
    anybody knew of it. As versions are points on a line, nothing more is needed for an order of all operations that
    contradicts no clock.
    """
    chain = chains(history)
    asked_at = {(asked.key, asked.value): asked.asked_ns for asked in history.asked}
    known: dict[tuple[str, int], tuple[int, str]] = {}
    for key, version, ended_ns, who in _knowledge(history):
        known[key, version] = min(known.get((key, version), (ended_ns, who)), (ended_ns, who))
    for key, values in chain.items():
        begun: tuple[int, int] = (0, 0)
        for version in range(1, max(values) + 1):
            begun = max(begun, (asked_at.get((key, values.get(version, "")), 0), version))
            ended_ns, who = known.get((key, version), (begun[0], ""))
            if ended_ns < begun[0]:
                text = f"{who} knew version {version} before that of version {begun[1]} was asked for"
                yield Fault("real-time", key, text)


def _knowledge(history: History) -> Iterator[tuple[str, int, int, str]]:
    """(key, version, by when, who) of each moment at which somebody knew that a version had been decided."""
    for shown in history.shown:
        yield shown.key, shown.version, shown.ended_ns, shown.node
    for asked in history.asked:
        if asked.outcome in ("final", "lost") and asked.version is not None:
            yield asked.key, asked.version, asked.ended_ns, asked.client


def _one_vote(history: History) -> Iterator[Fault]:
    """No member votes twice in a phase of a ballot, whatever killed it between."""
    first: dict[tuple[int, tuple[str, int, int]], str] = {}
    for cast in history.cast:
        value = first.setdefault((cast.author, cast.place), cast.value)
        if value != cast.value:
            conflict, ballot, phase = cast.place
            text = f"member {cast.author} in ballot {ballot}, phase {phase}: {value or 'nil'} and {cast.value or 'nil'}"
            yield Fault("voted-twice", conflict, text)


def _one_holder(history: History) -> Iterator[Fault]:
    """While a node may act on a lease no other may, even if it was killed; who acts later has a higher token."""
    by_key: dict[str, list[Held]] = {}
    for held in sorted(history.held, key=lambda one: one.ended_ns):
        earlier = by_key.setdefault(held.key, [])
        for other in earlier:
            if other.node != held.node and held.ended_ns < min(other.until_ns, held.until_ns):
                text = f"{held.node} has it by token {held.token} while {other.node} does by {other.token}"
                yield Fault("shared-lease", held.key, text)
            elif other.node != held.node and other.ended_ns < held.asked_ns and held.token <= other.token:
                yield Fault("old-token", held.key, f"{held.node} has token {held.token} after {other.token}")
        earlier.append(held)


def _convergence(history: History) -> Iterator[Fault]:
    """When everything has healed all nodes show the same, and nothing less than what was final anywhere."""
    chain = chains(history)
    for node, registers in history.ends.items():
        for key, values in chain.items():
            version = registers.get(key, (0, ""))[0]
            if version != max(values):
                yield Fault("unconverged", key, f"{node} shows version {version} in the end, not {max(values)}")


Rule = Callable[[History], Iterable[Fault]]
RULES: tuple[Rule, ...] = (
    _one_value,
    _one_chain,
    _true_certificates,
    _no_way_back,
    _compare_and_swap,
    _real_time,
    _one_vote,
    _one_holder,
    _convergence,
)
