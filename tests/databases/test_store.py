"""The store on MariaDB and PostgreSQL: what it promises everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.engine.store.database import Location, parse_url
from tests.support.databases import Server
from tests.support.store_contract import StoreContract

pytestmark = pytest.mark.databases


class TestMariadb(StoreContract):
    @pytest.fixture
    def location(self, mariadb: Server, tmp_path: Path) -> Iterator[Location]:
        with mariadb.fresh() as url:
            yield parse_url(url, tmp_path)


class TestPostgres(StoreContract):
    @pytest.fixture
    def location(self, postgres: Server, tmp_path: Path) -> Iterator[Location]:
        with postgres.fresh() as url:
            yield parse_url(url, tmp_path)
