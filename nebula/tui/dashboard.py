"""The dashboard's one screen: pages, the lines around them, news, and which key does what."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from nebula.errors import NebulaError
from nebula.tui import keys, views
from nebula.tui.acting import Acting
from nebula.tui.choosing import Choosing
from nebula.tui.drawer import Drawer
from nebula.tui.frame import Bar, Footer, Header, Situation
from nebula.tui.listpage import ListPage
from nebula.tui.offers import Offer, keys_of, verbs
from nebula.tui.page import Page
from nebula.tui.prompt import Prompt

if TYPE_CHECKING:
    from nebula.cli.context import Connect
    from nebula.cli.options import GlobalOptions
    from nebula.tui.link import Feed, Link
    from nebula.tui.memory import Memory
    from nebula.tui.wanting import Wanting

_HINTS_OF_VERBS = 7
"""Verbs in the footer."""
_THEMES = ("textual-dark", "textual-light", "ansi-dark", "ansi-light")
_WANTING, _AFTER_NEWS = 10.0, 2.0
"""Seconds after which it is looked for what wants somebody: where nothing happened, and where something did."""
_SILENT = 5.0
"""Seconds after which an answer that is due is missed."""
_OPEN = frozenset({"ready", "running", "waiting"})
"""States of jobs that are under way."""


class Dashboard(Screen[None]):
    """Holds the pages, of which one is seen."""

    DEFAULT_CSS = "Dashboard #pages { height: 1fr; }"

    def __init__(
        self, link: Link, memory: Memory, connect: Connect, options: GlobalOptions, *, name: str, colour: str = "",
        readonly: bool = False, start: str = "", clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        super().__init__()
        self._link, self._memory, self._connect, self._options = link, memory, connect, options
        self._situation = Situation(name, colour, readonly, away="connecting …")
        self._clock = clock
        self._start, self._past = start or "overview", list[str]()
        self._seen = ""
        self._made: dict[str, Widget] = {}
        self._hinted: object = None
        self._counting = self._looked = 0.0
        self._news = False
        self._wanting: Wanting = {}
        self.drawer = Drawer(id="drawer")
        self._keys = keys.effective(memory.choices.keys)
        self.acting = Acting(self, link, connect, options)
        self._choosing = Choosing(self, memory)

    # --- pages

    def compose(self) -> ComposeResult:
        """See Screen."""
        yield Header(markup=False)
        yield Bar(markup=False)
        yield Container(id="pages")
        yield Prompt()
        yield self.drawer
        yield Footer(markup=False)

    async def on_mount(self) -> None:
        """Go to the first page; news come when the engine is there."""
        self.query_one(Header).say(self._situation)
        self.set_interval(1.0, self._tick)
        await self.go(self._start)
        others = self._memory.choices.keys.keys() - {item.id for item in keys.KEYS}
        unknown = others - verbs() if others else others  # the whole table is read for it
        if unknown:
            self.notify(f"keys.json: nothing is called {', '.join(sorted(unknown))}", severity="warning", markup=False)

    @property
    def page(self) -> Widget | None:
        """The page that is seen; None before there is one."""
        return self._made.get(self._seen)

    @property
    def list_page(self) -> ListPage | None:
        """It, if it lists something."""
        page = self.page
        return page if isinstance(page, ListPage) else None

    async def go(self, where: str, *, remember: bool = True) -> None:
        """To a screen, with a filter behind its name, if any."""
        word, _, rest = where.strip().partition(" ")
        view = views.named(word)
        if view is None:
            known = ", ".join(view.name for view in views.VIEWS)
            self.notify(f"there is no screen {word!r}; there are {known}", severity="warning", markup=False)
            return
        if remember and self._seen:
            self._past.append(self.place())
        for name, page in self._made.items():
            page.display = name == view.name
        if view.name not in self._made:
            made = self._made[view.name] = self._make(view)
            await self.query_one("#pages").mount(made)
        self._seen = view.name
        self.query_one(Bar).say(view.name, self.size.width)
        self._show(rest.strip())

    def _show(self, filtered: str) -> None:
        seen = self.page
        if isinstance(seen, ListPage):
            seen.filter(filtered)
            self.set_focus(seen.grid)
        elif seen is not None:
            seen.focus()
        if isinstance(seen, Page):
            seen.paused = self._situation.paused
            seen.stale()
            seen.refresh_rows()
        self._hints()

    def _make(self, view: views.View) -> Widget:
        if view.name == "overview":
            from nebula.tui.overview import Overview

            return Overview(self._link, self._clock)
        if view.name == "log":
            from nebula.tui.logpage import LogPage

            return LogPage(self._link)
        if view.noun == "drs":
            from nebula.tui.planpage import PlanPage

            return PlanPage(view, self._link, self._memory, self._connect, self._options, self._clock)
        return ListPage(view, self._link, self._memory, self._connect, self._options, self._clock)

    def place(self) -> str:
        """What leads back here behind a `:`."""
        page = self.list_page
        return f"{self._seen} {page.typed}".strip() if page is not None else self._seen

    def _pages(self) -> list[Page]:
        return [page for page in self._made.values() if isinstance(page, Page) and page.is_mounted]

    # --- news

    def hear(self, feed: Feed) -> None:
        """Events, or the engine is there or away."""
        if feed.state == "there":
            self._set(away="")
        elif feed.state == "away":
            self._set(away=f"the engine is away: {feed.problem}")
        self._news = self._news or any(event.kind.endswith(".state") for event in feed.events)
        for page in self._pages():
            if feed.state == "there":
                page.stale()
            page.heard(feed.events)
        seen = self.page
        if isinstance(seen, Page):
            seen.refresh_rows()
        self.acting.follow(event.object_id for event in feed.events if event.object_kind == "job")

    def _tick(self) -> None:
        seen = self.page
        if isinstance(seen, Page):
            seen.tick()
        self.acting.follow(self.acting.open_jobs())
        if not self._counting:
            self._counting = self._clock()
            self._count()
        elif self._clock() - self._counting > _SILENT:
            self._set(silent=self._clock() - self._counting)

    @work(group="counts")
    async def _count(self) -> None:
        """One question at a time: an engine that does not answer must not be asked by all threads there are."""
        from nebula.tui import wanting

        since = self._clock() - self._looked
        due = since > _WANTING or (self._news and since > _AFTER_NEWS)
        if due:
            self._news = False
        try:
            status, found = await self._link.ask(
                lambda engine: (engine.system.status(), wanting.look(engine) if due else self._wanting)
            )
        except NebulaError:
            self._news = True
            return
        finally:
            self._counting = 0.0
        if due:
            self._looked, self._wanting = self._clock(), found
        under_way = sum(count for state, count in status.jobs.items() if state in _OPEN)
        counts = ", ".join(view.counted(status.counts[view.noun]) for view in views.VIEWS
                           if view.noun in {"vm", "host"} and status.counts.get(view.noun))  # fmt: skip
        self._set(jobs=under_way, counts=counts, wanting=wanting.said(self._wanting), silent=0.0)

    def _set(self, **what: object) -> None:
        fresh = self._situation._replace(**what)  # type: ignore[arg-type]
        if fresh != self._situation:
            self._situation = fresh
            for header in self.query(Header):  # none while the screen closes
                header.say(fresh)

    # --- keys

    async def on_key(self, event: events.Key) -> None:
        """What no widget took: the dashboard's own keys, then screens', then verbs'."""
        if isinstance(self.focused, Input) and event.key != "escape":
            return
        own = dict(self.own_keys()).get(event.key)
        view = next((view for view in views.VIEWS if view.key in {event.key, event.character} and view.key), None)
        known = self.by_key()
        offer = known.get(event.key) or known.get(event.character or "")
        if own is None and view is None and offer is None:
            return
        event.stop()
        if own is not None:
            await self.do(own.id)
        elif view is not None:
            await self.go(view.name)
        elif offer is not None:
            self.acting.begin(offer)

    def own_keys(self) -> list[tuple[str, keys.Key]]:
        """The dashboard's own keys that do something on this screen."""
        page = self.page
        return [(key, item) for key, item in self._keys.items()
                if item.where == "anywhere" or hasattr(page, f"do_{item.id}")
                or (item.where == "list" and isinstance(page, ListPage))]  # fmt: skip

    async def do(self, name: str) -> None:
        """One of keys.KEYS, by its id."""
        for place in (self.page, self, self._choosing):
            act: Callable[[], object] | None = getattr(place, f"do_{name}", None)
            if act is not None:
                found = act()
                if hasattr(found, "__await__"):
                    await found
                return

    def offers(self) -> list[Offer]:
        """What may be done now; nothing that changes anything where one may only look."""
        page = self.list_page
        return [offer for offer in page.offered() if self.may(offer)] if page is not None else []

    def may(self, offer: Offer) -> bool:
        """Whether it may be done in this run of the dashboard."""
        return not (self._situation.readonly and (offer.command.changes or offer.command.risk))

    def by_key(self) -> dict[str, Offer]:
        """Verbs that are allowed now, by their keys."""
        found = keys_of(self.offers(), self._memory.choices.keys)
        taken = {key for key, _ in self.own_keys()}
        return {key: offer for key, offer in found.items() if keys.typed(key) not in taken}

    @on(ListPage.Changed)
    def _changed(self) -> None:
        self.call_after_refresh(self._hints)  # rows come first, see there

    def _hints(self) -> None:
        page = self.list_page
        seen = self.by_key() if page is None or page.filled else {}  # rows come first: to know verbs is to read the whole table
        offered = [(key, offer.command.name) for key, offer in seen.items()][:_HINTS_OF_VERBS]
        own = [(key, item.hint) for key, item in self.own_keys() if item.hint]
        hints = [*own[:2], *offered, *own[2:]], self.size.width - 2
        if hints != self._hinted and self.is_mounted:
            self._hinted = hints
            self.query_one(Footer).say(*hints)

    def on_resize(self) -> None:
        """More or less room for words."""
        if self._seen:
            self.query_one(Bar).say(self._seen, self.size.width)
            self._hints()

    # --- what the dashboard's own keys do

    def do_jump(self) -> None:
        """See keys.KEYS."""
        self.query_one(Prompt).ask([view.name for view in views.VIEWS])

    @on(Prompt.Given)
    async def _jumped(self, event: Prompt.Given) -> None:
        if event.text:
            await self.go(event.text)
        elif self.list_page is not None:
            self.set_focus(self.list_page.grid)
        elif self.page is not None:
            self.page.focus()

    @on(Bar.Chosen)
    async def _clicked(self, event: Bar.Chosen) -> None:
        await self.go(event.view)

    async def do_wanting(self) -> None:
        """See keys.KEYS."""
        from nebula.tui import wanting

        where = wanting.leads_to(self._wanting, self.place())
        if where:
            await self.go(where)
        else:
            self.notify("nothing wants attention")

    async def do_back(self) -> None:
        """See keys.KEYS."""
        page = self.page
        narrowed = isinstance(page, Page) and page.go_back()
        if not narrowed and self._past:
            await self.go(self._past.pop(), remember=False)
        self._hints()

    def do_pause(self) -> None:
        """See keys.KEYS."""
        paused = not self._situation.paused
        self._set(paused=paused)
        for page in self._pages():
            page.paused = paused
        if isinstance(self.page, Page):
            self.page.refresh_rows()

    def do_drawer(self) -> None:
        """See keys.KEYS."""
        self.drawer.toggle()

    def do_undo(self) -> None:
        """See keys.KEYS."""
        self.acting.undo()

    def do_copy_line(self) -> None:
        """See keys.KEYS."""
        if self.drawer.last is not None:
            self.copy(self.drawer.last.line)

    def copy(self, text: str) -> None:
        """To the clipboard, by the terminal (OSC 52)."""
        self.app.copy_to_clipboard(text)
        self.notify(f"copied: {text.splitlines()[0] if text else ''}", markup=False)

    def do_search(self) -> None:
        """See keys.KEYS."""
        page = self.list_page
        if page is not None:
            self.query_one(Prompt).ask([], sign="search", then=lambda text: self.notify(f"{page.detail.search(text)} found"))

    def do_theme(self) -> None:
        """See keys.KEYS."""
        known = [name for name in _THEMES if name in self.app.available_themes]
        now = known.index(self.app.theme) if self.app.theme in known else -1
        self.app.theme = self._memory.known.theme = known[(now + 1) % len(known)]
        for page in self.query(ListPage):
            page.grid.restyle()

    def do_mouse(self) -> None:
        """See keys.KEYS."""
        self.app.action_toggle_mouse()  # type: ignore[attr-defined]

    def do_quit(self) -> None:
        """See keys.KEYS."""
        self.app.exit()
