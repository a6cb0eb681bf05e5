"""From argv to an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from errno import ENAMETOOLONG
from importlib import import_module
from typing import TYPE_CHECKING, cast

from nebula.cli import fastparse, streams
from nebula.cli.invocation import Invocation
from nebula.cli.options import GlobalOptions
from nebula.errors import DeniedError, NebulaError, UsageError

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
    streams.steady()
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
            status = line
        else:
            context = context_for(line.options)
            status = handler(line)(context, line)
    except Exception as problem:
        status = _failed(context, problem)
    except KeyboardInterrupt:
        status = 130
    lost = streams.lost()
    return status if lost is None else _unwritten(context, lost, status)


def parse(words: Sequence[str]) -> Invocation | int:
    """By the fast parser, else by Typer. UsageError for a line that makes no sense."""
    odd = next((word for word in words if not _is_text(word)), None)
    if odd is not None:
        raise UsageError(f"{odd[:60]!a} is not text in UTF-8", hint="type it again; a file of such a name must be renamed")
    line = fastparse.parse(words)
    if line is not None:
        return line
    from nebula.cli import typerfront

    return typerfront.parse(words)


def _is_text(word: str) -> bool:
    return word.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in word)


def handler(line: Invocation) -> Handler:
    """The function that does what the line says."""
    module, _, name = line.command.handler.partition(":")
    return cast("Handler", getattr(import_module(f"nebula.cli.{module}"), name))


def _failed(context: Context, problem: Exception) -> int:
    from nebula.cli import report

    if isinstance(problem, OSError) and streams.of_output(problem):
        streams.lost()
        return _unwritten(context, problem, 0)
    known = _of_a_file(problem) if isinstance(problem, OSError) else problem
    if isinstance(known, NebulaError):
        return report.error(context, known)
    return report.unexpected(context, problem)


def _of_a_file(problem: OSError) -> NebulaError | None:
    """What the system says of a name that was typed, whoever was the first to use it."""
    named = str(problem.filename or "")
    if named and problem.errno == ENAMETOOLONG:
        return UsageError(f"{named[:60]!r}… is too long for the name of a file", hint="give a shorter path")
    if named and isinstance(problem, PermissionError):
        return DeniedError(f"{named} cannot be used", cause=str(problem.strerror), hint=f"ls -ld {named}, or sudo nebula …")
    return None


def _unwritten(context: Context, lost: OSError, status: int) -> int:
    """The exit status where data went nowhere: a reader that left (`| head`) is no error."""
    from nebula.cli import report

    if isinstance(lost, BrokenPipeError):
        return status or report.broken_pipe()
    return report.error(context, NebulaError("stdout cannot be written to", cause=str(lost), hint="df -h, or > another file"))


def _context(options: GlobalOptions, connect: Connect) -> Context:
    from nebula.cli.context import Context

    return Context(options, connect)
