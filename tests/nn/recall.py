"""A task that cannot be done without remembering: to say again what was there some steps ago."""

from array import array
from random import Random

from edge.nn.fann_data import Data


def recall(seed: int, sequences: int, steps: int, delay: int) -> Data:
    """Bits, and after each the one `delay` steps before it."""
    rng, given, wanted = Random(seed), array("f"), array("f")
    for _ in range(sequences):
        bits = [float(rng.random() < 0.5) for _ in range(steps)]
        given.extend(bits)
        wanted.extend(([0.0] * delay + bits)[:steps])
    return Data(sequences * steps, 1, 1, given, wanted)
