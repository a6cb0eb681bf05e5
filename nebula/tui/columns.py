"""The choice of columns."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import SelectionList, Static

from nebula.tui.modal import Modal


class ColumnChooser(Modal[list[str]]):
    """Answers the names of the columns to show, in the table's order."""

    DEFAULT_CSS = "ColumnChooser SelectionList { border: none; height: auto; max-height: 20; background: $surface; }"

    def __init__(self, names: Sequence[str], shown: Sequence[str]) -> None:
        super().__init__()
        self._names, self._shown = names, shown

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Vertical(classes="modal--box"):
            yield Static("Columns: Space chooses, Esc is done", classes="modal--title")
            yield SelectionList[str](*((name.replace("_", " "), name, name in self._shown) for name in self._names))

    def action_close(self) -> None:
        """What is chosen now."""
        chosen = set(self.query_one(SelectionList).selected)
        self.dismiss([name for name in self._names if name in chosen])
