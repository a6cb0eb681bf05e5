"""The three standard streams as they may come: closed, full, left by their reader, or of few letters."""

from __future__ import annotations

import os
import sys
from errno import EBADF, EDQUOT, EFBIG, EIO, ENOSPC, EPIPE
from io import TextIOWrapper


def steady() -> None:
    """Make them usable. What a closed one leaves free would be the number of the next file that is opened, and whatever
    a child prints would go into that: the database, for example. A closed stdout stays one that cannot be written to.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows ASCII only gets an escape


def terminal() -> bool:
    """Whether all three are a terminal, on which there can be a dashboard."""
    return all(os.isatty(number) for number in (0, 1, 2)) and os.environ.get("TERM", "dumb") != "dumb"


def of_output(problem: OSError) -> bool:
    """Whether it came from writing to a stream: files that cannot be opened or read are named in their error."""
    return problem.filename is None and problem.errno in {EPIPE, ENOSPC, EDQUOT, EFBIG, EBADF, EIO}


def lost() -> OSError | None:
    """Write what is buffered; why stdout cannot be written to. What is left then goes nowhere, so that Python shall not
    try again, and complain, at its exit.
    """
    for stream, number in ((sys.stderr, 2), (sys.stdout, 1)):
        try:
            stream.flush()
        except OSError as problem:
            os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), number)
            if number == 1:
                return problem
    return None
