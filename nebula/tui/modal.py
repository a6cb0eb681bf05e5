"""What all dialogs share."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.binding import Binding
from textual.screen import ModalScreen

T = TypeVar("T")


class Modal(ModalScreen[T], Generic[T]):
    """A box in the middle; Esc closes it and answers nothing."""

    DEFAULT_CSS = """
    Modal { align: center middle; }
    Modal > .modal--box {
        width: 90%; max-width: 100; height: auto; max-height: 90%;
        background: $surface; border: round $primary; padding: 0 1;
    }
    Modal .modal--title { text-style: bold; color: $text-accent; }
    Modal .modal--note { color: $text-muted; }
    Modal Input { border: none; height: 1; padding: 0 1; background: $boost; }
    Modal Input:focus { border: none; background: $primary-muted; }
    Modal OptionList {
        border: none; height: auto; max-height: 24; padding: 0; background: $surface; scrollbar-size-vertical: 1;
    }
    """
    BINDINGS = [Binding("escape", "close", show=False)]  # noqa: RUF012 - Textual's own way

    def action_close(self) -> None:
        """Answer nothing."""
        self.dismiss(None)
