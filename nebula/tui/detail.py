"""What is known of the row under the cursor, tab by tab."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static, Tab, Tabs

from nebula.errors import NebulaError

if TYPE_CHECKING:
    from nebula.tui.drawing import Drawing
    from nebula.tui.link import Link
    from nebula.tui.tabs import Tab as Known

_DEBOUNCE = 0.12
"""Seconds that the cursor must rest before an engine is asked."""
_SENTENCES = frozenset({"summary", "explain"})
_MOST = 3000
"""Lines that are kept of a long text: the last."""


class DetailTabs(Tabs):
    """The tabs; there may be none of them yet when all is closed already."""

    def validate_active(self, active: str) -> str:
        """See Tabs."""
        return super().validate_active(active) if not active or self.query(f"#{active}") else ""


class Detail(Vertical):
    """Tabs, and the text of the one that is open."""

    DEFAULT_CSS = """
    Detail { width: 1fr; height: 1fr; border-left: solid $panel-lighten-1; }
    Detail Tabs { height: 2; }
    Detail VerticalScroll { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    Detail .detail--text { width: auto; min-width: 100%; height: auto; }
    Detail.-wrap .detail--text { width: 100%; }
    Detail .detail--body { overflow-x: auto; scrollbar-size-horizontal: 1; }
    """

    class Opened(Message):
        """Another tab is open."""

    def __init__(self, link: Link, tabs: Callable[[], Sequence[Known]], drawing: Drawing) -> None:
        super().__init__()
        self._link, self._make = link, tabs
        self._drawing = drawing
        self._key: int | None = None
        self._timer: Timer | None = None
        self._ansi = self._plain = ""
        self._search = ""
        self._begun = self._made = False
        self._open = ""

    def compose(self) -> ComposeResult:
        """See Widget."""
        with VerticalScroll(classes="detail--body"):
            yield Static(classes="detail--text", markup=False)
            yield self._drawing

    def begin(self) -> None:
        """Rows are seen: from now on tabs are there, and say something. They take longer to make than all the rest."""
        if not self._begun:
            self._begun = True
            self._soon()

    @cached_property
    def _tabs(self) -> Sequence[Known]:
        """Asked for when rows are seen: to know them is to read the command table."""
        return self._make()

    @property
    def tab(self) -> Known | None:
        """The open one, at first the first; None where there are none."""
        if not self._open and self._tabs:
            self._open = self._tabs[0].name
        return next((tab for tab in self._tabs if tab.name == self._open), None)

    @property
    def text(self) -> str:
        """What it says, without colours."""
        return self._plain

    def point(self, key: int | None) -> None:
        """The cursor is on that row now."""
        if key != self._key:
            self._key = key
            self._soon()

    def changed(self, keys: set[int]) -> None:
        """These rows changed: say what is true now, in the same place."""
        if self._key in keys:
            self._soon()

    def again(self) -> None:
        """Anything may have changed: say what is true now."""
        self._soon()

    def aged(self) -> None:
        """Time has passed: what tells how long ago something was says so anew."""
        if self.tab is not None and not self.tab.drawn:
            self._soon()

    def step(self, by: int) -> None:
        """To the next tab, or the one before."""
        names = [tab.name for tab in self._tabs]
        if self.tab is not None:
            place = (names.index(self.tab.name) + by) % len(names)
            self.open(names[place])

    def open(self, name: str) -> None:
        """That tab; where tabs are still being made, it is the first that opens."""
        self._open = name
        if self._made:
            self.query_one(Tabs).active = f"tab-{name}"

    def search(self, text: str) -> int:
        """Mark the text wherever it stands; how often that is. "" ends it."""
        self._search = text
        self._draw(self._ansi, keep=True)
        return self._plain.lower().count(text.lower()) if text else 0

    def toggle_wrap(self) -> bool:
        """Wrap lines or cut them; whether they are wrapped now."""
        self.toggle_class("-wrap")
        return self.has_class("-wrap")

    def next_span(self) -> None:
        """Charts go back further, or less far."""
        self._drawing.next_span()
        self._soon()

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        """Another tab; sentences wrap, tables do not."""
        if not self._made or event.tab.id != event.tabs.active:
            return  # what it said before somebody chose another
        self._open = (event.tab.id or "").removeprefix("tab-")
        self._opened()
        self._soon()

    def _opened(self) -> None:
        self.set_class(self.tab is not None and self.tab.name in _SENTENCES, "-wrap")
        self.query_one(VerticalScroll).scroll_home(animate=False)
        self.post_message(self.Opened())

    def on_resize(self) -> None:
        """The text is as wide as its place."""
        self._soon()

    def _soon(self) -> None:
        if not self._begun:
            return
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_DEBOUNCE, self._load)

    @work(exclusive=True)
    async def _load(self) -> None:
        if self.display and not self._made:
            await self._make_tabs()
        key, tab = self._key, self.tab
        drawing, static = self._drawing, self.query_one(".detail--text", Static)
        drawing.display = tab is not None and tab.drawn and key is not None
        static.display = not drawing.display
        if tab is None or (key is None and not tab.always) or not self.display:
            self._draw("")
            return
        if tab.drawn:
            await drawing.show(key or 0)
            return
        columns = max(20, self.size.width - 4)
        try:
            text = await self._link.ask(lambda engine: tab.write(engine, key or 0, columns))
        except NebulaError as error:
            text = str(error)
        if key == self._key and self.is_attached:
            self._draw(text)

    async def _make_tabs(self) -> None:
        for begun in self.query(Tabs):  # by a load that another one ended
            await begun.remove()
        active = f"tab-{self.tab.name}" if self.tab is not None else None
        bar = DetailTabs(*(Tab(tab.name, id=f"tab-{tab.name}") for tab in self._tabs), active=active)
        bar.can_focus = False
        await self.mount(bar, before=0)
        self._made = True
        if self._open:
            bar.active = f"tab-{self._open}"
        self._opened()

    def _draw(self, ansi: str, *, keep: bool = False) -> None:
        body, static = self.query_one(VerticalScroll), self.query_one(".detail--text", Static)
        at_end = body.max_scroll_y > 0 and body.scroll_offset.y >= body.max_scroll_y
        if ansi == self._ansi and not keep:
            return  # drawing it anew would lay out the whole screen anew
        lines, self._ansi = ansi.splitlines(), ansi
        text = Text.from_ansi("\n".join(lines[-_MOST:]))
        self._plain = text.plain
        if self._search:
            text.highlight_words([self._search], "reverse", case_sensitive=False)
        static.update(text)
        if at_end and not keep and self.tab is not None and self.tab.name == "log":
            body.scroll_end(animate=False)
