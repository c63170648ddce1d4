"""The SQLite store: the contract, agreement with the oracle, and what happens to its file."""

from pathlib import Path

from edge.gateway.store import Store
from edge.gateway.store.sqlite import SqliteStore
from tests.unit.gateway.contract import StoreContract


class TestSqliteStore(StoreContract):
    def open(self, path: Path) -> Store:
        return SqliteStore(path / "gateway.db")
