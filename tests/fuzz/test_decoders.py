"""Every decoder against the slow one, on mutations of valid encodings.

20,000 cases by default; SYNEDGE_FUZZ_CASES=1000000 is the full run, SYNEDGE_FUZZ_SEED another walk. A failure prints
the case as hex; `check(name, bytes.fromhex(...))` repeats it.
"""

import os
from collections import Counter
from random import Random

import pytest

from edge.wire.refusal import REASONS, Refusal
from tests.fuzz.generate import TREES
from tests.fuzz.mutate import mutate
from tests.fuzz.targets import TARGETS
from tests.reference.cbor import Refused, decode, encode

CASES = int(os.environ.get("SYNEDGE_FUZZ_CASES", "20000"))
SEED = int(os.environ.get("SYNEDGE_FUZZ_SEED", "1"))
POOL = 40
REFRESH = 50


def check(name: str, raw: bytes) -> Refusal | None:
    """Both decoders on one input: same verdict, same values, the same bytes back. The refusal, if it is one."""
    target = TARGETS[name]
    try:
        expected = target.slow(raw)
    except Refused as why:
        expected, fault = None, str(why)
    else:
        fault = ""
    answer = target.fast(raw)
    if fault:
        assert isinstance(answer, Refusal), f"accepted, but: {fault}"
        assert answer.reason in REASONS
        return answer
    assert not isinstance(answer, Refusal), f"refused as {answer}, but the slow decoder takes it"
    assert repr(answer.values) == repr(expected)
    assert answer.again == raw
    return None


def run(name: str, cases: int, rng: Random) -> Counter[str]:
    """85% mutations of valid encodings, 10% valid ones, 5% noise. Counts by kind, verdict and reason."""
    pool = [encode(TREES[name](rng)) for _ in range(POOL)]
    counts: Counter[str] = Counter()
    for case in range(cases):
        if case % REFRESH == 0:
            pool[rng.randrange(POOL)] = encode(TREES[name](rng))
        roll = rng.random()
        valid = rng.choice(pool)
        if roll < 0.85:
            kind, raw = "mutated", mutate(rng, valid)
            counts["mutated-unchanged"] += raw == valid
        elif roll < 0.95:
            kind, raw = "valid", valid
        else:
            kind, raw = "noise", rng.randbytes(rng.randrange(60))
        try:
            refusal = check(name, raw)
        except Exception as error:
            raise AssertionError(f"{name} case {case} of seed {SEED} ({kind}): {error!r}\n{raw.hex()}") from error
        assert kind != "valid" or refusal is None
        counts[kind] += 1
        counts[f"{kind}-{'refused' if refusal else 'accepted'}"] += 1
        if refusal:
            counts[f"refused-{refusal.reason}"] += 1
    return counts


@pytest.mark.parametrize("name", TARGETS)
def test_fast_and_slow_decoder_agree(name: str) -> None:
    counts = run(name, CASES // len(TARGETS), Random(f"{SEED} {name}"))
    print(name, dict(counts))
    assert CASES < 10_000 or counts["mutated"] >= 0.8 * (CASES // len(TARGETS))
    assert CASES < 10_000 or (counts["mutated-accepted"] and counts["mutated-refused"])


def test_a_planted_flaw_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness has teeth: where the two decoders differ in one rule, a few thousand cases show it."""

    honest = TARGETS["header"]

    def forgetful(raw: bytes) -> object:
        tree = decode(raw, 3)
        if isinstance(tree, list) and len(tree) == 12 and tree[6] is None:
            raw = encode([*tree[:5], 1, *tree[6:]])  # forgets: seq is 1 exactly without prev
        return honest.slow(raw)

    monkeypatch.setitem(TARGETS, "header", honest._replace(slow=forgetful))
    with pytest.raises(AssertionError, match="header case"):
        run("header", 3000, Random(1))
