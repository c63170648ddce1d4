"""Spoken words without a microphone: espeak-ng says them, and they become the 16 kHz mono sound a front end takes."""

from __future__ import annotations

import shutil
import subprocess
import wave
from array import array
from functools import lru_cache
from math import ceil, cos, gcd, pi, sin
from operator import mul
from pathlib import Path
from typing import NamedTuple

from edge.errors import UnavailableError

PROGRAM = "espeak-ng"
RATE_HZ = 16_000
LEAD_S = 0.5
"""Silence before a word: front ends and streaming networks settle in it."""
TAIL_S = 2.0
"""Silence after it, in which a network that looks back over the whole word makes up its mind and forgets it again."""
CROSSINGS = 16
"""Zero crossings of the filter on either side: aliases of 9.5 kHz and above are 50 dB down, which the tests measure."""
SPEAK_S_MAX = 30.0


class Voice(NamedTuple):
    """A voice of espeak-ng and how fast it speaks."""

    name: str
    words_per_minute: int = 175

    def __str__(self) -> str:
        return f"{self.name} at {self.words_per_minute}"


class Utterance(NamedTuple):
    """A stretch of a sound: one phrase with the silence around it, in samples from the beginning."""

    text: str
    begin: int
    end: int


def program() -> str:
    """Where espeak-ng is; UnavailableError says how to get it."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise UnavailableError(f"no {PROGRAM} here, which speaks the words; install it: apt-get install {PROGRAM}")
    return found


def say(voice: Voice, texts: list[str], path: Path) -> list[Utterance]:
    """Have the voice say the texts one after the other and write it to `path`: a WAV of 16 kHz, 16 bits, mono."""
    sound: array[int] = array("h")
    said = []
    for text in texts:
        begin = len(sound)
        sound.extend(_silence(LEAD_S))
        sound.extend(_speak(voice, text, path.with_suffix(".part.wav")))
        sound.extend(_silence(TAIL_S))
        said.append(Utterance(text, begin, len(sound)))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    return said


def _silence(seconds: float) -> array[int]:
    return array("h", bytes(2 * round(seconds * RATE_HZ)))


def _speak(voice: Voice, text: str, path: Path) -> array[int]:
    command = [program(), "-v", voice.name, "-s", str(voice.words_per_minute), "-w", str(path), text]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SPEAK_S_MAX)
    try:
        with wave.open(str(path), "rb") as file:
            rate_hz, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            samples = array("h", file.readframes(file.getnframes()))
    except (OSError, EOFError, wave.Error, ValueError) as error:
        words = done.stderr.strip().splitlines()
        raise UnavailableError(f"{PROGRAM} -v {voice.name} says nothing: {words[-1] if words else error}") from None
    finally:
        path.unlink(missing_ok=True)
    if (width, channels) != (2, 1):
        raise UnavailableError(f"{PROGRAM} gives {channels} channels of {width} bytes; expected is one of 2 bytes")
    return resample(samples, rate_hz)


def resample(samples: array[int], rate_hz: int) -> array[int]:
    """16-bit samples at 16 kHz instead of `rate_hz`, by a windowed sinc in as many phases as the ratio has."""
    common = gcd(RATE_HZ, rate_hz)
    up, down = RATE_HZ // common, rate_hz // common
    phases = _phases(up, down)
    half = len(phases[0]) // 2
    padded = [0] * (half - 1) + samples.tolist() + [0] * half
    made: array[int] = array("h")
    for index in range(len(samples) * up // down):
        at, phase = divmod(index * down, up)
        value = round(sum(map(mul, phases[phase], padded[at : at + 2 * half])))
        made.append(min(32767, max(-32768, value)))
    return made


@lru_cache(maxsize=4)
def _phases(up: int, down: int) -> list[list[float]]:
    """For each of `up` places between two samples the weights of the samples around it; each sums to 1."""
    cutoff = min(1.0, up / down)
    half = ceil(CROSSINGS / cutoff)
    phases = []
    for phase in range(up):
        distances = [place - phase / up for place in range(1 - half, half + 1)]
        weights = [_sinc(cutoff * x) * (0.5 + 0.5 * cos(pi * x / half)) for x in distances]
        total = sum(weights)
        phases.append([weight / total for weight in weights])
    return phases


def _sinc(x: float) -> float:
    return sin(pi * x) / (pi * x) if x else 1.0
