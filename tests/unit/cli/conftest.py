"""The command line over a real engine whose hosts are simulated."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest

from nebula.cli import connect as real_connect
from nebula.cli import connect as way
from nebula.cli import entry
from nebula.cli.context import Connect, Context
from nebula.cli.options import GlobalOptions
from nebula.cli.remote_lists import EngineLists
from nebula.engine.local.engine import LocalEngine, own
from nebula.engine.store.rows import BackupRow, DatastoreRow

if TYPE_CHECKING:
    from nebula.engine.api.verbs import Engine


class Result(NamedTuple):
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Lines of stdout."""
        return self.out.splitlines()


class Kept:
    """The engine's nouns without its `close`: it lives as long as the test module."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def close(self) -> None:
        """Nothing."""


class InProcess:
    """The way to that engine."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = cast("Engine", Kept(engine))

    def reader(self, _: GlobalOptions) -> Engine:
        """The engine."""
        return self.engine

    def lister(self, _: GlobalOptions) -> tuple[EngineLists, bool]:
        """The engine's lists."""
        return EngineLists(self.engine), True

    def changer(self, _: GlobalOptions) -> AbstractContextManager[Engine]:
        """The engine."""
        return nullcontext(self.engine)

    def serve(self, _: GlobalOptions) -> int:
        """Nobody serves in a test."""
        return 0

    def terminate_owner(self, _: GlobalOptions) -> int:
        """Nobody is ended in a test."""
        return 0

    def restore(self, _: GlobalOptions, path: str, *, dry_run: bool = False) -> str:
        """The test's own path comes back."""
        return path

    def replay(self, files: Sequence[Mapping[str, Any]], changes: Mapping[str, str]) -> list[dict[str, Any]]:
        """No engine is needed."""
        return way.replay(files, changes)

    def finish_jobs(self, _: str) -> int:
        """Nothing is left behind in a test."""
        return 0


Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A home of two simulated hosts with six VMs, a VM group, a scheduled action and a backup."""
    home: Path = tmp_path_factory.mktemp("home")
    engine = own(home, "command")
    assert engine is not None
    way = InProcess(engine)
    made = runner(way)("demo", "--home", str(home), "--hosts", "2", "--vms", "6")
    assert made.status == 0, made.err
    grouped = runner(way)("vmgroup", "create", "shop", "--role", "web:anti-affined", "--role", "db")
    assert grouped.status == 0, grouped.err
    planned = runner(way)("schedule", "create", "db-1", "reboot", "+9d")
    assert planned.status == 0, planned.err
    where = engine.services.store.read().select(DatastoreRow)[0].id
    kept = BackupRow(name="db-1", vm_id=2, uuid="u", datastore_id=where, kind="full", snapshot="s", owner="root")
    engine.services.store.write(lambda tx: tx.insert(kept))
    yield way
    engine.close()


@pytest.fixture
def cli(connect: InProcess) -> Cli:
    """Run a command line: cli("vm", "list")."""
    return runner(connect)


Program = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def program(home: Path) -> Program:
    """The program as it is, on that home."""

    def run(*words: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        way = cast("Connect", real_connect)
        words = ("--home", str(home), *words)
        status = entry.run(words, lambda options: Context(options, way, out=out, err=err, environ={}))
        return Result(status, out.getvalue(), err.getvalue())

    return run


def runner(connect: InProcess) -> Cli:
    """The function that runs a line against that engine."""

    def run(*words: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        status = entry.run(words, lambda options: Context(options, connect, out=out, err=err, environ={}))
        return Result(status, out.getvalue(), err.getvalue())

    return run
