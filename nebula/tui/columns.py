"""The choice of columns."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from nebula.tui.modal import Modal
from nebula.tui.ticks import Ticks


class ColumnChooser(Modal[list[str]]):
    """Answers the names of the columns to show, in the table's order."""

    def __init__(self, names: Sequence[str], shown: Sequence[str]) -> None:
        super().__init__()
        self._names, self._shown = names, shown

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Vertical(classes="modal--box"):
            yield Static("Columns: Space chooses, Esc is done", classes="modal--title")
            yield Ticks(*((name.replace("_", " "), name, name in self._shown) for name in self._names))

    def action_close(self) -> None:
        """What is chosen now."""
        chosen = set(self.query_one(Ticks).selected)
        self.dismiss([name for name in self._names if name in chosen])
