"""Keys of the dashboard that open a list to choose from: palette, help, actions, copies, columns, bookmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.api.columns import SOURCES
from nebula.tui import keys, views
from nebula.tui.offers import Offer, anywhere, elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nebula.tui.chooser import Choice
    from nebula.tui.dashboard import Dashboard
    from nebula.tui.memory import Memory


class Choosing:
    """Chooses for a dashboard. Its `do_NAME` methods are on the keys of that name (keys.KEYS)."""

    def __init__(self, dashboard: Dashboard, memory: Memory) -> None:
        self._dashboard, self._memory = dashboard, memory

    def do_help(self) -> None:
        """See keys.KEYS."""
        self._open("Keys and commands", [*self._verbs(self._dashboard.offers()), *self._own(), *_screens()], helps=True)

    def do_palette(self) -> None:
        """See keys.KEYS."""
        here = self._dashboard.offers()
        known = {offer.id for offer in here}
        more = [offer for offer in anywhere() if offer.id not in known and self._dashboard.may(offer)]
        from nebula.tui.chooser import Choice

        homes = [Choice(f"context {home}", f"context {context.name or home}", home)
                 for home, context in self._memory.choices.contexts.items()]  # fmt: skip
        marks = [Choice(f"go {to}", name, "a bookmark") for name, to in self._memory.known.bookmarks.items()]
        self._open("Do", [*self._verbs([*here, *more]), *_screens(), *self._own(), *marks, *homes, *self._elsewhere()])

    def do_actions(self) -> None:
        """See keys.KEYS."""
        page = self._dashboard.list_page
        title = ", ".join(target.name for target in page.chosen()[:5]) if page is not None else ""
        self._open(title or "Actions", self._verbs([offer for offer in self._dashboard.offers() if offer.target is not None]))

    def do_copy(self) -> None:
        """See keys.KEYS."""
        page, dashboard = self._dashboard.page, self._dashboard
        copied = getattr(page, "copied", None)
        if copied is not None:
            dashboard.copy(copied())
        list_page = dashboard.list_page
        if list_page is None or list_page.grid.cursor is None:
            return
        from nebula.tui.chooser import Choice, Chooser
        from nebula.tui.copying import copies

        found = copies(list_page, dashboard.drawer.last.line if dashboard.drawer.last else "")
        choices = [Choice(name, name, text.splitlines()[0] if text else "") for name, text in found.items()]
        dashboard.app.push_screen(Chooser("Copy", choices), lambda name: dashboard.copy(found[name]) if name else None)

    def do_columns(self) -> None:
        """See keys.KEYS."""
        page = self._dashboard.list_page
        if page is None:
            return
        from nebula.tui.columns import ColumnChooser

        shown = [page.fields.columns[index].name for index in page.fields.shown]
        names = [column.name for column in SOURCES[page.view.noun].columns]
        self._dashboard.app.push_screen(
            ColumnChooser(names, shown), lambda chosen: page.choose_columns(chosen) if chosen else None
        )

    def do_bookmark(self) -> None:
        """See keys.KEYS."""
        from nebula.tui.chooser import Choice, Chooser

        here, known = self._dashboard.place(), self._memory.known.bookmarks
        choices = [Choice("", f"remember {here}", "as a bookmark"), *(Choice(name, name, "go there") for name in known)]

        async def chosen(name: str | None) -> None:
            if name == "":
                known[here] = here
                self._memory.save()
                self._dashboard.notify(f"bookmark: {here}")
            elif name is not None:
                await self._dashboard.go(known[name])

        self._dashboard.app.push_screen(Chooser("Bookmarks", choices), chosen)

    def _open(self, title: str, choices: list[Choice], *, helps: bool = False) -> None:
        from nebula.tui.chooser import Chooser

        self._dashboard.app.push_screen(Chooser(title, choices, recent=self._memory.known.recent, helps=helps), self._picked)

    async def _picked(self, name: str | None) -> None:
        if name is None:
            return
        if name.startswith("go "):
            await self._dashboard.go(name.removeprefix("go "))
            return
        if name.startswith("at "):
            await self._lead(*name.split()[1:])
            return
        if name.startswith("context "):
            self._dashboard.app.exit(name.removeprefix("context "))
            return
        offer = next((offer for offer in (*self._dashboard.offers(), *anywhere()) if offer.id == name), None)
        if offer is None:
            await self._dashboard.do(name)
            return
        self._memory.used(offer.command.path)
        self._dashboard.acting.begin(offer)

    async def _lead(self, noun: str, wanted: str) -> None:
        """To the screen of a verb, and say how it is done there."""
        await self._dashboard.go(noun)
        offer = next(offer for _, offer in elsewhere("", [noun]) if offer.id == wanted)
        key = self._memory.choices.keys.get(offer.id, offer.command.key)
        how = f"{keys.shown(key)}" if key else "a"
        self._dashboard.notify(f"choose what to {offer.command.name}, then {how}", markup=False)

    def _verbs(self, found: Iterable[Offer]) -> list[Choice]:
        from nebula.tui.chooser import Choice

        names = {offer.id: key for key, offer in self._dashboard.by_key().items()}
        return [Choice(offer.id, offer.command.path, offer.command.help, keys.shown(names.get(offer.id, "")),
                       near=offer.target is not None) for offer in found if not offer.reads]  # fmt: skip

    def _elsewhere(self) -> list[Choice]:
        """Verbs for what other screens list: they lead there, where it is chosen what they are about."""
        from nebula.tui.chooser import Choice

        page = self._dashboard.list_page
        here = page.view.noun if page is not None else ""
        titles = {view.noun: view.title for view in views.VIEWS if view.noun}
        known = {offer.id for offer in self._dashboard.offers()}
        return [
            Choice(
                f"at {noun} {offer.id}", offer.command.path, f"on the screen of {titles[noun]}: {offer.command.help}", far=True
            )
            for noun, offer in elsewhere(here, titles)
            if self._dashboard.may(offer) and offer.id not in known
        ]

    def _own(self) -> list[Choice]:
        from nebula.tui.chooser import Choice

        return [
            Choice(item.id, item.id.replace("_", " "), item.text, keys.shown(key)) for key, item in self._dashboard.own_keys()
        ]


def _screens() -> list[Choice]:
    from nebula.tui.chooser import Choice

    return [Choice(f"go {view.name}", view.title, f"the screen of {view.title}", view.key) for view in views.VIEWS]
