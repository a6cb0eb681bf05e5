"""What goes wrong while measuring."""

from __future__ import annotations


class BenchError(Exception):
    """A figure could not be measured; `hint` is a command to type next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
