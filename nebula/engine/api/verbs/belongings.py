"""The verbs of all that belongs to somebody."""

from __future__ import annotations

from typing import Protocol

from nebula.engine.api.values import Accepted, Call


class Belongings(Protocol):
    """What belongs to somebody. A right each to use, manage and administrate it has the owner, the group, and others."""

    def chown(self, ref: str, owner: str, call: Call) -> Accepted:
        """Give it to another user of the engine's machine."""
        ...

    def chgrp(self, ref: str, group: str, call: Call) -> Accepted:
        """Share it with a group of the engine's machine."""
        ...

    def chmod(self, ref: str, mode: str, call: Call) -> Accepted:
        """`mode`: three digits for owner, group and others, each the sum of 4 (use), 2 (manage), 1 (administrate)."""
        ...

    def lock(self, ref: str, level: str, call: Call) -> Accepted:
        """Nobody but administrators does with it what the level says until it is unlocked: use (or all): anything but look at
        it; manage: change it; admin: what its administrators may.
        """
        ...

    def unlock(self, ref: str, call: Call) -> Accepted:
        """For who locked it, and for administrators. One that is not locked stays so."""
        ...
