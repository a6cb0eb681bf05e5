"""A private MariaDB and a private PostgreSQL server, started on first use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.databases import Server, server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    with server("mysql") as made:
        yield made


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with server("postgres") as made:
        yield made
