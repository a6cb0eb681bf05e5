"""What comes of a command for many objects: a line each, while it goes on."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from nebula.tui.drawer import Entry, part_line
from nebula.tui.modal import Modal


class Results(Modal[None]):
    """Esc closes it; the work goes on, and stays in the drawer."""

    DEFAULT_CSS = """
    Results VerticalScroll { height: auto; max-height: 24; scrollbar-size-vertical: 1; }
    """

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self._entry = entry

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Vertical(classes="modal--box"):
            yield Static(classes="modal--title", markup=False)
            with VerticalScroll():
                yield Static(classes="parts", markup=False)
            yield Static("Esc closes this; jobs go on", classes="modal--note")

    def on_mount(self) -> None:
        """As far as it is."""
        self.draw_results()

    def draw_results(self) -> None:
        """Write it anew: failures first."""
        entry = self._entry
        self.query_one(".modal--title", Static).update(f"$ {entry.line}\n{entry.summary or '…'}")
        order = {"failed": 0, "runs": 1, "done": 2}
        parts = sorted(entry.parts, key=lambda part: order[part.state])
        self.query_one(".parts", Static).update(Text("\n").join(part_line(part) for part in parts))
