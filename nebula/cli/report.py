"""Errors as people see them, always on stderr: what, why, and what to type next."""

from __future__ import annotations

from nebula.cli.colour import paint
from nebula.cli.context import Context
from nebula.cli.output.text import printable
from nebula.errors import NebulaError


def error(context: Context, problem: NebulaError, *, of: str = "") -> int:
    """Print the error (`of`: the object it is about); returns its exit status."""
    coloured = context.colours(context.err)
    message = f"{of}: {problem.message}" if of and of not in problem.message else problem.message
    lines = [("error", "red", message), ("cause", "yellow", problem.cause), ("hint", "cyan", problem.hint)]
    for label, colour, text in lines:
        if text:
            print(f"{paint(label + ':', colour, wanted=coloured)} {printable(text)}", file=context.err, flush=True)
    return problem.exit_status


def unexpected(context: Context, problem: BaseException) -> int:
    """Print a fault of the program itself; returns 1."""
    if context.options.debug:
        import traceback

        traceback.print_exception(problem, file=context.err)
    text = f"{type(problem).__name__}: {problem}"
    fault = NebulaError(
        "nebula met a fault in itself",
        cause=text if len(text) < 500 else f"{text[:500]}…",
        hint="nebula support bundle.tar.gz makes a report of it; --debug shows where it happened",
    )
    return error(context, fault)


def broken_pipe() -> int:
    """Whoever read stdout left (`| head`): be quiet about it."""
    return 141
