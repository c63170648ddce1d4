"""JSON paths, batches and times."""

import json
from math import isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.limits import SOURCE_BATCH_MAX
from edge.shell.sources.extract import Extractor, NotUsableError, find, parse_json, parse_path, time_of


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("x", ("x",)),
        ("a.b[0].c", ("a", "b", 0, "c")),
        ("$", ()),
        ("$.a", ("a",)),
        ("$[2][0]", (2, 0)),
        ('["odd.key"].v', ("odd.key", "v")),
        ('a["b c"][1]', ("a", "b c", 1)),
        ('["a\\"b"]', ('a"b',)),
        ("a-b_c 1", ("a-b_c 1",)),
        ("Temperature (°C)", ("Temperature (°C)",)),
    ],
)
def test_a_path_is_its_steps(path: str, steps: tuple[str | int, ...]):
    assert parse_path(path) == steps


@pytest.mark.parametrize("path", ["", ".a", "a.", "a..b", "a[", "a[x]", "a[-1]", "a]b", "$a", "a[0]b", 'a["b]'])
def test_what_is_no_path_is_refused_with_examples(path: str):
    with pytest.raises(ValueError, match=r"a\.b\[0\]\.c"):
        parse_path(path)


def rows(document: Any, *fields: str, **options: Any) -> list[tuple[int, tuple[float, ...]]]:
    return Extractor(fields, **options).rows(document, 1000)


def test_one_reading():
    assert rows({"a": {"x": 1, "y": [2.5]}, "on": True}, "a.x", "a.y[0]", "on") == [(1000, (1.0, 2.5, 1.0))]


def test_the_payload_itself():
    assert rows(21.5, "$") == [(1000, (21.5,))]
    assert rows([1, 2, 3], "$[2]", "$[0]") == [(1000, (3.0, 1.0))]


def test_a_batch_is_one_reading_per_place():
    assert rows({"x": [1, 2], "y": [3, 4]}, "x", "y") == [(1000, (1.0, 3.0)), (1000, (2.0, 4.0))]
    assert rows([1, 2, 3], "$", interval_ms=20) == [(960, (1.0,)), (980, (2.0,)), (1000, (3.0,))]
    assert rows({"x": [], "y": []}, "x", "y") == []


def test_a_batch_with_its_times():
    assert rows({"x": [1, 2], "t": [5, 6]}, "x", time_field="t", time_unit="s") == [(5000, (1.0,)), (6000, (2.0,))]
    assert rows({"x": [1, 2], "t": 90}, "x", time_field="t", interval_ms=10) == [(80, (1.0,)), (90, (2.0,))]


@pytest.mark.parametrize(
    ("stamp", "unit", "time_ms"),
    [
        (1_700_000_000, "s", 1_700_000_000_000),
        (1_700_000_000.25, "s", 1_700_000_000_250),
        (1_700_000_000_123, "ms", 1_700_000_000_123),
        (1_700_000_000_123_456, "us", 1_700_000_000_123),
        (1_700_000_000_123_456_789, "ns", 1_700_000_000_123),
        ("2026-03-01T12:00:00Z", "ms", 1_772_366_400_000),
        ("2026-03-01T13:00:00.5+01:00", "ms", 1_772_366_400_500),
        ("2026-03-01 12:00", "ms", 1_772_366_400_000),
        (0, "ms", 0),
    ],
)
def test_a_time_in_its_unit_or_as_iso_text(stamp: object, unit: str, time_ms: int):
    assert rows({"x": 1, "t": stamp}, "x", time_field="t", time_unit=unit) == [(time_ms, (1.0,))]


@pytest.mark.parametrize("stamp", [None, True, "noon", -1, float("nan"), 1e300, 10**400, {}, "9999-99-99", 2**53 + 2])
def test_what_is_no_time(stamp: object):
    with pytest.raises(NotUsableError, match=r"at t; allowed is a Unix time from 0, or ISO 8601 text"):
        time_of(stamp, 1.0, "t")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"x": 1}, "has nothing at y.v; it holds an object with x"),
        ({"x": 1, "y": 5}, "has nothing at y.v"),
        ({"x": 1, "y": "v"}, "has nothing at y.v"),
        ([1, 2], "has nothing at x; it holds an array of 2"),
        (5, "has nothing at x; it holds 5"),
        ({}, "has nothing at x; it holds an empty object"),
        ({"x": "1", "y": {"v": 2}}, 'has "1" at x; allowed is a number, true or false'),
        ({"x": None, "y": {"v": 2}}, "has null at x"),
        ({"x": 10**400, "y": {"v": 2}}, "allowed is a number"),
        ({"x": [1], "y": {"v": 2}}, "has an array at x but none at y.v; a batch needs arrays in all fields"),
        ({"x": [1, 2], "y": {"v": [1]}}, "has 2 values at x but 1 at y.v; allowed are equally many"),
        ({"x": [1, [2]], "y": {"v": [1, 2]}}, "has [2] at x; allowed is a number"),
        (
            {"x": [0] * (SOURCE_BATCH_MAX + 1), "y": {"v": [0] * (SOURCE_BATCH_MAX + 1)}},
            f"holds a batch of {SOURCE_BATCH_MAX + 1} readings; allowed are at most {SOURCE_BATCH_MAX}",
        ),
    ],
)
def test_what_is_missing_is_said(document: object, words: str):
    with pytest.raises(NotUsableError) as refused:
        rows(document, "x", "y.v")
    assert words in str(refused.value)


def test_times_and_readings_of_a_batch_must_match():
    with pytest.raises(NotUsableError, match="has 2 readings but 1 times at t"):
        rows({"x": [1, 2], "t": [5]}, "x", time_field="t")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is not JSON: Expecting value at byte 0"),
        (b'{"x": 1', "is not JSON: Expecting ',' delimiter at byte 7"),
        (b'{"x": NaN}', "NaN is no number of JSON"),
        (b"-Infinity", "-Infinity is no number of JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 60_000, "is not JSON that can be read"),
        (b"9" * 5000, "is not JSON that can be read"),
    ],
)
def test_what_is_not_json(text: bytes, words: str):
    with pytest.raises(NotUsableError) as refused:
        parse_json(text)
    assert words in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("xyt"), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_any_document_gives_readings_or_a_reason(document: object, has_time: bool):
    extractor = Extractor(["x", "y[0]"], time_field="t" if has_time else None)
    try:
        made = extractor.rows(document, 5)
    except NotUsableError:
        return
    for time_ms, values in made:
        assert isinstance(time_ms, int) and time_ms >= 0
        assert len(values) == 2 and all(isinstance(value, float) and isfinite(value) for value in values)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_document_or_a_reason(text: bytes):
    try:
        document = parse_json(text)
    except NotUsableError:
        return
    assert document == json.loads(text)


def test_find_takes_no_shortcuts():
    with pytest.raises(NotUsableError):
        find("text", "$[0]", (0,))
    with pytest.raises(NotUsableError):
        find([1], "a", ("0",))
