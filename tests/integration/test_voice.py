"""`synedge demo --voice` as anyone runs it: words are spoken, heard, signed and stored; and it can fail."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.lab import speech

pytestmark = pytest.mark.skipif(shutil.which(speech.PROGRAM) is None, reason="espeak-ng is not installed here")

# A demand that no network of these can meet, and one voice alone.
DEMANDING = """
import sys
from edge.lab import voice
voice.SPEAKERS = (voice.Speaker(voice.Voice("en-gb"), frozenset({"alexa", "hey-jarvis"})),)
from edge.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[int, dict[str, Any], str, Path]]]:
    root = tmp_path_factory.mktemp("voice")
    words = ["demo", "--voice", "--replay-speed", "6", "--json", "--keep"]
    commands = {
        "plain": [sys.executable, "-m", "edge", *words, str(root / "plain")],
        "demanding": [sys.executable, "-c", DEMANDING, *words, str(root / "demanding")],
    }
    processes = {
        name: subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name, command in commands.items()
    }
    try:
        finished = {}
        for name, process in processes.items():
            stdout, stderr = process.communicate(timeout=150)
            assert stdout, stderr
            finished[name] = (process.returncode, json.loads(stdout), stderr, root / name)
        yield finished
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def test_every_demanded_word_is_heard_by_its_network_alone(runs):
    code, answer, said, _ = runs["plain"]
    assert (code, answer["failures"]) == (0, []), said
    assert len(answer["heard"]) == 15
    for row in answer["heard"]:
        assert row["fired"] in ([], [row["own"]])
        assert row["events"] == len(row["fired"])
        assert bool(row["fired"]) == (row["own"] is not None and row["peak"] > row["cutoff"])
        assert row["fired"] or not row["must"]
    assert {row["own"] for row in answer["heard"] if row["must"]} == {"okay-nabu", "hey-mycroft", "alexa", "hey-jarvis"}


def test_what_was_heard_is_signed_and_held_by_everyone(runs):
    _, answer, _, kept = runs["plain"]
    assert answer["frontier_equal"] is True and answer["backend"] == ["native"]
    assert answer["roots_equal"] is True and len(answer["state_root"]) == 64
    assert answer["lost_events"] == answer["signatures_bad"] == 0
    assert [ear["verified_by"] for ear in answer["ears"]] == [3, 3, 3]
    assert {ear["shed_events"] for ear in answer["ears"]} == {0}
    alarms = sum(row["events"] for row in answer["heard"])
    assert alarms >= 9 and answer["gateway"]["events"] == answer["recorded_events"] >= 2 * alarms
    config = tomllib.loads((kept / "ear-1/synedge.toml").read_text())
    assert [source["kind"] for source in config["source"]] == ["command"] and len(config["agent"]) == 4


def test_a_demand_that_is_not_met_ends_with_one_and_says_which(runs):
    code, answer, said, _ = runs["demanding"]
    assert code == 1
    (failure,) = answer["failures"]
    assert failure.startswith("en-gb at 175 said 'Hey Jarvis': hey-jarvis did not hear it (peak 0.0")
    assert f"demo: {failure}" in said


def test_it_takes_no_options_of_the_other_demo():
    command = [sys.executable, "-m", "edge", "demo", "--voice", "--chaos"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 64 and "--chaos: are not for --voice" in done.stderr
