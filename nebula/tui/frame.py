"""The lines around every screen: header, screens, keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Static

from nebula.tui import keys
from nebula.tui.views import VIEWS, View


class Situation(NamedTuple):
    """What the header says. `colour`: the context's, "" for none."""

    name: str
    colour: str = ""
    readonly: bool = False
    paused: bool = False
    away: str = ""
    """Why there is no engine; "" while there is one."""
    jobs: int = 0
    counts: str = ""
    wanting: str = ""
    """What wants somebody; "" where all is well."""
    silent: float = 0.0
    """Seconds for which the engine has owed an answer, where that is longer than it should take."""


class Header(Static):
    """The context, and what is the matter."""

    DEFAULT_CSS = "Header { height: 1; background: $panel; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }"

    def say(self, now: Situation) -> None:
        """Draw it."""
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("nebula ", "bold")
        text.append(f" {now.name} ", f"bold reverse {now.colour}".strip())
        if now.readonly:
            text.append("  read-only", "bold yellow")
        if now.paused:
            text.append("  paused", "bold yellow")
        if now.away:
            text.append(f"  {now.away}", "bold red")
        elif now.silent:
            text.append(f"  the engine has not answered for {now.silent:.0f} s", "bold red")
        else:
            if now.wanting:
                text.append("  ")
                text.append("!", "bold reverse red")
                text.append(f" {now.wanting}", "bold red")
            text.append(f"  {now.counts}", "dim")
            if now.jobs:
                text.append(f"  {now.jobs} job{'s' if now.jobs > 1 else ''} under way", "cyan")
        self.update(text, layout=False)


_SHORT = 6
"""Letters of a short title at most."""


class Bar(Static):
    """The screens that have a key of their own."""

    DEFAULT_CSS = "Bar { height: 1; background: $surface; padding: 0; }"
    _ends: Sequence[tuple[int, str]] = ()
    """Columns before which the titles end, and their screens."""

    class Chosen(Message):
        """A screen's title was clicked."""

        def __init__(self, view: str) -> None:
            self.view = view
            super().__init__()

    def say(self, current: str, columns: int) -> None:
        """Draw it."""
        text, self._ends = screens(current, columns)
        self.update(text, layout=False)

    def on_click(self, event: events.Click) -> None:
        """To the screen whose title that is."""
        clicked = next((view for end, view in self._ends if event.x < end), None)
        if clicked is not None:
            self.post_message(self.Chosen(clicked))


def screens(current: str, columns: int) -> tuple[Text, list[tuple[int, str]]]:
    """Keys and titles, short ones where there is little room; where each ends, and its screen."""
    shown = [view for view in VIEWS if view.key or view.name == current]
    titles = [view.title for view in shown]
    for letters in (_SHORT, 3, 2):
        if _room(shown, titles) > columns:
            titles = [(view.short or view.title)[: letters if view.key else None] for view in shown]
    wide = _room(shown, titles) + len(shown) <= columns
    text = Text(no_wrap=True, overflow="ellipsis")
    ends: list[tuple[int, str]] = []
    for view, title in zip(shown, titles, strict=True):
        here = view.name == current
        style = "bold reverse" if here else ""
        text.append(f" {view.key} " if view.key else " ", f"{style} dim".strip() if not here else style)
        text.append(f"{title} " if here or wide else title, style)
        ends.append((len(text), view.name))
    return text, ends


def _room(shown: Sequence[View], titles: Sequence[str]) -> int:
    """Columns that the screens' keys and these titles take."""
    return sum((3 if view.key else 1) + len(title) for view, title in zip(shown, titles, strict=True)) + 1


class Footer(Static):
    """Keys that do something here and now."""

    DEFAULT_CSS = "Footer { height: 1; background: $panel; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }"

    def say(self, hints: Sequence[tuple[str, str]], columns: int) -> None:
        """(key, word) each, as many as there is room for."""
        text = Text(no_wrap=True, overflow="ellipsis")
        for key, word in hints:
            sign = keys.shown(key)
            if len(text) + len(sign) + len(word) + 1 > columns:
                break
            text.append(sign, "bold cyan")
            text.append(f" {word}  ", "default")
        self.update(text, layout=False)
