"""How far up its lines an author's history is covered by what others said of single incarnations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.dag.graph import Branch


def coverage(branches: Sequence[Branch], said: Callable[[Branch], int], *, with_floors: bool = True) -> dict[int, int]:
    """For each incarnation of one author the seq up to which it is covered. `branches` by incarnation, ascending.

    `said` is what was said of a branch itself; what it continues is covered with it, up to its base. `with_floors`:
    so is what was dropped, whatever covered it then.
    """
    seqs = dict.fromkeys((branch.incarnation for branch in branches), 0)
    for branch in reversed(branches):
        seq = max(seqs[branch.incarnation], said(branch), branch.floor_seq if with_floors else 0)
        seqs[branch.incarnation] = seq
        if branch.base is not None and seq >= branch.first_seq and branch.base.incarnation in seqs:
            seqs[branch.base.incarnation] = max(seqs[branch.base.incarnation], branch.base.seq)
    return seqs
