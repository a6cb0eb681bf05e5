"""What goes wrong in the lab, said once with the command to type next."""

from __future__ import annotations


class LabError(Exception):
    """A lab command that could not do its work; `hint` is a command to type next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
