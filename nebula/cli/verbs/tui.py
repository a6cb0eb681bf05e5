"""nebula tui: the dashboard."""

from __future__ import annotations

import gc
import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from nebula.cli import streams
from nebula.errors import UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.verbs import Engine

_LONGEST = 24
"""Letters of a home's path in the header."""


def run(context: Context, line: Invocation) -> int:
    """Until it is left; jobs go on. Another home is another dashboard."""
    if line.flag("web"):
        return _in_browser(context, line)
    if not (streams.terminal() or os.environ.get("TEXTUAL_DRIVER")):
        raise UsageError("the dashboard wants a terminal", hint="nebula --help; nebula vm list")
    while True:
        another = _dashboard(context, line)
        if not another:
            return 0
        context.options = context.options._replace(home=another)


def _dashboard(context: Context, line: Invocation) -> str:
    """One home's; the home that was chosen in its place, "" where it was left."""
    gc.disable()  # nearly all that is made until the screen is there stays: rounds over it would be for nothing
    from nebula.cli.connect import home_of
    from nebula.tui.app import NebulaApp
    from nebula.tui.memory import Memory, directory

    memory = Memory(directory(context.environ))
    home = str(home_of(context.options))
    known = memory.choices.contexts.get(home)
    readonly = line.flag("readonly") or bool(known and known.readonly)
    options = context.options._replace(no_wait=True, quiet=True)

    def open_engine() -> AbstractContextManager[Engine]:
        return context.reader() if readonly else context.connect.changer(options)

    app = NebulaApp(
        open_engine, memory, context.connect, options, name=known.name if known and known.name else _shown(home),
        colour=known.colour if known else "", readonly=readonly, start=line.text("view"), settled=_settled,
    )  # fmt: skip
    try:
        return app.run() or ""
    finally:
        gc.enable()
        app.link.close()
        memory.save()


def _settled() -> None:
    """Full rounds of the garbage collector over all that stays would hold up keys for 60 ms."""
    gc.freeze()
    gc.enable()


def _shown(home: str) -> str:
    """A home's path as the header has room for it: its end."""
    return home if len(home) <= _LONGEST else f"…{home[1 - _LONGEST :]}"


def _in_browser(context: Context, line: Invocation) -> int:
    try:
        from nebula.tui.web import serve
    except ImportError as error:
        raise UsageError(
            "the dashboard in a browser wants textual-serve", cause=str(error), hint="pip install 'nebula[web]'"
        ) from error
    home = ["--home", context.options.home] if context.options.home else []
    view = [line.text("view")] if line.text("view") else []
    serve([*home, "tui", *view, *(["--readonly"] if line.flag("readonly") else [])])
    return 0
