"""A real Mosquitto for tests of links."""

from collections.abc import Iterator

import pytest

from edge.shell.broker import HostedBroker
from edge.shell.broker_config import BrokerOptions


@pytest.fixture
def hosted() -> Iterator[tuple[HostedBroker, int]]:
    broker = HostedBroker(BrokerOptions(engine="mosquitto"))
    try:
        yield broker, broker.start().port
    finally:
        broker.stop()


@pytest.fixture
def broker(hosted: tuple[HostedBroker, int]) -> HostedBroker:
    return hosted[0]


@pytest.fixture
def port(hosted: tuple[HostedBroker, int]) -> int:
    return hosted[1]
