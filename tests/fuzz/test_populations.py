"""The reader of population files on spoilt ones: refused with ModelError, or all its networks run, breed and go.

2,000 cases by default; SYNEDGE_FUZZ_MODEL_CASES, SYNEDGE_FUZZ_SEED and the sanitizers as in test_models.
"""

from random import Random

from edge.nn.errors import ModelError
from edge.nn.plan import Lowered
from edge.nn.population import Population, memory_bytes
from edge.nn.tiers import Tiers
from tests.fuzz.last import keep
from tests.fuzz.models import nudge, word
from tests.fuzz.mutate import cut, flip
from tests.fuzz.test_models import CASES, SEED
from tests.unit.nn.test_population import perceptron

SMALL = perceptron(3, 5, 2)
TABLE_AT = 4096
HEADER_BYTES = 64
ENTRY_BYTES = 24


def file(rng: Random, lowered: Lowered) -> bytes:
    """Of up to six networks, some of which have gone again."""
    memory = bytearray(memory_bytes(lowered, rng.randint(1, 6)))
    population = Population(lowered, memoryview(memory))
    for _ in range(rng.randint(0, 10)):
        handle = population.spawn(seed=rng.randrange(99), spread=0.1)
        if rng.random() < 0.3:
            population.evict(handle)
    return bytes(memory)


def spoil(rng: Random, data: bytes) -> bytes:
    """Somewhere in the header, the table or the networks, each as often; or the file is shorter."""
    where = rng.randrange(4)
    if where == 3:
        return cut(rng, data)
    begin, end = ((0, HEADER_BYTES), (TABLE_AT, TABLE_AT + 6 * ENTRY_BYTES), (2 * TABLE_AT, len(data)))[where]
    if len(data) < begin + 4:
        return data
    part = rng.choice((flip, word, nudge))(rng, data[begin:end])
    return data[:begin] + part + data[end:]


def live(data: bytes, rng: Random) -> int:
    """Everything that is done to a population; how many networks it had."""
    population = Population(SMALL, memoryview(bytearray(data)), "fuzz")
    handles = population.handles()
    assert len(handles) == len(population) <= population.capacity
    population.run(handles, rng.randbytes(12 * len(handles)))
    for handle in handles[: population.capacity - len(population)]:
        population.spawn(handle, seed=1, spread=0.5)
    for seed in range(population.capacity + 1):
        population.spawn(seed=seed, spread=0.1)
    assert len(population) == population.capacity
    population.evict(population.handles()[0])
    return len(handles)


def rest(data: bytes) -> int:
    """The same file below a population under a budget: all are warmed, some go; how many it had."""
    memory = memoryview(bytearray(memory_bytes(SMALL, 2)))
    tiers = Tiers(SMALL, 1 << 16, memory, memoryview(bytearray(data)))
    names = tiers.names()
    tiers.run(names, bytes(12 * len(names)))
    for _ in range(3):
        tiers.spawn(names[-1] if names else None, seed=1, spread=0.5)
    tiers.spill()
    return len(names)


def test_spoilt_populations_are_refused_or_live():
    rng = Random(f"{SEED} population")
    pool = [file(rng, SMALL) for _ in range(40)]
    refused = networks = 0
    for case in range(CASES):
        data = rng.choice(pool)
        for _ in range(rng.choice((1, 1, 2, 3))):
            data = spoil(rng, data) or b"\0"
        keep(data)
        try:
            lived = live(data, rng)
            assert rest(data) == lived
            networks += lived
        except ModelError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"case {case} of seed {SEED}: {error!r}\n{data.hex()}") from error
    print("population", refused, "of", CASES, "refused;", networks, "networks lived")
    assert CASES < 1000 or (CASES / 10 < refused < CASES * 0.9 and networks > CASES / 10)
