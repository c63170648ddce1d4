"""The wake words' agents as configuration, and what the networks alone hear."""

import tomllib
from pathlib import Path

import pytest

from edge.errors import UnavailableError
from edge.lab import wakewords
from edge.lab.wakewords import FIELDS, NAMES, end_of, hear, steps_of, wake_words
from edge.sense.decide import ThresholdOptions
from edge.sense.options import agent_options
from tests.house.source import ROOT
from tests.house.test_docs import FENCE


def test_the_models_come_with_their_makers_bounds():
    words = {word.agent: word for word in wake_words()}
    assert {name.replace("_", "-") for name in NAMES} == set(words)
    assert {word.cutoff for word in words.values()} == {0.97, 0.95, 0.9, 0.85}
    assert {word.smooth for word in words.values()} == {5}
    assert words["okay-nabu"].phrase == "Okay Nabu"


def test_an_agent_judges_the_mean_of_five_answers():
    word = next(word for word in wake_words() if word.agent == "okay-nabu")
    (table,) = tomllib.loads(word.settings("ear", "okay_nabu.tflite"))["agent"]
    options = agent_options(table, FIELDS)
    assert options.tensor_length == 3 * 40 and options.has_model
    assert options.decide == ThresholdOptions(above=0.85, hysteresis=0.5, smooth=5)


def test_what_operating_tells_people_to_write_is_the_same():
    (block,) = [
        block for language, block in FENCE.findall((ROOT / "docs/OPERATING.md").read_text())
        if language == "toml" and "ear_child" in block
    ]  # fmt: skip
    told = tomllib.loads(block)
    assert tuple(told["source"][0]["fields"]) == FIELDS
    word = next(word for word in wake_words() if word.agent == "okay-nabu")
    ours = tomllib.loads(word.settings("microphone", "okay_nabu.tflite"))
    assert told["agent"] == ours["agent"]


def test_a_step_is_three_frames_and_ends_with_the_last_of_them():
    frames = [[float(number)] * 40 for number in range(8)]
    steps = steps_of(frames)
    assert [len(step) for step in steps] == [480, 480]
    assert end_of(0) == 2 * 160 + 480 and end_of(1) - end_of(0) == 480


def test_silence_is_nobodys_word():
    steps = steps_of([[0.0] * 40] * 60)
    for word in wake_words():
        hearing = hear(word, steps)
        assert len(hearing.means) == 20 and max(hearing.means) < 0.2 and hearing.means[:4] == (0.0,) * 4
        assert hearing.alarms == hearing.said == ()


def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(wakewords, "WHEEL", "no_such_package")
    with pytest.raises(UnavailableError, match="pip install --no-deps pymicro-wakeword"):
        wake_words()
