"""What goes wrong while building."""

from __future__ import annotations


class BuildError(Exception):
    """The file cannot be built; `hint` is a command to type next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
