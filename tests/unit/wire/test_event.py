"""Each field of an event and the reasons for which it is refused."""

import json

import pytest

from edge.limits import COUNTER_MAX, EVENT_BYTES_MAX
from edge.wire.cbor import encode
from edge.wire.event import GAP_BEFORE, TIME_UNSURE, Event, decode_event, encode_event, event_json, is_text
from edge.wire.refusal import Refusal

EVENT = Event(
    agent="bearing",
    kind="class",
    time_ms=1_760_000_000_123,
    values=("worn", 0.8125),
    unit="g",
    confidence=0.9,
    model=b"m" * 32,
    input=b"i" * 32,
    flags=GAP_BEFORE,
)

FIELDS = list(EVENT)
REFUSED = [
    ("event-name", 0, ["", "-a", "A", "a_b", "a" * 33, "ä", "a b"]),
    ("event-shape", 0, [None, b"bearing", 1]),
    ("event-text", 1, ["", "x" * 65, "é" * 33, "a\n", "\x00", "\x7f", "\x85", "\x9f"]),
    ("event-shape", 1, [None, 0]),
    ("event-shape", 2, [-1, COUNTER_MAX + 1, 2**64 - 1, 1.0, None]),
    ("event-values", 3, [[], [0.5] * 65]),
    ("event-shape", 3, [[1], [None], [True], [b"a"], [[0.5]], "a", None]),
    ("event-text", 3, [["x" * 65], ["\t"]]),
    ("event-text", 4, ["", "x" * 65, "\x1b[31m"]),
    ("event-shape", 4, [0, b"g"]),
    ("event-confidence", 5, [-0.5, 1.5, 1e300]),
    ("event-shape", 5, [1, True, "1"]),
    ("event-shape", 6, [b"m" * 31, b"m" * 33, b"", "m" * 32]),
    ("event-shape", 7, [b"i" * 31, 0]),
    ("event-flags", 8, [4, 5, 2**32]),
    ("event-shape", 8, [None, -1, 0.0]),
]


@pytest.mark.parametrize(("reason", "field", "value"), [(r, f, v) for r, f, values in REFUSED for v in values])
def test_each_field_is_refused_for_its_reason(reason: str, field: int, value: object) -> None:
    fields = [*FIELDS]
    fields[field] = value
    raw = encode(fields)
    assert decode_event(raw) == Refusal(reason)
    with pytest.raises(ValueError, match=reason):
        encode_event(Event(*fields))


@pytest.mark.parametrize(
    "event",
    [
        EVENT,
        Event("a", "k", 0, (0.0,)),
        Event("0" * 32, "é" * 32, COUNTER_MAX, ("",) * 64, "°C", 0.0, None, b"\x00" * 32, TIME_UNSURE | GAP_BEFORE),
        Event("a-", "日本", 1, (-0.0, 1.7e308, 5e-324, "\u00a0"), None, 1.0),
    ],
)
def test_events_survive_the_round_trip(event: Event) -> None:
    raw = encode_event(event)
    assert decode_event(raw) == event
    assert encode_event(decode_event(raw)) == raw  # type: ignore[arg-type]


def test_a_hundred_byte_event_is_a_hundred_bytes() -> None:
    event = Event("bearing", "class", 1_760_000_000_123, (0.9,), None, None, b"m" * 32, b"i" * 32)
    assert 95 <= len(encode_event(event)) <= 110


def test_other_counts_of_fields_are_refused() -> None:
    assert decode_event(encode(FIELDS[:8])) == Refusal("event-shape")
    assert decode_event(encode([*FIELDS, 0])) == Refusal("event-shape")
    assert decode_event(encode(b"event")) == Refusal("event-shape")
    assert decode_event(encode_event(EVENT) + b"\x00") == Refusal("cbor-trailing")
    assert decode_event(encode_event(EVENT)[:-1]) == Refusal("cbor-truncated")


def test_size_is_judged_before_anything_else() -> None:
    assert decode_event(b"\xff" * (EVENT_BYTES_MAX + 1)) == Refusal("event-too-large")
    assert decode_event(b"\xff" * EVENT_BYTES_MAX) == Refusal("cbor-indefinite")


def test_json_is_a_complete_view() -> None:
    view = event_json(EVENT)
    assert json.loads(json.dumps(view)) == view
    assert view["model"] == "6d" * 32
    assert (view["time_unsure"], view["gap_before"]) == (False, True)
    assert set(event_json(Event("a", "k", 0, (1.0,)))) == set(view)


def test_clean_text_is_bounded_in_bytes() -> None:
    assert is_text("", 0)
    assert is_text("é" * 32, 64)
    assert not is_text("é" * 33, 64)
    assert not is_text("a\x85", 64)
    assert not is_text("\ud800", 64)
