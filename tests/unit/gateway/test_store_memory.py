"""The oracle keeps the contract too."""

from pathlib import Path

from edge.gateway.store import Store
from tests.unit.gateway.contract import StoreContract
from tests.unit.gateway.memory import MemoryStore


class TestMemoryStore(StoreContract):
    is_durable = False

    def open(self, path: Path) -> Store:
        return MemoryStore()
