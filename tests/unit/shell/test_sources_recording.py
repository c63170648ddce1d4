"""Recordings: headers, delimiters, times, rows that are no rows, files that break off."""

import gzip
from pathlib import Path

import pytest

from edge.errors import DataError
from edge.limits import LINE_BYTES_MAX
from edge.shell.sources.recording import BadRow, Recording, Row


def recording(
    folder: Path, text: str | bytes, *fields: str, name: str = "r.csv", time_field: str | None = None
) -> Recording:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Recording(path, fields or None, time_field=time_field)


def test_rows_with_times_since_the_first(tmp_path: Path):
    made = recording(tmp_path, "t_ms,x,y\n1000,1,2\n1020.5,3,-4e-1\n")
    assert made.fields == ("x", "y")
    assert list(made.rows()) == [Row(2, 0.0, (1.0, 2.0)), Row(3, 20.5, (3.0, -0.4))]
    assert list(made.rows()) == list(made.rows()), "from the beginning each time"


def test_some_columns_in_an_own_order(tmp_path: Path):
    made = recording(tmp_path, "t_ms,label,x,y\n0,walk,1,2\n", "y", "x")
    assert made.fields == ("y", "x")
    assert list(made.rows()) == [Row(2, 0.0, (2.0, 1.0))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", ", "])
def test_the_delimiter_of_the_header(tmp_path: Path, delimiter: str):
    made = recording(tmp_path, f"x{delimiter}y\n1{delimiter}2\n")
    assert [row.values for row in made.rows() if isinstance(row, Row)] == [(1.0, 2.0)]


def test_a_byte_order_mark_crlf_quotes_and_blank_lines(tmp_path: Path):
    made = recording(tmp_path, '\ufeff"t_ms","x","note"\r\n0,1,"a, b"\r\n\r\n10,2,c\r\n', "x")
    assert list(made.rows()) == [Row(2, 0.0, (1.0,)), Row(4, 10.0, (2.0,))]


def test_a_time_column_of_another_name_and_iso_text(tmp_path: Path):
    text = "when,x\n2026-03-01T12:00:00Z,1\n2026-03-01T12:00:01.5Z,2\n"
    made = recording(tmp_path, text, time_field="when")
    assert [row.offset_ms for row in made.rows() if isinstance(row, Row)] == [0.0, 1500.0]


def test_without_a_time_column_there_is_none(tmp_path: Path):
    assert list(recording(tmp_path, "x\n1\n").rows()) == [Row(2, None, (1.0,))]


def test_the_last_row_needs_no_line_break(tmp_path: Path):
    assert [row.line for row in recording(tmp_path, "x\n1\n2").rows() if isinstance(row, Row)] == [2, 3]


def test_a_packed_recording(tmp_path: Path):
    made = recording(tmp_path, gzip.compress(b"t_ms,x\n0,1\n5,2\n"), name="r.csv.gz")
    assert list(made.rows()) == [Row(2, 0.0, (1.0,)), Row(3, 5.0, (2.0,))]


def test_a_packed_recording_that_breaks_off(tmp_path: Path):
    whole = gzip.compress(b"t_ms,x\n" + b"".join(b"%d,%d\n" % (index, index * 7919) for index in range(20_000)))
    made = recording(tmp_path, whole[: len(whole) // 2], name="r.csv.gz")
    *rows, last = made.rows()
    assert len(rows) > 1000 and all(isinstance(row, Row) for row in rows)
    assert isinstance(last, BadRow) and "cannot be read on after line" in last.text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0,1", "line 2: 2 cells; allowed are 3, one per column"),
        ("0,1,2,3", "line 2: 4 cells"),
        ("0,one,2", "line 2: 'one' in column x; allowed is a number"),
        ("0,,2", "line 2: '' in column x"),
        ("0,nan,2", "line 2: 'nan' in column x"),
        ("0,inf,2", "line 2: 'inf' in column x"),
        ("later,1,2", 'line 2: has "later" at t_ms; allowed is a Unix time'),
        ("1e300,1,2", "at t_ms; allowed is a Unix time"),
        ("0,1," + "2" * LINE_BYTES_MAX, f"line 2: longer than {LINE_BYTES_MAX} bytes"),
    ],
)
def test_a_bad_row_says_where_and_why_and_the_next_is_read(tmp_path: Path, line: str, words: str):
    bad, good = recording(tmp_path, f"t_ms,x,y\n{line}\n10,1,2\n").rows()
    assert isinstance(bad, BadRow) and bad.text.startswith(f"{tmp_path / 'r.csv'} line 2:") and words in bad.text
    assert isinstance(good, Row) and (good.line, good.values) == (3, (1.0, 2.0))


@pytest.mark.parametrize(
    ("text", "fields", "words"),
    [
        ("", (), "the first line must be a header"),
        ("1,2,3\n4,5,6\n", (), "the first line must be a header of different column names, but is '1,2,3'"),
        ("x,,y\n", (), "the first line must be a header"),
        ("x,x\n", (), "the first line must be a header"),
        ("t_ms,x\n", ("x", "y"), "no column 'y'; the header has t_ms, x"),
        ("t_ms\n", (), "0 columns of values; allowed are 1 to 64"),
        (
            ",".join(f"c{index}" for index in range(65)),
            (),
            "65 columns of values; allowed are 1 to 64: name them in fields",
        ),
    ],
)
def test_a_file_that_is_no_recording(tmp_path: Path, text: str, fields: tuple[str, ...], words: str):
    with pytest.raises(DataError) as refused:
        recording(tmp_path, text, *fields)
    assert words in str(refused.value) and str(tmp_path / "r.csv") in str(refused.value)


def test_a_file_that_is_not_there_or_not_packed(tmp_path: Path):
    with pytest.raises(DataError, match=r"cannot be opened: No such file"):
        Recording(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"cannot be read: Not a gzipped file"):
        recording(tmp_path, "x\n1\n", name="r.gz")
