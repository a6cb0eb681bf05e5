"""Where the database is: URLs, and errors that say what was wrong."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from nebula.engine.store.database import as_error, connect, parse_url
from nebula.errors import CapacityError, ConflictError, DeniedError, NebulaError, UnreachableError, UsageError


def test_no_url_is_the_homes_own_file(tmp_path: Path) -> None:
    found = parse_url("", tmp_path)
    assert (found.dialect.kind, found.path) == ("sqlite", str(tmp_path / "nebula.db"))


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "postgres", "postgresql"])
def test_parts_of_a_url(tmp_path: Path, scheme: str) -> None:
    found = parse_url(f"{scheme}://a%40b:p%2F%25w@db.example:1234/nebula", tmp_path)
    assert (found.user, found.password, found.host, found.port, found.database) == ("a@b", "p/%w", "db.example", 1234, "nebula")
    assert parse_url(f"{scheme}://u@h/d", tmp_path).port in {3306, 5432}


@pytest.mark.parametrize("url", ["oracle://u:secret@h/d", "mysql://u:secret@h", "nonsense", "postgresql://u:secret@h:port/d"])
def test_other_urls_are_usage_errors_that_show_no_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError) as failure:
        parse_url(url, tmp_path)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("scheme", ["mysql", "postgresql"])
def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path, scheme: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(UnreachableError) as failure:
            connect(parse_url(f"{scheme}://u:secret@127.0.0.1:{port}/d", tmp_path))
    assert str(port) in failure.value.message
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("database or disk is full", CapacityError),
        ("disk I/O error", CapacityError),
        ("database disk image is malformed", NebulaError),
        ("file is not a database", NebulaError),
        ("unable to open database file", DeniedError),
        ("attempt to write a readonly database", DeniedError),
        ("UNIQUE constraint failed: vm.uuid", ConflictError),
        ("Duplicate entry 'a' for key", ConflictError),
        ("duplicate key value violates unique constraint", ConflictError),
        ("something else", NebulaError),
    ],
)
def test_words_of_the_databases_become_errors_of_the_tree(words: str, kind: type[NebulaError]) -> None:
    found = as_error(RuntimeError(words), "place")
    assert type(found) is kind
    assert found.hint
    assert words in str(found)
