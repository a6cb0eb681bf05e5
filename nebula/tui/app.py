"""The application around the dashboard: its engine, its themes, its screen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message

from nebula.tui.dashboard import Dashboard
from nebula.tui.link import Feed, Link

if TYPE_CHECKING:
    from nebula.cli.context import Connect
    from nebula.cli.options import GlobalOptions
    from nebula.engine.api.verbs import Engine
    from nebula.tui.memory import Memory

_SETTLED = 5.0
"""Seconds until the first rows are there for certain."""
_GATHER = 0.15
"""Seconds in which events are gathered before the screen hears of them."""


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
        settled: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._settled = settled
        self.link = Link(open_engine, self._tell, lambda: connect.lister(options)[0])
        self._memory = memory
        self._lock = threading.Lock()
        self._inbox: list[Feed] = []
        self.dashboard = Dashboard(
            self.link, memory, connect, options, name=name, colour=colour, readonly=readonly, start=start
        )

    def get_default_screen(self) -> Dashboard:
        """See App: no other screen is made and drawn before it."""
        return self.dashboard

    def on_mount(self) -> None:
        """Look for the engine, once the screen is there."""
        if self._memory.known.theme in self.available_themes:
            self.theme = self._memory.known.theme
        self.call_after_refresh(self.link.start)
        self._settled()
        self.set_timer(_SETTLED, self._settled)

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

    def action_toggle_mouse(self) -> None:
        """Give the mouse to the terminal, or take it back."""
        driver = self._driver
        if driver is not None and hasattr(driver, "_disable_mouse_support"):
            self._mouse_off = not getattr(self, "_mouse_off", False)
            getattr(driver, "_disable_mouse_support" if self._mouse_off else "_enable_mouse_support")()
