"""Keys one after the other: the next one is heard when all that the one before led to is done."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual import events

if TYPE_CHECKING:
    from textual.app import App
    from textual.message_pump import MessagePump
    from textual.screen import Screen

Typed = events.Key | events.Paste
_LONGEST = 5.0
"""Seconds for which a key may hold up those behind it."""


def apart(event: Typed) -> list[Typed]:
    """Esc and a letter that come at once, as over a slow line, are read as Alt and that letter; there is no such key here."""
    if isinstance(event, events.Key) and event.key.startswith("alt+") and event.character:
        return [events.Key("escape", "\x1b"), events.Key(event.character, event.character)]
    return [event]


class TypingAhead:
    """Holds back what is typed while a key is being dealt with, so that letters go where that key sent the focus.

    By Textual's ordinary way each key is handed to the widget that has the focus at that moment. Letters are taken there at
    once; others (Tab, Enter, Ctrl-U) go from widget to widget up to the application and are done there, by then after the
    letters that were typed behind them. Every widget reads its messages in their order. So a message of ours that goes the same
    way behind a key arrives when the key is done, and one more behind what the key made widgets tell each other.
    """

    def __init__(self, app: App[str], deliver: Callable[[Typed], Awaitable[None]]) -> None:
        self._app, self._deliver = app, deliver
        self._waiting: deque[Typed] = deque()
        self._turn = 0
        """Which key is being dealt with; messages of earlier ones mean nothing any more."""
        self._since: float | None = None
        """When that one began; None while there is none."""
        self._ready: Screen[object] | None = None
        """The screen that is known to have begun and to have set its focus."""

    async def take(self, event: Typed) -> None:
        """Deal with it now, or in its turn."""
        self._waiting.append(event)
        if self._since is None or time.monotonic() - self._since > _LONGEST:
            await self._next()

    async def _next(self) -> None:
        self._turn += 1
        if not self._waiting:
            self._since = None
            return
        self._since = time.monotonic()
        screen = self._app.screen
        if screen is not self._ready:
            self._ready = screen
            await self._follow(self._turn, [screen, self._app])
            return
        path: list[MessagePump] = [*(self._app.focused or screen).ancestors_with_self]
        await self._deliver(self._waiting.popleft())
        await self._follow(self._turn, path + path)

    async def _follow(self, turn: int, path: list[MessagePump]) -> None:
        """Behind everything that each of these has to read; who is gone has nothing to read."""
        if turn != self._turn:
            return
        for place, node in enumerate(path):
            if node.call_later(self._follow, turn, path[place + 1 :]):
                return
        await self._next()
