"""A real Mosquitto, a committee of real processes, and LiteRT's reference kernels."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.shell.broker import HostedBroker
from edge.shell.broker_config import BrokerOptions
from tests.integration import tflite_venv
from tests.integration.council import Council
from tests.reference.litert import Oracle

LITERT_FOLDER = tflite_venv.ROOT / ".venv-litert"
LITERT_REQUIREMENTS = tflite_venv.ROOT / "deploy" / "requirements" / "litert.txt"


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


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    made = Council(tmp_path)
    try:
        yield made
    finally:
        for device in made.devices.values():
            if device.is_running:
                device.kill()


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    try:
        python = tflite_venv.make(LITERT_FOLDER, "--no-deps", "-r", str(LITERT_REQUIREMENTS))
    except RuntimeError as error:
        pytest.skip(f"no ai-edge-litert here: {error}")
    asked = Oracle(python)
    yield asked
    asked.close()
