"""An owner that is killed after the work and before the answer: the next one is asked, and nothing is done twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from nebula import timeouts
from nebula.cli.daemon import _until_idle
from nebula.engine.api.tables import Query
from nebula.engine.api.values import Call
from nebula.engine.local.engine import own
from nebula.errors import UnreachableError
from nebula.rpc.client import RemoteEngine, try_connect
from nebula.rpc.link import Heir, Link, Waits
from nebula.rpc.server import Server

OWNER = """
import os, pathlib, signal, sys
from nebula.engine.local.engine import own
from nebula.errors import UnreachableError
from nebula.rpc.server import Server

engine = own(pathlib.Path(sys.argv[1]), "daemon")
create = engine.vms.create
engine.vms.create = lambda **given: (create(**given), os.kill(os.getpid(), signal.SIGKILL))
Server(engine, pathlib.Path(sys.argv[2]), replace=True).start()
print("ready", flush=True)
signal.pause()
"""


@contextmanager
def owner(home: Path, place: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", OWNER, str(home), str(place)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_the_answer_comes_from_the_next_owner(place: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    client = RemoteEngine(place, waits=Waits(handover=30.0))
    with owner(home, place) as process, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.vms.create, {"NAME": "web"}, Call(), True)
        assert process.wait(30) == -signal.SIGKILL
        assert try_connect(place, 0.1) is None
        local = own(home, "daemon")
        assert local is not None
        with Server(local, place, replace=True):
            accepted = answer.result(30)
            assert client.vms.list(Query(columns=("id", "name"))).rows == [[accepted.id, "web"]]
        client.close()
        local.close()


def test_an_owner_that_only_blinked_is_asked_for_again(place: Path, tmp_path: Path) -> None:
    local = own(tmp_path / "home", "daemon")
    assert local is not None
    server, asked = Server(local, place), list[int]()

    def take_over() -> Heir:
        asked.append(1)
        if len(asked) == 3:
            server.start()
        return Heir()

    client = RemoteEngine(place, link=Link(place, Waits(handover=30.0), take_over=take_over))
    assert client.vms.create({"NAME": "web"}, Call(), True).name == "web"
    assert len(asked) == 3
    client.close()
    server.stop()
    local.close()


def test_a_runner_stays_while_somebody_needs_it(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "RUNNER_LINGERS", 0.3)
    local = own(tmp_path / "home", "runner")
    assert local is not None
    with Server(local, place) as server:
        client = try_connect(place, 5.0)
        assert client is not None
        runner = threading.Thread(target=_until_idle, args=(local, server, threading.Event()))
        runner.start()
        for _ in range(10):
            time.sleep(0.1)
            assert client.system.status().role == "runner"
        assert runner.is_alive()
        client.close()
        runner.join(30)
        assert not runner.is_alive()
    local.close()


def test_what_nobody_answers_is_read_elsewhere_and_changed_nowhere(place: Path, tmp_path: Path) -> None:
    local = own(tmp_path / "home", "daemon")
    assert local is not None
    local.vms.create({"NAME": "web"}, Call(), hold=True)
    client = RemoteEngine(place, waits=Waits(handover=0.1), otherwise=lambda: local)
    assert [row[1] for row in client.vms.list(Query(columns=("id", "name"))).rows] == ["web"]
    with pytest.raises(UnreachableError):
        client.vms.rename("web", "other", Call())
    client.close()
