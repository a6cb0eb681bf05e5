"""The command line over a real engine whose hosts are simulated."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest

from nebula.cli import entry
from nebula.cli.context import Context
from nebula.cli.options import GlobalOptions
from nebula.cli.remote_lists import EngineLists
from nebula.engine.local.engine import LocalEngine, own

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

    def restore(self, _: GlobalOptions, path: str) -> str:
        """The test's own path comes back."""
        return path

    def finish_jobs(self, _: str) -> int:
        """Nothing is left behind in a test."""
        return 0


Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A home of two simulated hosts with six VMs."""
    home: Path = tmp_path_factory.mktemp("home")
    engine = own(home, "command")
    assert engine is not None
    way = InProcess(engine)
    made = runner(way)("demo", "--home", str(home), "--hosts", "2", "--vms", "6")
    assert made.status == 0, made.err
    yield way
    engine.close()


@pytest.fixture
def cli(connect: InProcess) -> Cli:
    """Run a command line: cli("vm", "list")."""
    return runner(connect)


def runner(connect: InProcess) -> Cli:
    """The function that runs a line against that engine."""

    def run(*words: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        status = entry.run(words, lambda options: Context(options, connect, out=out, err=err, environ={}))
        return Result(status, out.getvalue(), err.getvalue())

    return run
