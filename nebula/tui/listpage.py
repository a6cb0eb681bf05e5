"""A screen that lists objects: the rows, live; beside them what is known of the one under the cursor."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.css.scalar import Scalar
from textual.message import Message
from textual.widgets import Input, Static

from nebula.engine.api.columns import SOURCES
from nebula.errors import NebulaError, UsageError
from nebula.tui import asking
from nebula.tui.charts import Charts
from nebula.tui.detail import Detail
from nebula.tui.lines import Target
from nebula.tui.memory import Shown
from nebula.tui.offers import Offer, offered, offers
from nebula.tui.page import Page
from nebula.tui.resource_table import ResourceTable
from nebula.tui.tabs import tabs

if TYPE_CHECKING:
    from nebula.cli.context import Connect
    from nebula.cli.options import GlobalOptions
    from nebula.engine.api.tables import Listing
    from nebula.engine.api.values import Event
    from nebula.tui.drawing import Drawing
    from nebula.tui.link import Link
    from nebula.tui.memory import Memory
    from nebula.tui.views import View

Conditions = tuple[tuple[str, str, str], ...]
WIDE = 120
"""Columns from which on details stand beside the list."""
_UNKNOWN = "…"
"""What a list says before its first rows."""
_LEAST, _MOST = 30, 67
"""Percent of the columns that a list has at least and at most, where details stand beside it."""
_MEASURED, _DEPENDENT = 10.0, 2.0
"""Seconds after which measured values are asked for anew, and what depends on other objects."""


class ListPage(Page):
    """One view of a noun."""

    DEFAULT_CSS = """
    ListPage { layout: horizontal; }
    ListPage .left { width: 55%; height: 1fr; }
    ListPage .bar {
        height: 1; padding: 0 1; color: $text-muted; background: $surface; text-wrap: nowrap; text-overflow: ellipsis;
    }
    ListPage .filter { border: none; height: 1; padding: 0 1; background: $boost; display: none; }
    ListPage .filter.-open { display: block; }
    ListPage.-narrow Detail { display: none; }
    ListPage.-narrow .left { width: 1fr; }
    ListPage.-narrow.-open .left { display: none; }
    ListPage.-narrow.-open Detail { display: block; border-left: none; }
    """

    class Changed(Message):
        """What is chosen, or what may be done to it, is different now."""

    def __init__(
        self, view: View, link: Link, memory: Memory, connect: Connect, options: GlobalOptions,
        clock: Callable[[], float] = time.time, drawing: Drawing | None = None,
    ) -> None:  # fmt: skip
        super().__init__(id=f"page-{view.name}")
        self.view, self._link, self._memory = view, link, memory
        self._connect, self._options, self._clock = connect, options, clock
        self.paused = False
        self._typed = ""
        self._filters: Conditions = ()
        self._half = False
        self._problem = self._ignored = ""
        self._all, self._dirty = True, set[int]()
        self._busy = False
        self._asked_at = self._measured_at = 0.0
        self._anchor: int | None = None
        kept = self._kept
        self.fields = asking.fields(view.noun, kept.columns or view.columns)
        self.grid = ResourceTable(clock=clock)
        """The list."""
        self.detail = Detail(
            link, lambda: tabs(view.noun, self.offers, connect, options, clock), drawing or Charts(link, view.noun, clock)
        )
        """What is beside it."""
        self._bar, self._said = Static(classes="bar", markup=False), Text()

    def compose(self) -> ComposeResult:
        """See Widget."""
        with Vertical(classes="left"):
            yield self._bar
            yield Input(placeholder="web   state=RUNNING   'memory>2G'   'name~^db'", classes="filter")
            yield self.grid
        yield self.detail

    def on_mount(self) -> None:
        """Columns as they were left."""
        self.grid.rows.falling = SOURCES[self.view.noun].newest_first
        self.grid.empty = _UNKNOWN
        self._show_columns()
        self._sort_by(self._kept.sort)

    @cached_property
    def offers(self) -> list[Offer]:
        """Everything that can be done to what is listed: the whole command table is read for it, once rows are seen."""
        return offers(self.view.noun)

    @property
    def filled(self) -> bool:
        """Whether its rows are there, or it is known that there are none."""
        return self.grid.empty != _UNKNOWN

    def _show_columns(self) -> None:
        """Those that somebody chose stay, however little room there is."""
        spare = () if self._kept.columns else (self.fields.place(name) for name in self.view.spare)
        self.grid.show_columns(self.fields.columns, self.fields.shown, [place for place in spare if place is not None])

    @property
    def typed(self) -> str:
        """The filter."""
        return self._typed

    @property
    def _kept(self) -> Shown:
        return self._memory.known.lists.setdefault(self.view.name, Shown())

    # --- what is chosen

    def chosen(self) -> list[Target]:
        """What a verb is about now."""
        return [Target(key, self._called(key)) for key in self.grid.rows.chosen(self.grid.cursor)]

    def states(self) -> list[int | None]:
        """The chosen ones' states as the transition table knows them."""
        return [self.state(target.key) for target in self.chosen()]

    def state(self, key: int) -> int | None:
        """A VM's or a host's state as lists pack it; None for other objects."""
        place = self.fields.place("state")
        if self.view.noun not in {"vm", "host"} or place is None or key not in self.grid.rows:
            return None
        return int(self.grid.rows.row(key)[place])

    def offered(self) -> list[Offer]:
        """What may be done now to what is chosen."""
        states = self.states()
        return offered(self.offers, states) if states else [offer for offer in self.offers if offer.target is None]

    def _called(self, key: int) -> str:
        place = self.fields.place("name")
        found = self.grid.rows.row(key)[place] if place is not None and key in self.grid.rows else None
        return str(found or key)

    # --- news

    def heard(self, events: Sequence[Event]) -> None:
        """Note what these events changed; the next `refresh_rows` asks for it."""
        for event in events:
            if event.object_kind == self.view.noun:
                self._dirty.add(event.object_id)
            elif self.view.noun == "drs" and event.kind.startswith("drs."):
                self._all = True
            elif self.view.noun == "event":
                self._dirty.add(event.seq)
            elif event.object_kind in self.view.of and self._clock() - self._asked_at > _DEPENDENT:
                self._all = True

    def stale(self) -> None:
        """Anything may have changed meanwhile."""
        self._all = True
        if self.detail.is_attached:
            self.detail.again()

    def tick(self) -> None:
        """A second passed."""
        if self.paused:
            return
        self.grid.tick()
        self._split()
        if self.view.measured and self._clock() - self._measured_at > _MEASURED:
            self._dirty.update(self.grid.on_screen())
            self._measured_at = self._clock()
            self.detail.aged()
        if self.view.noun == "job":
            under_way = self._open_jobs()
            self._dirty.update(under_way)
            self.detail.changed(set(under_way))
        self.refresh_rows()

    def _open_jobs(self) -> list[int]:
        place = self.fields.place("state")
        rows = self.grid.rows
        return [key for key in self.grid.on_screen() if rows.row(key)[place or 0] in {"running", "ready", "waiting"}]

    def refresh_rows(self) -> None:
        """Ask for what changed, once at a time."""
        if self._busy or self.paused or not (self._all or self._dirty) or not (self.is_mounted and self.is_attached):
            return
        self._busy = True
        self._ask()

    @work
    async def _ask(self) -> None:
        whole = self._all or len(self._dirty) > asking.MOST_KEYS
        keys, self._dirty, self._all = self._dirty, set(), False
        filters, wanted = self._filters, self.fields
        if whole:
            query = asking.everything(self.view, wanted, filters)
        elif self.view.noun == "event":
            query = asking.since(self.view, wanted, filters, max(self.grid.rows.keys, default=0))
        else:
            query = asking.these(self.view, wanted, filters, keys)
        try:
            listing = await self._link.list(self.view.noun, query)
            if whole and not listing.rows and self._half:
                self._without_last(filters)
        except UsageError as error:
            listing = None
            self._without_last(filters)
            self._problem = error.message
        except NebulaError as error:
            self._problem = error.message
            self._all = self._all or whole
            self._dirty |= keys
            listing = None
        finally:
            self._busy = False
        if not self.is_attached:
            return
        if listing is not None and wanted is self.fields and filters is self._filters:
            self._problem = ""
            self._take(listing, keys, whole=whole)
        self._say()
        self.call_after_refresh(self._link.start)
        if self._all and (listing is not None or filters is not self._filters):
            self.refresh_rows()

    def _without_last(self, filters: Conditions) -> None:
        """The last word is half typed: go by those before it until it makes sense."""
        if filters is self._filters and filters:
            self._filters, self._half, self._all = filters[:-1], False, True
            self._ignored = self._typed.split()[-1]

    def _take(self, listing: Listing, keys: set[int], *, whole: bool) -> None:
        rows = self.grid.rows
        chosen = rows.chosen(self.grid.cursor)
        changed = rows.replace(listing.rows) if whole else rows.update(keys, listing.rows)
        if self.view.most:
            rows.keep_newest(self.view.most)
        if whole:
            self._asked_at = self._clock()
        self._split()
        first = not self.filled
        self.grid.empty = "nothing fits the filter" if self._typed else f"no {self.view.rows}"
        self.grid.loaded(changed)
        self.detail.begin()
        self.detail.changed(changed)
        if first or changed.intersection(chosen):
            self.post_message(self.Changed())

    def _say(self) -> None:
        rows, grid = self.grid.rows, self.grid
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(self.view.counted(len(rows)), "bold")
        if rows.marked:
            text.append(f"  {len(rows.marked)} marked", "bold")
        if self._typed:
            text.append(f"  /{self._typed}")
        if self._ignored:
            text.append(f" nothing fits {self._ignored}: shown without it", "yellow")
        hidden = len(grid.wanted) - len(grid.shown)
        if hidden:
            text.append(f"  {hidden} column{'s' if hidden > 1 else ''} left out (C)", "dim")
        if rows.sort is not None:
            text.append(f"  by {grid.columns[rows.sort].name}{' falling' if rows.falling else ''}", "dim")
        if self.paused:
            text.append("  paused", "bold reverse")
        if self._problem:
            text.append(f"  {self._problem}", "red")
        if text != self._said or text.spans != self._said.spans:
            self._said = text
            self._bar.update(text, layout=False)

    # --- the list's own keys

    def do_filter(self) -> None:
        """See keys.KEYS."""
        box = self.query_one(".filter", Input)
        box.add_class("-open")
        self.screen.set_focus(box)

    @on(Input.Changed, ".filter")
    def _filtering(self, event: Input.Changed) -> None:
        self.filter(event.value, written=True)

    @on(Input.Submitted, ".filter")
    def _filtered(self) -> None:
        self.grid.focus()
        if not self._typed:
            self.query_one(".filter").remove_class("-open")

    def filter(self, typed: str, *, written: bool = False) -> None:
        """Leave only what fits; a half-typed condition leaves things as they are."""
        if typed == self._typed:
            return
        try:
            found = asking.conditions(self.view.noun, typed, self._clock())
        except NebulaError as error:
            self._problem = error.message
            self._say()
            return
        self._typed, self._filters, self._problem, self._ignored = typed, found, "", ""
        self._half = asking.may_become_condition(self.view.noun, typed)
        if not written:
            box = self.query_one(".filter", Input)
            with box.prevent(Input.Changed):
                box.value = typed
            box.set_class(bool(typed), "-open")
        self._all = True
        self.refresh_rows()

    def go_back(self) -> bool:
        """Undo the last narrowing: details, marks, filter; False when there is none."""
        box = self.query_one(".filter", Input)
        if self.has_class("-open"):
            self.remove_class("-open")
            self.grid.focus()
        elif self.grid.rows.marked:
            self.grid.rows.marked.clear()
            self._marked()
        elif self._typed or box.has_class("-open"):
            self.filter("")
            box.value = ""
            box.remove_class("-open")
            self.grid.focus()
        else:
            return False
        return True

    def do_mark(self) -> None:
        """See keys.KEYS."""
        key, rows = self.grid.cursor, self.grid.rows
        if key is not None:
            rows.marked ^= {key}
            self._anchor = key
            self.grid.action_step(1)
            self._marked()

    def do_mark_range(self) -> None:
        """See keys.KEYS."""
        rows = self.grid.rows
        here, there = rows.place(self.grid.cursor), rows.place(self._anchor)
        if here is not None:
            rows.mark_between(here if there is None else there, here)
            self._anchor = self.grid.cursor
            self._marked()

    def do_mark_all(self) -> None:
        """See keys.KEYS."""
        rows = self.grid.rows
        rows.marked = set() if len(rows.marked) == len(rows) else set(rows.keys)
        self._marked()

    def _marked(self) -> None:
        self.grid.restyle()
        self._say()
        self.post_message(self.Changed())

    def do_sort(self) -> None:
        """See keys.KEYS."""
        shown, now = list(self.fields.shown), self.grid.rows.sort
        following = shown[(shown.index(now) + 1) % len(shown)] if now in shown else shown[0]
        self._sort_by(self.fields.columns[following].name)

    def do_reverse(self) -> None:
        """See keys.KEYS."""
        rows = self.grid.rows
        name = self.fields.columns[rows.sort].name if rows.sort is not None else asking.key_name(self.view.noun)
        self._sort_by(name if rows.falling else f"-{name}")

    @on(ResourceTable.SortBy)
    def _header(self, event: ResourceTable.SortBy) -> None:
        rows, name = self.grid.rows, self.fields.columns[event.column].name
        self._sort_by(f"-{name}" if rows.sort == event.column and not rows.falling else name)

    def _sort_by(self, name: str) -> None:
        place = self.fields.place(name.removeprefix("-")) if name else None
        rows = self.grid.rows
        rows.sort = place
        rows.falling = name.startswith("-") if place is not None else SOURCES[self.view.noun].newest_first
        rows.arrange()
        self._kept.sort = name if place is not None else ""
        self.grid.reordered()
        self._say()

    def choose_columns(self, names: Sequence[str]) -> None:
        """Show these, and remember it."""
        sort = self._kept.sort
        self._kept.columns = list(names)
        self.fields = asking.fields(self.view.noun, names)
        self._kept.room = 0
        self.grid.rows.replace([])
        self.grid.rows.sort = None
        self._show_columns()
        self._sort_by(sort)
        self._all = True
        self.refresh_rows()

    def do_next_tab(self) -> None:
        """See keys.KEYS."""
        self.detail.step(1)

    def do_previous_tab(self) -> None:
        """See keys.KEYS."""
        self.detail.step(-1)

    def do_hours(self) -> None:
        """See keys.KEYS."""
        self.detail.next_span()

    def do_wrap(self) -> None:
        """See keys.KEYS."""
        self.detail.toggle_wrap()

    def do_open(self) -> None:
        """See keys.KEYS."""
        if self.has_class("-narrow"):
            self.add_class("-open")
            self.detail.point(None)
            self.detail.point(self.grid.cursor)
        self.detail.query_one(".detail--body").focus()

    @on(ResourceTable.Fitted)
    def _fitted(self) -> None:
        self._say()

    @on(ResourceTable.Opened)
    def _opened(self) -> None:
        self.do_open()

    @on(ResourceTable.Moved)
    def _moved(self) -> None:
        if not self.has_class("-narrow") or self.has_class("-open"):
            self.detail.point(self.grid.cursor)
        self.post_message(self.Changed())

    def _split(self) -> None:
        """The list has what its columns take, if details have room beside it. It never shrinks while one looks, nor while
        another screen is seen and there is no room at all: it would come back a moment later than its details.
        """
        if not self.size.width:
            return
        self._kept.room = max(self._kept.room, self.grid.natural)
        most = self.size.width * _MOST // 100
        room = "1fr" if self.has_class("-narrow") else max(min(self._kept.room, most), self.size.width * _LEAST // 100)
        left = self.query_one(".left")
        if left.styles.width != Scalar.parse(str(room)):
            left.styles.width = room

    def on_resize(self) -> None:
        """Details stand beside the list where there is room."""
        narrow = self.app.size.width < WIDE
        if narrow != self.has_class("-narrow"):
            self.set_class(narrow, "-narrow")
            self.remove_class("-open")
            if not narrow:
                self.detail.point(self.grid.cursor)
        self._split()
