"""The store on SQLite: what it promises everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from nebula.engine.store.database import Location, parse_url
from tests.support.store_contract import StoreContract


class TestSqlite(StoreContract):
    @pytest.fixture
    def location(self, tmp_path: Path) -> Location:
        return parse_url("", tmp_path)
