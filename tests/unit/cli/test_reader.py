"""Who only reads, while the home's owner ends."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from nebula.cli.connect import reader
from nebula.cli.daemon import make_server
from nebula.cli.options import GlobalOptions
from nebula.engine.api.tables import Query
from nebula.engine.api.values import Call
from nebula.engine.local.engine import LocalEngine, own
from nebula.errors import DeniedError, UnreachableError
from nebula.rpc.server import Server

NAMES = Query(columns=("name",))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nobody was yet."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "home"


def served(home: Path) -> tuple[LocalEngine, Server]:
    """An owner that answers."""
    local = own(home, "daemon")
    assert local is not None
    return local, make_server(local)


def ended(local: LocalEngine, server: Server) -> None:
    """It ends."""
    server.stop()
    local.close()


def test_the_file_is_read_once_the_owner_has_ended(home: Path) -> None:
    owner = served(home)
    owner[0].vms.create({"NAME": "web"}, Call(), hold=True)
    found = reader(GlobalOptions(home=str(home)))
    ended(*owner)
    assert found.vms.list(NAMES).rows == [["web"]]
    found.close()


def test_the_next_owner_is_asked_where_there_is_one(home: Path) -> None:
    first = served(home)
    found = reader(GlobalOptions(home=str(home)))
    ended(*first)
    second = served(home)
    second[0].vms.create({"NAME": "web"}, Call(), hold=True)
    assert found.vms.list(NAMES).rows == [["web"]]
    found.close()
    ended(*second)


def test_an_owner_that_stops_is_waited_for(home: Path) -> None:
    local, server = served(home)
    found = reader(GlobalOptions(home=str(home)))
    server.stop()
    local.leaving()
    end = threading.Timer(0.3, local.close)
    end.start()
    assert found.vms.list(NAMES).rows == []
    end.join()
    found.close()


def test_an_owner_that_is_there_and_silent_is_an_error(home: Path) -> None:
    local, server = served(home)
    found = reader(GlobalOptions(home=str(home)))
    server.stop()
    with pytest.raises(UnreachableError, match="no engine answers"):
        found.vms.list(NAMES)
    found.close()
    local.close()


def test_a_home_that_another_user_keeps_to_themselves(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (home, os.R_OK | os.X_OK))
    with pytest.raises(DeniedError, match="belongs to another user"):
        reader(GlobalOptions(home=str(home)))
