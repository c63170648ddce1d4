"""`synedge blobs`: what it says of rows that an agent answers, and how it leaves a file for it."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Synedge, answering

KEPT = {"sha256": "a" * 64, "state": "kept", "bytes": 5_000_000, "added_here": True, "since_ms": 1, "fault": None}
COMING = {
    "sha256": "b" * 64, "state": "fetching", "bytes": 5_000_000, "chunks": 82, "chunks_missing": 60, "from": ["pump-7"],
    "fault": None,
}  # fmt: skip
ASKING = {**COMING, "sha256": "c" * 64, "state": "asking", "bytes": None, "chunks": None, "chunks_missing": None}
FAILED = {**COMING, "sha256": "d" * 64, "state": "failed", "fault": "no room: 1 of 2 bytes"}
INTERRUPTED = {**KEPT, "sha256": "e" * 64, "state": "interrupted", "fault": "`blobs get` goes on with it"}
ROWS = [KEPT, COMING, ASKING, FAILED, INTERRUPTED]


class Answers:
    """Gives `rows` to `blobs` and notes everything else."""

    def __init__(self, directory: Path) -> None:
        self.rows: list[dict[str, Any]] = list(ROWS)
        self.asked: list[dict[str, Any]] = []
        self.blobs = directory / "blobs"
        self.blobs.mkdir()

    def __call__(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        if asked["op"] == "blobs":
            return {"directory": str(self.blobs), "blobs": self.rows}
        self.asked.append(asked)
        return None


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "synedge.toml"
    file.write_text('[node]\nname = "pump"\n')
    return file


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Answers]:
    answers = Answers(tmp_path)
    with answering(tmp_path, answers):
        yield answers


def test_the_list_says_what_is_kept_and_what_is_lacking(config: Path, agent: Answers, synedge: Synedge) -> None:
    ended = synedge("blobs", "list", "-c", config)
    lines = ended.out.splitlines()[1:]
    assert ended.code == 0 and [line[0] for line in lines] == list("abcde")
    for line, words in zip(
        lines,
        ("added here", "22 of 82 chunks from pump-7", "looking for somebody who has it", "no room", "goes on with it"),
        strict=True,
    ):
        assert words in line
    assert synedge("blobs", "list", "-c", config, "--json").json == {"blobs": ROWS}
    agent.rows = []
    assert synedge("blobs", "list", "-c", config).out == "no blobs\n"


def test_adding_leaves_a_private_copy_for_the_agent(config: Path, agent: Answers, synedge: Synedge) -> None:
    file = config.parent / "bearing.tflite"
    file.write_bytes(b"model")
    digest = sha256(b"model").hexdigest()
    agent.rows = [{**KEPT, "sha256": digest, "bytes": 5}]
    ended = synedge("blobs", "add", file, "-c", config)
    assert ended.code == 0 and f"synedge blobs get {digest} --out bearing.tflite" in ended.out
    (draft,) = agent.blobs.iterdir()
    assert agent.asked == [{"op": "blob_add", "file": draft.name, "sha256": digest}]
    assert draft.read_bytes() == b"model" and draft.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("digest", "code", "said"),
    [
        ("b" * 64, 75, "60 of 82 chunks are missing, and nothing comes; the agent goes on"),
        ("c" * 64, 75, "nobody who is online has it; the agent goes on"),
        ("d" * 64, 74, "no room: 1 of 2 bytes"),
        ("e" * 64, 74, "goes on with it"),
        ("f" * 64, 74, "removed meanwhile"),
        ("B" * 64, 64, "64 hex digits"),
        ("abc", 64, "64 hex digits"),
    ],
)
def test_getting_says_why_not(
    config: Path, agent: Answers, synedge: Synedge, digest: str, code: int, said: str
) -> None:
    ended = synedge("blobs", "get", digest, "--wait", "0", "-c", config)
    assert ended.code == code and said in ended.err


def test_getting_writes_only_what_has_the_digest(config: Path, agent: Answers, synedge: Synedge) -> None:
    out, digest = config.parent / "out.bin", sha256(b"model").hexdigest()
    agent.rows = [{**KEPT, "sha256": digest, "bytes": 5}]
    (agent.blobs / digest).write_bytes(b"rotten")
    ended = synedge("blobs", "get", digest, "--out", out, "-c", config)
    assert ended.code == 65 and "is damaged" in ended.err and not out.exists()
    (agent.blobs / digest).write_bytes(b"model")
    ended = synedge("blobs", "get", digest, "--out", out, "-c", config)
    assert ended.code == 0 and out.read_bytes() == b"model"
    assert synedge("blobs", "get", digest, "--out", config.parent, "-c", config).code == 64
    assert not list(config.parent.glob(".out*"))


def test_removing_says_whether_it_was_there(config: Path, agent: Answers, synedge: Synedge) -> None:
    assert "removed" in synedge("blobs", "rm", "a" * 64, "-c", config).out
    assert "was not here" in synedge("blobs", "rm", "f" * 64, "-c", config).out
    assert [asked["op"] for asked in agent.asked] == ["blob_remove", "blob_remove"]
