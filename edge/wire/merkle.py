"""The Merkle tree of RFC 9162 §2.1 over the leaves of a body, so that one event can be proven or erased alone."""

from collections.abc import Sequence
from hashlib import sha256

Digest = bytes


def leaf_hash(leaf: bytes) -> Digest:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: Digest, right: Digest) -> Digest:
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> Digest:
    """MTH of RFC 9162 §2.1.1. Pairing upwards with an odd last node carried over is the same tree as its recursion."""
    sha = sha256
    return root_of([sha(b"\x00" + leaf).digest() for leaf in leaves])


def root_of(level: list[Digest]) -> Digest:
    """The same over leaves that are hashed already."""
    sha = sha256
    if not level:
        return sha(b"").digest()
    while len(level) > 1:
        odd = level[-1:] if len(level) & 1 else []
        level = [sha(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level += odd
    return level[0]


def proof(leaves: Sequence[bytes], index: int) -> tuple[Digest, ...]:
    """The inclusion path of leaf `index`, lowest sibling first (RFC 9162 §2.1.3.1)."""
    assert 0 <= index < len(leaves)
    level = [leaf_hash(leaf) for leaf in leaves]
    path = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        odd = level[-1:] if len(level) & 1 else []
        level = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)] + odd
        index >>= 1
    return tuple(path)


def verify_proof(root: Digest, count: int, index: int, leaf: bytes, path: Sequence[Digest]) -> bool:
    """Whether `leaf` is leaf `index` of the `count` leaves under `root` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < count:
        return False
    last = count - 1
    digest = leaf_hash(leaf)
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            digest = node_hash(sibling, digest)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            digest = node_hash(digest, sibling)
        index >>= 1
        last >>= 1
    return last == 0 and digest == root
