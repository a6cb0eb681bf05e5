"""What the dashboard asks of every page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.widget import Widget

if TYPE_CHECKING:
    from nebula.engine.api.values import Event


class Page(Widget):
    """A page that follows events; what its `do_NAME` methods do is on the key of that name (keys.KEYS)."""

    DEFAULT_CSS = "Page { width: 1fr; height: 1fr; }"
    paused = False

    def heard(self, events: Sequence[Event]) -> None:
        """Note what these events changed."""

    def stale(self) -> None:
        """Anything may have changed meanwhile."""

    def tick(self) -> None:
        """A second passed, and the page is seen."""

    def refresh_rows(self) -> None:
        """Ask for what changed, once at a time."""

    def go_back(self) -> bool:
        """Undo the last narrowing; False when there is none."""
        return False
