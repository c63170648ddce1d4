"""The way of a spoken word to the lines of an ear: sound at 16 kHz, whole frames, and what is said when they fail."""

import subprocess
import sys
import wave
from array import array
from math import pi, sin, sqrt
from pathlib import Path

import pytest

from edge.errors import DataError, UnavailableError
from edge.lab import ear_child, speech
from edge.lab.speech import RATE_HZ, Voice, resample

ESPEAK_HZ = 22_050


def tone(hz: float, rate_hz: int, count: int) -> "array[int]":
    return array("h", [round(10_000 * sin(2 * pi * hz * at / rate_hz)) for at in range(count)])


def level(samples: "array[int]") -> float:
    """Root mean square, without the ends, where the filter sees nothing."""
    middle = samples[200:-200]
    return sqrt(sum(value * value for value in middle) / len(middle))


@pytest.mark.parametrize("hz", [0, 100, 1000, 5000, 6500])
def test_a_tone_below_half_the_rate_stays_the_same(hz: float):
    made = resample(tone(hz, ESPEAK_HZ, 4410), ESPEAK_HZ)
    assert len(made) == 3200
    expected = tone(hz, RATE_HZ, 3200)
    assert max(abs(a - b) for a, b in zip(made[100:-100], expected[100:-100], strict=True)) < 40


@pytest.mark.parametrize("hz", [9500, 10_500])
def test_a_tone_above_it_does_not_come_back_as_another(hz: float):
    heard = tone(hz, ESPEAK_HZ, 4410)
    assert level(resample(heard, ESPEAK_HZ)) < level(heard) / 316  # 50 dB


def test_what_is_right_already_is_left_alone():
    heard = tone(440, RATE_HZ, 1000)
    assert resample(heard, RATE_HZ) == heard


def test_loud_sound_is_cut_and_does_not_wrap():
    square = array("h", ([32767] * 11 + [-32768] * 11) * 50)
    assert max(resample(square, ESPEAK_HZ)) == 32767 and min(resample(square, ESPEAK_HZ)) == -32768


def test_without_espeak_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"no espeak-ng here.*apt-get install espeak-ng"):
        speech.program()


@pytest.mark.skipif(speech.shutil.which(speech.PROGRAM) is None, reason="espeak-ng is not installed here")
def test_phrases_follow_one_another_with_silence_around_them(tmp_path: Path):
    said = speech.say(Voice("en-us"), ["one", "alexa"], tmp_path / "a.wav")
    assert [one.text for one in said] == ["one", "alexa"]
    assert said[0].begin == 0 and said[0].end == said[1].begin
    samples = array("h", ear_child.read_wav(tmp_path / "a.wav"))
    assert len(samples) == said[1].end
    for one in said:
        quiet = round(speech.LEAD_S * RATE_HZ)
        assert not any(samples[one.begin : one.begin + quiet]) and not any(samples[one.end - quiet : one.end])
        assert max(samples[one.begin : one.end]) > 3000
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    with pytest.raises(UnavailableError, match="espeak-ng -v nobody says nothing: "):
        speech.say(Voice("nobody"), ["one"], tmp_path / "b.wav")


def sound(path: Path, *, rate_hz: int = RATE_HZ, channels: int = 1, samples: bytes = bytes(9600)) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(samples)
    return path


def test_a_sound_of_another_kind_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="44100 Hz, 16 bits, 2 channels; allowed is 16000 Hz, 16 bits, 1"):
        ear_child.read_wav(sound(tmp_path / "cd.wav", rate_hz=44_100, channels=2))
    (tmp_path / "no.wav").write_bytes(b"RIFF")
    for name in ("no.wav", "gone.wav"):
        with pytest.raises(DataError, match="is no sound that can be read"):
            ear_child.read_wav(tmp_path / name)


def test_frames_come_every_ten_milliseconds_and_tell_sounds_apart():
    samples = tone(300, RATE_HZ, 16_000).tobytes() + tone(3000, RATE_HZ, 16_000).tobytes() + b"rest"
    frames = list(ear_child.frames(ear_child.chunks_of(samples)))
    assert len(frames) == 200 - 2
    assert {len(frame) for frame in frames} == {ear_child.FEATURES}
    low, high = frames[50].index(max(frames[50])), frames[150].index(max(frames[150]))
    assert low < high - 10


def test_an_ear_at_a_pipe_gives_the_lines_of_the_same_frames():
    samples = tone(700, RATE_HZ, 8_000).tobytes()
    command = [sys.executable, "-m", "edge.lab.ear_child", "-"]
    done = subprocess.run(command, input=samples, capture_output=True, check=True, timeout=30)
    lines = [[float(cell) for cell in line.split(b",")] for line in done.stdout.splitlines()]
    assert lines == list(ear_child.frames(ear_child.chunks_of(samples)))


def test_an_ear_that_cannot_hear_says_why(tmp_path: Path):
    command = [sys.executable, "-m", "edge.lab.ear_child", str(tmp_path / "gone.wav")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (65, "") and "gone.wav: is no sound" in done.stderr
