"""What goes wrong on the way."""

from __future__ import annotations


class QuickstartError(Exception):
    """A step failed; `hint` is a command to type next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
