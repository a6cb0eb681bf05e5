"""Commands run by their own handlers, on the dashboard's engine, with what they print kept."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from nebula.cli import entry, report
from nebula.cli.context import Connect, Context
from nebula.cli.options import GlobalOptions
from nebula.cli.remote_lists import EngineLists
from nebula.errors import NebulaError

if TYPE_CHECKING:
    from nebula.cli.connect import Lister
    from nebula.cli.context import Results
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.verbs import Engine


class Ran(NamedTuple):
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it said."""
        return "\n".join(part for part in (self.out.rstrip("\n"), self.err.rstrip("\n")) if part)


class _Kept:
    """An engine that commands do not close."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def close(self) -> None:
        """It goes on."""


class OnEngine:
    """The way to an engine that is there already; what needs none goes by `otherwise`."""

    def __init__(self, engine: Engine, otherwise: Connect) -> None:
        self._engine = cast("Engine", _Kept(engine))
        self._otherwise = otherwise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._otherwise, name)

    def reader(self, _options: GlobalOptions) -> Engine:
        """See Connect."""
        return self._engine

    def changer(self, _options: GlobalOptions) -> AbstractContextManager[Engine]:
        """See Connect."""
        return nullcontext(self._engine)

    def lister(self, _options: GlobalOptions) -> tuple[Lister, bool]:
        """See Connect."""
        return EngineLists(self._engine), True


class Captured(Context):
    """A run whose output is kept, as wide as its place on the screen."""

    def __init__(
        self, connect: Connect, options: GlobalOptions, *, columns: int = 0, results: Results | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        super().__init__(options, connect, out=io.StringIO(), err=io.StringIO(), environ={}, results=results, now=now)
        self._columns = columns

    def width(self) -> int:
        """See Context.width."""
        return self._columns


def run(context: Captured, line: Invocation) -> Ran:
    """Do what the line says; whatever goes wrong is part of the result."""
    try:
        status = entry.handler(line)(context, line)
    except NebulaError as error:
        if context.results:
            context.results.failed("", error)
        status = report.error(context, error)
    except Exception as error:  # a fault of the program itself must not end the dashboard
        status = report.unexpected(context, error)
    return Ran(status, cast("io.StringIO", context.out).getvalue(), cast("io.StringIO", context.err).getvalue())
