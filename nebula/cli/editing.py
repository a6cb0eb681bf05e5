"""A text in a person's editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nebula.errors import NebulaError, UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context

T = TypeVar("T")


def edited(context: Context, text: str, name: str, read: Callable[[str, str], T], again: str) -> T | None:
    """What `read(text, name)` makes of the text as it was changed; None if it was not. A text that cannot be read stays in
    its file, and the error's hint is to type `again` with it.
    """
    words = _editor(context)
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to change the template in an editor", hint=f"{again} FILE")
    path = keep(text, name)
    file = Path(path)
    try:
        status = subprocess.run([*words, path], check=False).returncode
    except OSError as error:
        file.unlink()
        raise NebulaError(f"the editor {words[0]} cannot be started", cause=str(error), hint="export EDITOR=nano") from error
    changed = file.read_text(encoding="utf-8", errors="surrogateescape")
    if status or changed == text:
        file.unlink()
        context.say(f"the editor ended with status {status}: nothing was changed" if status else "nothing was changed")
        return None
    try:
        found = read(changed, path)
    except NebulaError as error:
        error.hint = f"mend it and type {again} {path}"
        raise
    file.unlink()
    return found


def keep(text: str, name: str) -> str:
    """Put a text that would be lost into a file; its path."""
    handle, path = tempfile.mkstemp(prefix="nebula-", suffix=f"-{name}.one")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    return path


def _editor(context: Context) -> list[str]:
    typed = context.environ.get("VISUAL") or context.environ.get("EDITOR") or "vi"
    try:
        words = shlex.split(typed)
    except ValueError:
        words = []
    if not words:
        raise UsageError(f"EDITOR={typed[:60]!r} is no command", hint="export EDITOR=nano")
    return words
