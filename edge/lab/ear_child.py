"""The ear of a device, a process of its own: sound in, a line of 40 numbers for each 10 ms out.

    arecord -q -t raw -f S16_LE -r 16000 -c 1 | python -m edge.lab.ear_child -
    python -m edge.lab.ear_child speech.wav --speed 4

It is the command of a source of kind `command`. A file plays by the clock, like a microphone, and then there is
silence; a pipe sets its own pace, and when it ends, so does this. The features are those of TensorFlow Lite Micro's
audio front end, by pymicro-features, which a device never loads: the agent reads lines.
"""

from __future__ import annotations

import sys
import time
import wave
from argparse import ArgumentParser
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from signal import pause
from typing import BinaryIO, Protocol

from edge.cli.options import at_least
from edge.errors import DataError, SynedgeError, UnavailableError
from edge.lab.speech import RATE_HZ

FRAME_MS = 10
FEATURES = 40
"""How many numbers a frame has."""
CHUNK_SAMPLES = RATE_HZ * FRAME_MS // 1000
WINDOW_SAMPLES = 3 * CHUNK_SAMPLES
"""What the front end looks at for a frame; frame number k begins at sample k * CHUNK_SAMPLES."""
PACKAGE = "pymicro-features"


def frames(chunks: Iterable[bytes]) -> Iterator[list[float]]:
    """Features of 16-bit samples at 16 kHz, given CHUNK_SAMPLES at a time: a frame for each chunk but the first two."""
    front_end = _front_end()
    for chunk in chunks:
        output = front_end.process_samples(chunk)
        if output.features:
            assert len(output.features) == FEATURES
            yield output.features


class _Output(Protocol):
    features: list[float]


class _FrontEnd(Protocol):
    def process_samples(self, audio: bytes) -> _Output: ...


def _front_end() -> _FrontEnd:
    try:
        from pymicro_features import MicroFrontend
    except ImportError as error:
        raise UnavailableError(f"no {PACKAGE} here ({error}); install it: pip install {PACKAGE}") from None
    made: _FrontEnd = MicroFrontend()
    return made


def read_wav(path: Path) -> bytes:
    """The samples of a WAV of 16 kHz, 16 bits, mono; DataError for any other."""
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getframerate(), 8 * file.getsampwidth(), file.getnchannels())
            samples = array("h", file.readframes(file.getnframes()))
    except (OSError, EOFError, wave.Error, ValueError) as error:
        raise DataError(f"{path}: is no sound that can be read: {error}") from None
    if form != (RATE_HZ, 16, 1):
        raise DataError(
            f"{path}: {form[0]} Hz, {form[1]} bits, {form[2]} channels; allowed is {RATE_HZ} Hz, 16 bits, 1"
        )
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def chunks_of(samples: bytes) -> Iterator[bytes]:
    """Whole chunks; what is left over at the end is no frame."""
    size = 2 * CHUNK_SAMPLES
    return (samples[at : at + size] for at in range(0, len(samples) - size + 1, size))


def _chunks_from(stream: BinaryIO) -> Iterator[bytes]:
    while len(chunk := stream.read(2 * CHUNK_SAMPLES)) == 2 * CHUNK_SAMPLES:
        yield chunk


def _by_the_clock(chunks: Iterable[bytes], speed: float) -> Iterator[bytes]:
    """Each when a microphone would have it."""
    begun_s = time.monotonic()
    for number, chunk in enumerate(chunks, 1):
        time.sleep(max(0.0, begun_s + number * FRAME_MS / 1000 / speed - time.monotonic()))
        yield chunk


def main() -> int:
    parser = ArgumentParser("ear_child", description="Sound in, lines of 40 features out.")
    parser.add_argument("sound", help="a WAV file of 16 kHz, 16 bits, mono; or - for such samples without a header")
    parser.add_argument("--speed", type=at_least(0.001, whole=False), default=1.0, help="of a file (1)")
    args = parser.parse_args()
    try:
        if args.sound == "-":
            chunks = _chunks_from(sys.stdin.buffer)
        else:
            chunks = _by_the_clock(chunks_of(read_wav(Path(args.sound))), args.speed)
        for frame in frames(chunks):
            print(*frame, sep=",", flush=True)
    except SynedgeError as error:
        print(error, file=sys.stderr)
        return error.code
    except BrokenPipeError:
        return 0
    if args.sound != "-":
        pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
