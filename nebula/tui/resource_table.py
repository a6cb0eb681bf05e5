"""A table for any number of rows: only the lines on the screen are made, and rows change in place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from nebula.engine.api.columns import Column
from nebula.tui import cells
from nebula.tui.rows import Rows

_SAMPLE = 200
"""Rows that say how wide columns are, besides those on the screen."""
_COLOURS = ("green", "yellow", "red", "dim", "cyan")


class ResourceTable(ScrollView, can_focus=True):
    """`columns` are those of a row, of which `shown` (their places) are on the screen: of those `wanted` all for which there is
    room. The cursor is on a key.
    """

    DEFAULT_CSS = """
    ResourceTable {
        height: 1fr; background: $surface; overflow-x: auto; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1;
    }
    ResourceTable > .grid--header { text-style: bold; color: $text-muted; background: $panel; }
    ResourceTable > .grid--sorted { text-style: bold; color: $text-accent; background: $panel; }
    ResourceTable > .grid--cursor { background: $primary-muted; color: $text; }
    ResourceTable:focus > .grid--cursor { background: $primary; color: $text; text-style: bold; }
    ResourceTable > .grid--marked { color: $text-accent; text-style: bold; }
    ResourceTable > .grid--green { color: $text-success; }
    ResourceTable > .grid--yellow { color: $text-warning; }
    ResourceTable > .grid--red { color: $text-error; text-style: bold; }
    ResourceTable > .grid--dim { color: $text-muted; }
    ResourceTable > .grid--cyan { color: $text-accent; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "grid--header", "grid--sorted", "grid--cursor", "grid--marked", *(f"grid--{name}" for name in _COLOURS)
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1)", show=False),
        Binding("down,j", "step(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "jump(0)", show=False),
        Binding("end,G", "jump(-1)", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row, or on none."""

    class Opened(Message):
        """A row was chosen by Enter or a double click."""

    class Fitted(Message):
        """Other columns than before are shown: there is more room for them, or less."""

    class SortBy(Message):
        """A header was clicked."""

        def __init__(self, column: int) -> None:
            self.column = column
            super().__init__()

    def __init__(self, *, clock: Callable[[], float] = time.time, id: str | None = None) -> None:  # noqa: A002 - Textual's
        super().__init__(id=id)
        self._clock = clock
        self.rows = Rows()
        self.columns: Sequence[Column] = ()
        self.wanted: Sequence[int] = ()
        self.shown: Sequence[int] = ()
        self._spare: Sequence[int] = ()
        self.cursor: int | None = None
        self.empty = ""
        self._line = 0
        self._arranged = -1
        self._natural: list[int] = []
        self._sampled = False
        self._widths: list[int] = []
        self._strips: dict[tuple[int, bool], Strip] = {}
        self._styles: dict[str, Style] = {}
        self._ages: dict[int, list[str]] = {}

    # --- what is shown

    def show_columns(self, columns: Sequence[Column], wanted: Sequence[int], spare: Sequence[int] = ()) -> None:
        """Begin anew with these columns, of which `spare` give way where there is too little room, the first of them first."""
        self.columns, self.wanted, self.shown = columns, wanted, wanted
        self._spare = [wanted.index(index) for index in spare if index in wanted]
        self._natural = []
        self._remeasure()

    def loaded(self, changed: Iterable[int]) -> None:
        """Rows changed: draw what is on the screen of them, and keep the cursor where it was. Of thousands that change, most
        are not seen: they cost nothing.
        """
        fresh = set(changed)
        if self._arranged != self.rows.arranged or not self.rows.keys:
            for key in fresh:
                self._forget(key)
            self.reordered()
            return
        seen = {key: line for line, key in enumerate(self.on_screen(), 1) if key in fresh}
        for key in fresh - seen.keys():
            self._forget(key)
        if seen and self._grow(seen):
            self._measure()
            self.refresh()
            return
        for key, line in seen.items():
            self._redraw(key, line)

    def _forget(self, key: int) -> None:
        self._strips.pop((key, False), None)
        self._strips.pop((key, True), None)

    def _redraw(self, key: int, line: int) -> None:
        """Draw what reads otherwise now of a row on the screen: over a slow line every byte counts."""
        here = key == self.cursor
        before = self._strips.get((key, here))
        self._forget(key)
        after = self._strip(key, here=here)
        begin, end = difference(before, after) if before is not None else (0, self.virtual_size.width)
        if begin < end:
            self.refresh(Region(max(0, begin - self.scroll_offset.x), line, end - begin, 1))

    def reordered(self) -> None:
        """Rows are in another order, or fewer, or more: the cursor stays on its row, which stays on its line of the screen."""
        place, before = self.rows.place(self.cursor), self._line
        if place is None:
            place = min(before, len(self.rows) - 1)
            self._set_cursor(self.rows.key_at(place))
        elif place != before and self._on_screen(before):
            self.scroll_to(y=self.scroll_offset.y + place - before, animate=False, immediate=True)
        self._line = max(0, place)
        self._arranged = self.rows.arranged
        self._measure()
        self.refresh()

    def tick(self) -> None:
        """The clock went on: lines whose ages read otherwise now are drawn anew."""
        moving = [index for index in self.shown if self.columns[index].show in cells.MOVING]
        now, before, self._ages = self._clock(), self._ages, {}
        for line, key in enumerate(self.on_screen() if moving else (), 1):
            row = self.rows.row(key)
            self._ages[key] = [cells.cell(self.columns[index], row[index], now) for index in moving]
            if before.get(key) != self._ages[key]:
                self._redraw(key, line)

    @property
    def natural(self) -> int:
        """Columns of the screen that all takes, nothing cut, with the bar beside it."""
        return sum(self._natural) + 2 * len(self._natural) + 3

    def restyle(self) -> None:
        """Marks or colours changed."""
        self._strips.clear()
        self._styles.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        """See Widget: another theme."""
        super().notify_style_update()
        self._strips.clear()
        self._styles.clear()

    # --- the cursor

    def put_cursor(self, key: int | None) -> None:
        """Move to that row."""
        place = self.rows.place(key)
        if place is not None:
            self._go(place)

    def action_step(self, by: int) -> None:
        """A line up or down."""
        self._go(self._line + by)

    def action_page(self, by: int) -> None:
        """A screen up or down."""
        self._go(self._line + by * max(1, self._height() - 1))

    def action_jump(self, place: int) -> None:
        """To the first or the last line."""
        self._go(place if place >= 0 else len(self.rows) - 1)

    def _go(self, place: int) -> None:
        place = max(0, min(place, len(self.rows) - 1))
        if self.rows.key_at(place) is None:
            return
        before, self._line = self._line, place
        self._set_cursor(self.rows.key_at(place))
        top, height = self.scroll_offset.y, self._height()
        if top <= place < top + height:
            for line in {place, before} & set(range(top, top + height)):
                self.refresh(Region(0, line - top + 1, self.size.width, 1))
            return
        if place < top:
            self.scroll_to(y=place, animate=False, immediate=True)
        elif place >= top + height:
            self.scroll_to(y=place - height + 1, animate=False, immediate=True)
        self.refresh()

    def _set_cursor(self, key: int | None) -> None:
        if key != self.cursor:
            self.cursor = key
            self.post_message(self.Moved())

    def _height(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    def _on_screen(self, line: int) -> bool:
        return self.scroll_offset.y <= line < self.scroll_offset.y + self._height()

    def on_screen(self) -> list[int]:
        """Keys of the rows that are seen."""
        top = self.scroll_offset.y
        return list(self.rows.keys[top : top + self._height()])

    # --- the mouse

    async def _on_click(self, event: events.Click) -> None:
        if event.y == 0:
            column = self._column_at(event.x + self.scroll_offset.x)
            if column is not None:
                self.post_message(self.SortBy(column))
            return
        place = event.y - 1 + self.scroll_offset.y
        if place < len(self.rows):
            self._go(place)
            if event.chain > 1:
                self.post_message(self.Opened())

    def _column_at(self, x: int) -> int | None:
        edge = 2
        for index, columns in zip(self.shown, self._widths, strict=True):
            edge += columns + 2
            if x < edge:
                return index
        return None

    # --- drawing

    def on_resize(self) -> None:
        """More or less room for the columns; none at all while another screen is seen."""
        if self.size.width:
            self._remeasure()

    def _remeasure(self) -> None:
        self._strips.clear()
        self._widths = []
        self._measure()
        self.refresh()

    def _measure(self) -> None:
        keys = self.rows.keys
        sample = [] if self._widths and self._sampled else keys[:_SAMPLE]
        self._sampled = bool(keys)
        self._grow([*sample, *self.on_screen()])
        wide = sum(self._widths) + 2 * len(self._widths) + 2
        room = self._room()
        self.virtual_size = Size(wide if wide > room + 1 else room, len(keys) + 1)

    def _room(self) -> int:
        """Columns beside the bar that stands there where rows are more than fit: else there were one below, too."""
        return self.size.width - (self.styles.scrollbar_size_vertical if len(self.rows.keys) + 1 > self.size.height else 0)

    def _grow(self, keys: Iterable[int]) -> bool:
        """Columns grow with what is in these rows, and never shrink while one looks; whether one grew."""
        now, rows = self._clock(), self.rows
        natural = self._natural or [len(self.columns[index].header) + 1 for index in self.wanted]
        for key in keys:
            row = rows.row(key)
            for place, index in enumerate(self.wanted):
                wanted = len(cells.cell(self.columns[index], row[index], now))
                natural[place] = max(natural[place], wanted)
        self._natural = natural
        columns, room = [self.columns[index] for index in self.wanted], self._room() - 2
        if sum(natural) + 2 * len(natural) > room:  # no place is kept for the sign of an order that is another column's
            natural = [wanted - (wanted == len(column.header) + 1 and index != self.rows.sort)
                       for wanted, column, index in zip(natural, columns, self.wanted, strict=True)]  # fmt: skip
        seen = cells.seen(columns, natural, self._spare, room)
        shown = [self.wanted[place] for place in seen]
        widths = cells.room([columns[place] for place in seen], [natural[place] for place in seen], room)
        if widths == self._widths and shown == self.shown:
            return False
        if shown != self.shown:
            self.post_message(self.Fitted())
        self._widths, self.shown = widths, shown
        self._strips.clear()
        return True

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            self._styles[name] = self.get_component_rich_style(f"grid--{name}", partial=name in _COLOURS or name == "marked")
        return self._styles[name]

    def render_line(self, y: int) -> Strip:
        """See Widget."""
        x, width = self.scroll_offset.x, self.size.width
        if y == 0:
            return self._header().crop_extend(x, x + width, self._style("header"))
        key = self.rows.key_at(y - 1 + self.scroll_offset.y)
        if key is None:
            base = self._base(here=False)
            if y != 2 or self.rows.keys:
                return Strip.blank(width, base)
            return Strip([Segment(f" {self.empty}", base)]).crop_extend(0, width, base)
        here = key == self.cursor
        style = self._base(here=here)
        return self._strip(key, here=here).simplify().crop_extend(x, x + width, style)

    def _base(self, *, here: bool) -> Style:
        """The style of a row, which is found by asking all that lies below: once, not for each line."""
        name = "base under the cursor" if here else "base"
        if name not in self._styles:
            self._styles[name] = self.rich_style + self._style("cursor") if here else self.rich_style
        return self._styles[name]

    def _strip(self, key: int, *, here: bool) -> Strip:
        """A row, a segment a cell."""
        strip = self._strips.get((key, here))
        if strip is None:
            strip = self._strips[key, here] = self._row(key, self._base(here=here), here=here)
        return strip

    def _header(self) -> Strip:
        plain, found = self._style("header"), list[Segment]()
        found.append(Segment("  ", plain))
        for index, columns in zip(self.shown, self._widths, strict=True):
            column, header = self.columns[index], self.columns[index].header
            sorted_by = index == self.rows.sort
            if sorted_by:
                header = f"{header}{'▼' if self.rows.falling else '▲'}"
            text = cells.fit(header, columns, right=cells.is_right(column))
            found.append(Segment(f"{text}  ", self._style("sorted") if sorted_by else plain))
        return Strip(found)

    def _row(self, key: int, style: Style, *, here: bool) -> Strip:
        row, now = self.rows.row(key), self._clock()
        marked = key in self.rows.marked
        base = style + self._style("marked") if marked and not here else style
        found = [Segment("● " if marked else "  ", base)]
        for index, columns in zip(self.shown, self._widths, strict=True):
            column = self.columns[index]
            text = cells.cell(column, row[index], now)
            colour = "" if here else cells.colour(column, text)
            shown = cells.fit(text, columns, right=cells.is_right(column))
            found.append(Segment(f"{shown}  ", base + self._style(colour) if colour in _COLOURS else base))
        return Strip(found)


def difference(before: Strip, after: Strip) -> tuple[int, int]:
    """From which column on, and up to which, two rows of the same cells differ."""
    edge, begin, end = 0, 0, 0
    for old, new in zip(before, after, strict=True):
        if old != new:
            begin = begin if end else edge
            end = edge + new.cell_length
        edge += new.cell_length
    return begin, end
