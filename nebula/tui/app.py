"""The application around the dashboard: its engine, its themes, its screen."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message

from nebula.tui.dashboard import Dashboard
from nebula.tui.link import Feed, Link
from nebula.tui.typing_ahead import TypingAhead, apart

if TYPE_CHECKING:
    from nebula.cli.context import Connect
    from nebula.cli.options import GlobalOptions
    from nebula.engine.api.verbs import Engine
    from nebula.tui.memory import Memory

_SETTLED = 5.0
"""Seconds until the first rows are there for certain."""
_GATHER = 0.15
"""Seconds in which events are gathered before the screen hears of them."""


def through_tmux(sequence: str) -> str:
    """A sequence that tmux hands on to its own terminal."""
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{doubled}\x1b\\"


def theme(chosen: str, colours: str | None) -> str:
    """The one chosen, if any. On a terminal of 16 colours or fewer its own ones: of others little would be left, and states
    would look alike.
    """
    return chosen or ("ansi-dark" if colours in {None, "standard"} else "")


class NebulaApp(App[str]):
    """`open_engine` gives the engine for as long as its context lasts. `settled` is called when what lives as long as the
    dashboard is there, at first the code, later the rows.
    """

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", show=False), Binding("ctrl+c", "quit", show=False)]

    class News(Message):
        """Something is in the inbox."""

    def __init__(
        self, open_engine: Callable[[], AbstractContextManager[Engine]], memory: Memory, connect: Connect,
        options: GlobalOptions, *, name: str, colour: str = "", readonly: bool = False, start: str = "",
        settled: Callable[[], object] = lambda: None, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        super().__init__()
        self._settled = settled
        self.link = Link(open_engine, self._tell, lambda: connect.lister(options)[0])
        self._memory = memory
        self._lock = threading.Lock()
        self._inbox: list[Feed] = []
        self._typed = TypingAhead(self, super().on_event)
        self.dashboard = Dashboard(
            self.link, memory, connect, options, name=name, colour=colour, readonly=readonly, start=start, clock=clock
        )

    def get_default_screen(self) -> Dashboard:
        """See App: no other screen is made and drawn before it."""
        return self.dashboard

    def on_mount(self) -> None:
        """Look for the engine, once the screen is there; a list does so after its first rows."""
        wanted = theme(self._memory.known.theme, self.console.color_system if not self.is_headless else "truecolor")
        if wanted in self.available_themes:
            self.theme = wanted
        self.call_after_refresh(self._look)
        self._settled()
        self.set_timer(_SETTLED, self._settled)

    def _look(self) -> None:
        if self.dashboard.list_page is None:
            self.link.start()

    async def on_event(self, event: events.Event) -> None:
        """See App: what is typed is dealt with in its turn."""
        if isinstance(event, (events.Key, events.Paste)) and not event.is_forwarded:
            for key in apart(event):
                await self._typed.take(key)
        else:
            await super().on_event(event)

    def _tell(self, feed: Feed) -> None:
        """From the link's thread: many events are heard at once."""
        with self._lock:
            self._inbox.append(feed)
            first = len(self._inbox) == 1
        if first:
            self.post_message(self.News())

    @on(News)
    def _later(self) -> None:
        self.set_timer(_GATHER, self._hear)

    def _hear(self) -> None:
        with self._lock:
            inbox, self._inbox = self._inbox, []
        events = [event for feed in inbox for event in feed.events]
        for feed in inbox:
            if feed.state is not None:
                self.dashboard.hear(feed)
        if events:
            self.dashboard.hear(Feed(events))

    def copy_to_clipboard(self, text: str) -> None:
        """See App (OSC 52). Inside tmux once more, for the terminal around it: tmux itself listens with `set-clipboard on`
        only, and hands on what is wrapped so with `allow-passthrough on`.
        """
        super().copy_to_clipboard(text)
        if os.environ.get("TMUX") and self._driver is not None:
            self._driver.write(through_tmux(f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a"))

    def action_toggle_mouse(self) -> None:
        """Give the mouse to the terminal, or take it back."""
        driver = self._driver
        if driver is not None and hasattr(driver, "_disable_mouse_support"):
            self._mouse_off = not getattr(self, "_mouse_off", False)
            getattr(driver, "_disable_mouse_support" if self._mouse_off else "_enable_mouse_support")()
