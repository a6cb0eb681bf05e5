"""One of many, found by typing: the palette, the help, and every other choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from nebula.tui import ranking
from nebula.tui.modal import Modal


class Choice(NamedTuple):
    """`id` is answered; `name` is found by typing; `help` and `key` stand beside it. `near`: of what is chosen here; `far`: of
    another screen, and seen only when it is typed.
    """

    id: str
    name: str
    help: str = ""
    key: str = ""
    near: bool = False
    far: bool = False


class Chooser(Modal[str]):
    """Answers the id of what was chosen."""

    DEFAULT_CSS = """
    Chooser { align: center top; }
    Chooser > .modal--box { margin-top: 2; }
    """

    def __init__(self, title: str, choices: Sequence[Choice], *, recent: Sequence[str] = (), helps: bool = False) -> None:
        super().__init__()
        self._title, self._choices, self._recent, self._helps = title, choices, recent, helps

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Vertical(classes="modal--box"):
            yield Static(self._title, classes="modal--title", markup=False)
            yield Input(placeholder="type to search")
            yield OptionList()

    def on_mount(self) -> None:
        """All of it at first."""
        self._fill("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    @on(Input.Submitted)
    def _entered(self) -> None:
        found = self.query_one(OptionList)
        if found.highlighted is not None:
            self.dismiss(found.get_option_at_index(found.highlighted).id)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def on_key(self, event: events.Key) -> None:
        """Arrows move in the list while one types."""
        actions = {"down": "cursor_down", "up": "cursor_up", "pagedown": "page_down", "pageup": "page_up"}
        if event.key in actions and isinstance(self.focused, Input):
            event.stop()
            event.prevent_default()
            getattr(self.query_one(OptionList), f"action_{actions[event.key]}")()

    def shown(self) -> list[str]:
        """Ids of what fits, the best first; none before the list is there."""
        return [str(found.get_option_at_index(index).id) for found in self.query(OptionList)
                for index in range(found.option_count)]  # fmt: skip

    def _fill(self, typed: str) -> None:
        known = self._choices if typed.strip() else [choice for choice in self._choices if not choice.far]
        found = ranking.best(typed, known, _names, self._recent, lambda choice: choice.near)
        if self._helps and typed:
            already = {choice.id for choice in found}
            found += [choice for choice in self._choices if choice.id not in already and typed.lower() in choice.help.lower()]
        list_ = self.query_one(OptionList)
        list_.clear_options()
        list_.add_options(Option(_line(choice), id=choice.id) for choice in found)
        list_.highlighted = 0 if found else None


def _names(choice: Choice) -> tuple[str, ...]:
    """What is found by its whole name and by the verb alone."""
    return choice.name, choice.name.rpartition(" ")[2]


def _line(choice: Choice) -> Table:
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(width=26, no_wrap=True)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    line.add_row(
        Text(choice.name, style="bold"), Text(choice.help, style="dim"), Text(choice.key, style="reverse" if choice.key else "")
    )
    return line
