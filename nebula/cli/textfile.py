"""Text from a file that somebody named."""

from __future__ import annotations

import sys
from pathlib import Path

from nebula.errors import NotFoundError, UsageError


def read_text(name: str, what: str, *, largest: int, hint: str, stdin: bool = False) -> str:
    """The file's text; with `stdin`, "-" is what is piped in. `what` names the file in messages, `hint` is for one of
    more than `largest` bytes. Raises NotFoundError, or UsageError for what is too large or no text.
    """
    try:
        if stdin and name == "-":
            raw = sys.stdin.buffer.read(largest + 1)
        else:
            with Path(name).expanduser().open("rb") as file:
                raw = file.read(largest + 1)
    except OSError as error:
        raise NotFoundError(f"{what} cannot be read", cause=error.strerror or str(error), hint=f"ls -l {name}") from error
    if len(raw) > largest:
        raise UsageError(f"{what} is larger than {largest >> 10} KiB", hint=hint)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} is not text in UTF-8", cause=str(error), hint=f"file {name}") from error
