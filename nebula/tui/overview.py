"""The first screen: how everything is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import ItemGrid
from textual.widgets import Static

from nebula.cli.output.text import printable
from nebula.cli.output.values import human, local_time
from nebula.errors import NebulaError
from nebula.tui.cells import state_style
from nebula.tui.outlook import Capacity, Outlook, look
from nebula.tui.page import Page
from nebula.tui.saying import said
from nebula.tui.views import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nebula.engine.api.values import Event
    from nebula.tui.link import Link

_AGAIN, _AFTER_NEWS = 10.0, 2.0
"""Seconds until everything is asked for again: where nothing happened, and where something did."""
_LEAST = 20
"""Columns of a bar at least."""
_HIGH, _FULL = 0.8, 0.95
_PANELS = ("health", "capacity", "hot", "waiting", "events")


class Overview(Page, can_focus=True):
    """Health, capacity, what runs hot, what waits and why, what happened last."""

    DEFAULT_CSS = """
    Overview { padding: 0 1; overflow-y: auto; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    Overview ItemGrid { height: auto; grid-gutter: 0 1; }
    Overview #panel-events { height: 1fr; min-height: 14; }
    Overview #panel-hot, Overview #panel-events { text-wrap: nowrap; text-overflow: ellipsis; }
    Overview Static { height: auto; border: round $panel-lighten-1; padding: 0 1; border-title-color: $text-accent; }
    """

    def __init__(self, link: Link, clock: Callable[[], float] = time.time) -> None:
        super().__init__(id="page-overview")
        self._link, self._clock = link, clock
        self._asked_at, self._news, self._asking = 0.0, True, False
        self.paused = False
        self._found: Outlook | None = None

    def compose(self) -> ComposeResult:
        """See Widget."""
        panels = [Static("…", id=f"panel-{name}", markup=False) for name in _PANELS]
        for panel, name in zip(panels, _PANELS, strict=True):
            panel.border_title = {"hot": "runs hot", "waiting": "waits", "events": "last events"}.get(name, name)
        yield ItemGrid(*panels[:-1], min_column_width=58, regular=True)
        yield panels[-1]

    def heard(self, events: Sequence[Event]) -> None:
        """Something happened."""
        self._news = self._news or bool(events)

    def stale(self) -> None:
        """Anything may have changed meanwhile."""
        self._news, self._asked_at = True, 0.0

    def tick(self) -> None:
        """Ask again when it is time."""
        age = self._clock() - self._asked_at
        if not self.paused and not self._asking and (age > _AGAIN or (self._news and age > _AFTER_NEWS)):
            self._asking, self._news = True, False
            self._ask()

    def refresh_rows(self) -> None:
        """See Page."""
        self.tick()

    @work
    async def _ask(self) -> None:
        try:
            found = await self._link.ask(lambda engine: look(engine, self._clock()))
            self._asked_at = self._clock()
        except NebulaError:
            return  # the header says that there is no engine
        finally:
            self._asking = False
        self._found = found
        self._write()

    def on_resize(self) -> None:
        """More or less room for bars."""
        self.call_after_refresh(self._write)

    def _write(self) -> None:
        found = self._found
        if found is None:
            return
        for name in _PANELS:
            for panel in self.query(f"#panel-{name}").results(Static):
                text = WRITERS[name](found, panel.content_size.width)
                text.rstrip()
                panel.update(text)


def health(found: Outlook, _: int) -> Text:
    """How many are in which state; what wants somebody."""
    text = Text()
    for noun, states in found.states.items():
        view = named(noun)
        text.append(f"{view.rows if view is not None else noun:<8}", "bold")
        text.append_text(_counts(states))
        text.append("\n")
    for trouble in found.troubles[:8]:
        text.append(f"! {printable(trouble)}\n", "red")
    if found.troubles:
        text.append("!", "bold reverse")
        text.append(" goes there", "dim")
    else:
        text.append("nothing wants attention", "green")
    return text


def _counts(states: Mapping[str, int]) -> Text:
    text = Text()
    for state, count in states.items():
        text.append(f" {count} ")
        text.append(state, state_style(state))
    return text if states else Text(" none", "dim")


def capacity(found: Outlook, columns: int) -> Text:
    """A bar each: used, promised, free; then when it will be full."""
    text = Text()
    for item in found.capacities:
        text.append(f"{printable(item.name)}  ", "bold")
        text.append(f"{amounts(item)}\n")
        text.append_text(bar(item, max(columns, _LEAST)))
        text.append("\n")
    for line in found.forecasts:
        text.append(f"{line}\n", "dim")
    return text


def bar(item: Capacity, columns: int) -> Text:
    """██████▒▒▒░░░: used, promised beyond that, free; also without colours."""
    used = max(item.used, 0) / item.total if item.total else 0.0
    promised = item.promised / item.total if item.total else 0.0
    full = round(min(used, 1) * columns)
    meant = max(round(min(promised, 1) * columns) - full, 0)
    colour = "red" if used > _FULL else "yellow" if used > _HIGH else "green"
    text = Text()
    text.append("█" * full, colour)
    text.append("▒" * meant, "cyan")
    text.append("░" * (columns - full - meant), "dim")
    return text


def amounts(item: Capacity) -> str:
    """What the bar shows, in figures: used 11.0G, promised 13.5G (5%) of 256.0G."""
    found = [f"used {human(item.unit, item.used, 0)}" if item.used >= 0 else "not measured yet"]
    if item.promised:
        share = item.promised / item.total if item.total else 0.0
        found.append(f"promised {human(item.unit, item.promised, 0)} ({share:.0%})")
    return f"{', '.join(found)} of {human(item.unit, item.total, 0)}"


def hot(found: Outlook, _: int) -> Text:
    """The busiest."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for item in found.hot:
        load = max(item.cpu, item.memory)
        colour = "red" if load > _FULL else "yellow" if load > _HIGH else ""
        text.append(f"{item.kind:<5}{printable(item.name):<20.20} ")
        text.append(f"cpu {item.cpu:>4.0%}  memory {item.memory:>4.0%}\n", colour)
    return text if found.hot else Text("nothing is measured yet", "dim")


def waiting(found: Outlook, _: int) -> Text:
    """What waits for a host, and why."""
    text = Text()
    for item in found.waiting:
        text.append(printable(item.name), "bold")
        text.append(f"  {printable(item.why)}\n", "yellow")
        if item.hint:
            text.append(f"    {printable(item.hint)}\n", "dim")
    return text if found.waiting else Text("nothing waits", "green")


def events(found: Outlook, _: int) -> Text:
    """The latest first."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for event in found.events:
        name = str(event.body.get("name") or event.object_id)
        text.append(f"{local_time(event.at)[11:]} ", "dim")
        text.append(f"{event.kind:<14} {event.object_kind} {printable(name)}  {printable(said(event.body))}")
        text.append(f"  {event.actor}\n", "dim")
    return text if found.events else Text("nothing happened yet", "dim")


WRITERS: dict[str, Callable[[Outlook, int], Text]] = {
    "health": health, "capacity": capacity, "hot": hot, "waiting": waiting, "events": events,
}  # fmt: skip
