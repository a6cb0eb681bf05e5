"""From argv to an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

from nebula.cli import fastparse
from nebula.cli.invocation import Invocation
from nebula.cli.options import GlobalOptions
from nebula.errors import NebulaError

if TYPE_CHECKING:
    from nebula.cli.context import Connect, Context

    Handler = Callable[[Context, Invocation], int]


class _Lazy:
    """`nebula.cli.connect`, imported when somebody goes through it."""

    def __getattr__(self, name: str) -> object:
        return getattr(import_module("nebula.cli.connect"), name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    connect = cast("Connect", _Lazy())
    if words[:1] == ["__complete"]:
        from nebula.cli.completion.candidates import run_completion

        return run_completion(words[1:], connect)
    if words[:1] == ["__runner"] and len(words) == 2:
        return connect.finish_jobs(words[1])
    return run(words, lambda options: _context(options, connect))


def run(words: Sequence[str], context_for: Callable[[GlobalOptions], Context]) -> int:
    """Parse, run, and turn whatever goes wrong into an exit status."""
    context = context_for(GlobalOptions(debug="--debug" in words))
    try:
        line = parse(words)
        if isinstance(line, int):
            return line
        context = context_for(line.options)
        return handler(line)(context, line)
    except Exception as problem:
        return _failed(context, problem)
    except KeyboardInterrupt:
        return 130
    finally:
        _flush()


def parse(words: Sequence[str]) -> Invocation | int:
    """By the fast parser, else by Typer. UsageError for a line that makes no sense."""
    line = fastparse.parse(words)
    if line is not None:
        return line
    from nebula.cli import typerfront

    return typerfront.parse(words)


def handler(line: Invocation) -> Handler:
    """The function that does what the line says."""
    module, _, name = line.command.handler.partition(":")
    return cast("Handler", getattr(import_module(f"nebula.cli.{module}"), name))


def _failed(context: Context, problem: Exception) -> int:
    from nebula.cli import report

    if isinstance(problem, BrokenPipeError):
        return report.broken_pipe()
    if isinstance(problem, NebulaError):
        return report.error(context, problem)
    return report.unexpected(context, problem)


def _context(options: GlobalOptions, connect: Connect) -> Context:
    from nebula.cli.context import Context

    return Context(options, connect)


def _flush() -> None:
    """Write what is buffered; a reader that left (`| head`) is no error, and Python shall not complain at exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
