"""What a command that only reads had to say."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from nebula.tui.modal import Modal


class Reading(Modal[None]):
    """A page of text."""

    DEFAULT_CSS = """
    Reading > .modal--box { max-width: 140; }
    Reading VerticalScroll { height: auto; max-height: 30; overflow-x: auto; }
    Reading .reading--text { width: auto; }
    """

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Vertical(classes="modal--box"):
            yield Static(f"$ {self._title}", classes="modal--title", markup=False)
            with VerticalScroll():
                yield Static(Text.from_ansi(self._text), classes="reading--text", markup=False)
            yield Static("Esc closes this", classes="modal--note")
