"""What belongs to somebody: who may do what with it."""

from __future__ import annotations

from nebula.engine.store.rows.base import Versioned

PRIVATE = 0o600
"""Its owner may use and manage it."""
COMMON = 0o644
"""Everybody may use it, too."""


class Owned(Versioned, kw_only=True):
    """`mode` has three bits each for the owner, the group and others: 4 use, 2 manage, 1 administrate."""

    owner: str = ""
    group: str = ""
    mode: int = PRIVATE
    locked: str = ""
    """What nobody but administrators may do with it until it is unlocked: use (and all else), manage (and administrate), admin;
    "": it is not locked.
    """
    locked_by: str = ""
    locked_at: int = 0
    """In seconds."""
