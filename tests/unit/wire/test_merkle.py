"""The Merkle tree against known roots, the recursion of RFC 9162, and proofs that must not hold."""

import pytest

from edge.wire import merkle
from tests.reference.vertex import merkle_root

# The inputs and roots that implementations of RFC 6962 and 9162 have shared since certificate-transparency-go.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("count", range(1, 9))
def test_known_roots(count: int) -> None:
    assert merkle.root(LEAVES[:count]).hex() == ROOTS[count - 1]


def test_the_empty_tree() -> None:
    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 31, 33, 63, 64])
def test_root_is_the_recursion_of_the_rfc(count: int) -> None:
    leaves = [bytes([i]) * (i % 5) for i in range(count)]
    assert merkle.root(leaves) == merkle_root(leaves)


@pytest.mark.parametrize("count", range(1, 18))
def test_every_leaf_is_proven_and_nothing_else(count: int) -> None:
    leaves = [bytes([i]) for i in range(count)]
    root = merkle.root(leaves)
    for index in range(count):
        path = merkle.proof(leaves, index)
        assert merkle.verify_proof(root, count, index, leaves[index], path)
        assert not merkle.verify_proof(root, count, index, b"other", path)
        assert not merkle.verify_proof(root, count, index, leaves[index], (*path, bytes(32)))
        assert not merkle.verify_proof(root, count, count, leaves[index], path)
        assert not merkle.verify_proof(root, count, -1, leaves[index], path)
        if path:
            assert not merkle.verify_proof(root, count, index, leaves[index], path[:-1])
            assert not merkle.verify_proof(root, count, index, leaves[index], (bytes(32), *path[1:]))
        for other in range(count):
            assert merkle.verify_proof(root, count, other, leaves[index], path) == (other == index)
