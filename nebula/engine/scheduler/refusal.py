"""What a criterion answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Refusal(NamedTuple):
    """A test that failed: a short name for counting, the words for this host (or what makes them, where that costs), and
    by how much (0: not a quantity).
    """

    test: str
    words: str | Callable[[], str]
    short: int = 0

    def told(self) -> str:
        """The words."""
        return self.words if isinstance(self.words, str) else self.words()
