"""The verbs of the engine itself."""

from __future__ import annotations

from typing import Protocol

from nebula.engine.api.values import Accepted, Call, Status
from nebula.engine.api.verbs.answers import Findings


class System(Protocol):
    """The engine itself."""

    def status(self) -> Status: ...
    def doctor(self) -> Findings: ...
    def backup(self, path: str) -> str:
        """Copy the database to a file that does not exist yet; returns its path."""
        ...

    def check(self) -> Findings:
        """Whether the database is sound."""
        ...

    def support(self, path: str) -> str:
        """A redacted bundle for a bug report; returns its path."""
        ...

    def stop(self, call: Call) -> Accepted:
        """Ask the owner to let go at the next safe point."""
        ...
