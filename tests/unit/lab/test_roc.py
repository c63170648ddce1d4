"""The area under a ROC curve, by the definition: all pairs."""

from random import Random

import pytest

from edge.lab.roc import auc


def test_it_is_the_share_of_pairs_in_the_right_order():
    for seed in range(50):
        rng = Random(seed)
        scores = [rng.choice((0.1, 0.2, 0.5, rng.random())) for _ in range(30)]
        is_strange = [True, False, *(rng.random() < 0.3 for _ in range(28))]
        pairs = [
            (one > other) + (one == other) / 2
            for one, is_one in zip(scores, is_strange, strict=True)
            for other, is_other in zip(scores, is_strange, strict=True)
            if is_one and not is_other
        ]
        assert auc(scores, is_strange) == pytest.approx(sum(pairs) / len(pairs))


def test_the_ends():
    assert auc([1, 2, 3], [False, False, True]) == 1
    assert auc([1, 2, 3], [True, False, False]) == 0
    assert auc([5, 5, 5], [True, False, False]) == 0.5
