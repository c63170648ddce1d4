"""The readers of detectors' states on spoilt ones: refused with ModelError, or they go on and can be saved again.

2,000 cases of each kind by default; SYNEDGE_FUZZ_MODEL_CASES, SYNEDGE_FUZZ_SEED and the sanitizers as in test_models.
"""

import struct
from random import Random

import pytest

from edge.nn.errors import InferenceError, ModelError
from edge.nn.streams import Detector
from tests.fuzz.last import keep
from tests.fuzz.models import nudge, word
from tests.fuzz.mutate import cut, flip
from tests.fuzz.test_models import CASES, SEED
from tests.unit.nn.test_streams import KINDS, stream

NUMBERS = (0.0, -1.0, 1.0, 1e-300, 1e300, -1e300, 3.4e38, float("inf"), float("nan"))


def number(rng: Random, data: bytes) -> bytes:
    """One double becomes a strange one, or nearly what it was."""
    changed = bytearray(data)
    at = rng.randrange(len(data) // 8) * 8
    (value,) = struct.unpack_from("<d", data, at)
    struct.pack_into("<d", changed, at, rng.choice((*NUMBERS, -value, value * 1.0001)))
    return bytes(changed)


def spoil(rng: Random, data: bytes) -> bytes:
    """Its head as often as all that follows."""
    size = len(data) if rng.random() < 0.5 else min(len(data), 128)
    return rng.choice((flip, word, nudge, number, number))(rng, data[:size]) + data[size:]


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_spoilt_states_are_refused_or_live(kind: int):
    rng = Random(f"{SEED} stream {kind}")
    options, inputs = KINDS[kind]
    pool = []
    for seed in range(40):
        detector = Detector(options, inputs)
        detector.run(stream(seed, rng.randrange(200) * inputs))
        pool.append(detector.save())
    rows, refused = stream(99, 30 * inputs), 0
    for case in range(CASES):
        data = rng.choice(pool)
        for _ in range(rng.choice((1, 1, 2))):
            data = spoil(rng, data)
        data = cut(rng, data) if rng.random() < 0.05 else data
        keep(data)
        try:
            detector = Detector(options, inputs)
            detector.load(data)
            detector.run(rows)
            detector.save()
        except ModelError:
            refused += 1
        except InferenceError as error:
            raise AssertionError(f"case {case} of seed {SEED}: {error!r}\n{data.hex()}") from error
    print(options.kind, refused, "of", CASES, "refused")
    assert CASES < 1000 or refused > CASES / 2
