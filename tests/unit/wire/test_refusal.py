"""The list of reasons is closed: no reason used outside it, none in it dead, each on the page."""

import re
from pathlib import Path

from edge.wire import refusal
from edge.wire.refusal import REASONS, Refusal

ROOT = Path(__file__).parents[3]
WIRE = [
    *(ROOT / "edge" / "wire").glob("*.py"),
    *(ROOT / "edge" / "consensus").glob("*.py"),
    ROOT / "cython" / "event.pyx",
    ROOT / "cython" / "cbor.pyx",
]


def groups() -> list[str]:
    return [reason for name in dir(refusal) if name.endswith("_REASONS") for reason in getattr(refusal, name)]


def test_each_reason_stands_once_in_one_group() -> None:
    assert sorted(groups()) == sorted(REASONS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+|fork|quarantined|evicted", reason) for reason in REASONS)


def test_whatever_refuses_names_a_reason_of_the_list() -> None:
    named = set()
    for path in (ROOT / "edge").rglob("*.py"):
        named |= set(re.findall(r"Refusal\(\s*\"([^\"]*)\"", path.read_text()))
    for path in (ROOT / "cython" / "event.pyx", ROOT / "cython" / "cbor.pyx"):
        named |= set(re.findall(r"\"((?:event|body|cbor)-[a-z-]+)\"", path.read_text()))
    assert named <= REASONS
    assert len(named) > 60


def test_no_decoder_reason_is_dead() -> None:
    text = "".join(path.read_text() for path in WIRE if path.name != "refusal.py")
    admission = {*refusal.ADMISSION_REASONS, "roster-stale", "scope-unknown", "own-line-full"}
    assert [reason for reason in sorted(REASONS - admission) if f'"{reason}"' not in text] == []


def test_the_page_names_every_reason() -> None:
    page = (ROOT / "docs" / "WIRE.md").read_text()
    assert [reason for reason in sorted(REASONS) if f"`{reason}`" not in page] == []


def test_a_refusal_reads_as_a_line() -> None:
    assert str(Refusal("fork")) == "fork"
    assert str(Refusal("seq-gap", "7 after 5")) == "seq-gap: 7 after 5"
