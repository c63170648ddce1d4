"""A network of its own for a test, gone with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge.lab.namespaces import Network, usable


@contextmanager
def network_of(machines: int) -> Iterator[Network]:
    """Skips the test where there can be none."""
    if not usable():
        pytest.skip("network namespaces need root and iproute2")
    network = Network(machines)
    try:
        yield network
    finally:
        network.close()
