"""The only place where an argv becomes a shell string for a remote login shell (POSIX: sh, bash, dash, ksh, zsh)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from nebula.errors import UsageError

LIMIT = (1 << 17) - 1
"""Bytes of a whole command: sshd hands it to the login shell as one argument, and Linux takes no longer ones."""


def check_argv(argv: Sequence[str]) -> tuple[str, ...]:
    """The argv, if a program could be started with it; UsageError for an empty one, a NUL, a text that is no Unicode,
    or more than `LIMIT` bytes.
    """
    if isinstance(argv, str) or not argv or not argv[0]:
        raise UsageError(f"cannot run {argv!r}", cause="a command is a list of words, and the first one names a program")
    for word in argv:
        _check_word(argv[0], word)
    if sum(len(word.encode()) + 1 for word in argv) > LIMIT:
        raise _too_long(argv[0])
    return tuple(argv)


def shell_string(argv: Sequence[str]) -> str:
    """One string that a POSIX shell turns back into exactly these words; UsageError as in `check_argv`."""
    text = shlex.join(check_argv(argv))
    if len(text.encode()) > LIMIT:
        raise _too_long(argv[0])
    return text


def _check_word(program: str, word: str) -> None:
    if "\0" in word:
        raise UsageError(f"cannot run {program!r}", cause="an argument holds a NUL byte")
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"cannot run {program!r}", cause=f"an argument is no valid text: {error}") from error


def _too_long(program: str) -> UsageError:
    return UsageError(f"cannot run {program!r}", cause=f"the command is longer than {LIMIT} bytes")
