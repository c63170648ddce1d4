"""How well scores tell the strange from the usual."""

from collections.abc import Sequence
from itertools import groupby


def auc(scores: Sequence[float], is_strange: Sequence[bool]) -> float:
    """The area under the ROC curve: how often a strange one has the higher score than a usual one, equals counting half
    (Mann, Whitney 1947, by ranks). Both must be there."""
    strange = sum(is_strange)
    usual = len(scores) - strange
    assert strange and usual and len(scores) == len(is_strange)
    ranks, below = 0.0, 0
    order = sorted(range(len(scores)), key=scores.__getitem__)
    for _, equal in groupby(order, key=scores.__getitem__):
        places = list(equal)
        ranks += (below + (len(places) + 1) / 2) * sum(is_strange[place] for place in places)
        below += len(places)
    return (ranks - strange * (strange + 1) / 2) / (strange * usual)
