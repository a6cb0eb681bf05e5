"""Errors as people see them, always on stderr: what, why, and what to type next."""

from __future__ import annotations

import sys
from contextlib import suppress

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
            with suppress(OSError):  # the exit status says it, too
                print(f"{paint(label + ':', colour, wanted=coloured)} {_lines(text, len(label))}", file=context.err, flush=True)
    return problem.exit_status


def _lines(text: str, label: int) -> str:
    """On one line; a text whose last line marks a place in the one before keeps both, one under the other."""
    head, _, mark = text.rpartition("\n")
    if mark.strip() != "^" or "\n" in head:
        return printable(text)
    return f"{printable(head)}\n{' ' * (label + 2)}{mark}"


def unexpected(context: Context, problem: BaseException) -> int:
    """Print a fault of the program itself; returns 1."""
    if context.options.debug:
        import traceback

        traceback.print_exception(problem, file=context.err)
    text = f"{type(problem).__name__}: {problem}"
    mend = getattr(sys.modules["__main__"], "mend", None)  # the one file's own start has it
    if mend is not None and mend():
        damaged = NebulaError(
            "the program's unpacked copy was damaged; it has been thrown away",
            cause=text,
            hint="type the command again: it unpacks itself anew",
        )
        return error(context, damaged)
    fault = NebulaError(
        "nebula met a fault in itself",
        cause=text if len(text) < 500 else f"{text[:500]}…",
        hint="nebula support bundle.tar.gz makes a report of it; --debug shows where it happened",
    )
    return error(context, fault)


def broken_pipe() -> int:
    """Whoever read stdout left (`| head`): be quiet about it."""
    return 141
