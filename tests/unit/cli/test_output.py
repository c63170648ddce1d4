"""Tables line up whatever stands in them, and nothing a peer wrote reaches the terminal as a command."""

import io
import json
import math

import pytest

from edge.cli.output import Output, bytes_text, cell, visible, width


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).table(("node", "seq", "value"), [("a", 7, 0.5), ("温室", 12345, None)])
    assert capsys.readouterr().out.splitlines() == [
        "node    seq  value",
        "a         7    0.5",
        "温室  12345      -",
    ]


def test_control_characters_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=False)
    out.table(("text",), [("\x1b[2J\x07\n\u202ex",)])
    out.pairs([("text", "\x1b]0;owned\x07")])
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "\x07" not in printed and "\u202e" not in printed
    assert "\\x1b[2J\\x07\\n\\u202ex" in printed


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Output(as_json=False).paint("x", "red") == "x", "stdout is captured, hence no terminal"
    monkeypatch.setattr("sys.stdout", Terminal())
    assert Output(as_json=False).paint("x", "red") == "\x1b[31mx\x1b[0m"
    assert not Output(as_json=True).is_coloured
    monkeypatch.setenv("TERM", "dumb")
    assert not Output(as_json=False).is_coloured
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Output(as_json=False).is_coloured


def test_colour_does_not_move_the_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    Output(as_json=False).table(("check", "x"), [("ok", "a"), ("fail", "b")], colours={"ok": "green", "fail": "red"})
    assert "\x1b[32mok\x1b[0m     a" in terminal.getvalue() and "\x1b[31mfail\x1b[0m   b" in terminal.getvalue()


def test_documents_are_strict_json(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=True)
    out.document({"id": b"\x01\xff", "text": "°C"})
    assert json.loads(capsys.readouterr().out) == {"id": "01ff", "text": "°C"}
    with pytest.raises(ValueError, match="Out of range"):
        out.document({"x": math.nan})


def test_cells_are_short() -> None:
    assert [cell(value) for value in (None, True, 0.123456789, ["a", 1], (), "x", {"p50": 0.5, "n": 4})] == [
        "-",
        "yes",
        "0.123457",
        "a, 1",
        "-",
        "x",
        "p50 0.5, n 4",
    ]
    assert (width("ab"), width("温"), width("e\u0301")) == (2, 2, 1) and visible("ok") == "ok"
    assert [bytes_text(count) for count in (0, 999, 1536, 8_000_000, 5 * 10**12)] == [
        "0 B", "999 B", "1.5 kB", "8.0 MB", "5000.0 GB",
    ]  # fmt: skip
