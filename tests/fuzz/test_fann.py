"""Readers of FANN's files on spoilt ones: refused with ModelError, or read as something that comes back the same.

2,000 cases by default; SYNEDGE_FUZZ_MODEL_CASES and SYNEDGE_FUZZ_SEED as in test_models.
"""

import re
from collections.abc import Callable
from random import Random

import pytest

from edge.nn.errors import ModelError
from edge.nn.fann import read_net, write_net
from edge.nn.fann_answer import answer, from_layers
from edge.nn.fann_data import read_data, write_data
from tests.fuzz.mutate import cut, delete, flip, insert, splice, trail
from tests.fuzz.test_models import CASES, SEED
from tests.nn.networks import layers

NUMBERS = (
    b"0", b"1", b"2", b"3", b"18", b"-1", b"255", b"65536", b"4294967295", b"4294967296", b"99999999999", b"0.5", b"-0",
    b"1e38", b"1e39", b"1e-45", b"1e999", b"nan", b"inf", b"1_0", b"0x10", b"", b" ", b"(", b")", b"(1, 2)", b"\n",
)  # fmt: skip
NUMBER = re.compile(rb"[-+.\de]+")


def renumber(rng: Random, data: bytes) -> bytes:
    """One number becomes another, a strange one or one from elsewhere."""
    found = list(NUMBER.finditer(data))
    if not found:
        return data + b"1"
    place, other = rng.choice(found), rng.choice(found)
    return data[: place.start()] + rng.choice((*NUMBERS, other[0])) + data[place.end() :]


def reline(rng: Random, data: bytes) -> bytes:
    """One line is gone, doubled or elsewhere."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    line = lines.pop(place)
    for _ in range(rng.choice((0, 1, 2))):
        lines.insert(rng.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


MUTATIONS: tuple[Callable[[Random, bytes], bytes], ...] = (
    flip, cut, insert, delete, splice, trail, reline, renumber, renumber, renumber, renumber, renumber,
)  # fmt: skip


def nets(rng: Random) -> list[bytes]:
    activations = ("TANH", "LOGISTIC", "NONE")
    return [write_net(from_layers(layers(rng, widths, activations))) for widths in ((1, 1, 1, 1), (2, 3, 2, 1))]


def net(data: bytes) -> None:
    """What is read is written, read again as the same, and can be run."""
    found = read_net(data)
    assert repr(read_net(write_net(found))._replace(settings={})) == repr(found._replace(settings={}))
    assert write_net(read_net(write_net(found))) == write_net(found)
    assert len(answer(found, [0.5] * found.inputs)) == found.outputs


def training_set(data: bytes) -> None:
    found = read_data(data)
    assert read_data(write_data(found)) == found


def run(check: Callable[[bytes], None], pool: list[bytes], cases: int, rng: Random) -> int:
    """How many of the cases were refused."""
    refused = 0
    for case in range(cases):
        data = rng.choice(pool)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            data = rng.choice(MUTATIONS)(rng, data) or b"\n"
        try:
            check(data)
        except ModelError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"case {case} of seed {SEED}: {error!r}\n{data!r}") from error
    return refused


@pytest.mark.parametrize("what", ["net", "data"])
def test_spoilt_files_of_fann_are_refused_or_come_back(what: str):
    rng = Random(f"{SEED} fann {what}")
    data = b"3 2 1\n0.5 -1\n1\n2e3 0\n-7.25\n1 1\n0\n"
    check, pool = (net, nets(rng)) if what == "net" else (training_set, [data])
    refused = run(check, pool, CASES, rng)
    print(what, refused, "of", CASES, "refused")
    assert CASES < 1000 or CASES / 10 < refused < CASES * 0.99
