"""An event: one observation or decision of an agent, as the CBOR array of docs/WIRE.md §4. JSON is a view of it."""

from typing import NamedTuple

from edge.wire._event import event_fault, is_text
from edge.wire.cbor import decode, encode
from edge.wire.refusal import Refusal

__all__ = ["GAP_BEFORE", "TIME_UNSURE", "Event", "decode_event", "encode_event", "event_json", "event_of", "is_text"]

TIME_UNSURE = 1
"""Flag: no sure time source had spoken when the event was made."""
GAP_BEFORE = 2
"""Flag: readings were missed or shed before this event's window."""


class Event(NamedTuple):
    """What an agent saw or decided. `time_ms` is the end of its window; digests are SHA-256."""

    agent: str
    kind: str
    time_ms: int
    values: tuple[float | str, ...]
    unit: str | None = None
    confidence: float | None = None
    model: bytes | None = None
    input: bytes | None = None
    flags: int = 0


def encode_event(event: Event) -> bytes:
    """The canonical bytes; ValueError (our own bug) for an event that no decoder would take."""
    raw = encode(event)
    reason = event_fault(raw)
    if reason is not None:
        raise ValueError(f"{reason}: {event!r}")
    return raw


def decode_event(raw: bytes) -> Event | Refusal:
    reason = event_fault(raw)
    if reason is not None:
        return Refusal(reason)
    return event_of(raw)


def event_of(raw: bytes) -> Event:
    """The event of bytes that are known to be canonical."""
    fields = decode(raw, depth_max=2)
    fields[3] = tuple(fields[3])
    return Event._make(fields)


def event_json(event: Event) -> dict[str, object]:
    """A view for people and for JSON: hex digests, flags by name, every key always there."""
    return {
        "agent": event.agent,
        "kind": event.kind,
        "time_ms": event.time_ms,
        "values": list(event.values),
        "unit": event.unit,
        "confidence": event.confidence,
        "model": None if event.model is None else event.model.hex(),
        "input": None if event.input is None else event.input.hex(),
        "time_unsure": bool(event.flags & TIME_UNSURE),
        "gap_before": bool(event.flags & GAP_BEFORE),
    }
