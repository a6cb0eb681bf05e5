"""From an offer to what came of it: the dialog that it wants, the run, the drawer, its jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from nebula.engine.api.columns import SOURCES
from nebula.engine.api.tables import Query
from nebula.errors import NebulaError
from nebula.tui import lines
from nebula.tui.lines import Filled, Helper, Target
from nebula.tui.offers import Offer, offers

if TYPE_CHECKING:
    from nebula.cli.context import Connect
    from nebula.cli.options import GlobalOptions
    from nebula.tui.dashboard import Dashboard
    from nebula.tui.doing import Doer
    from nebula.tui.drawer import Entry
    from nebula.tui.link import Link


class Acting:
    """Does verbs for a dashboard."""

    def __init__(self, dashboard: Dashboard, link: Link, connect: Connect, options: GlobalOptions) -> None:
        self._dashboard, self._link = dashboard, link
        self._connect, self._options = connect, options

    @cached_property
    def _doer(self) -> Doer:
        """Not needed, and not imported, before something is done."""
        from nebula.tui.doing import Doer

        return Doer(self._link, self._connect, self._options)

    def begin(self, offer: Offer) -> None:
        """Do it, after the dialog that it wants. Objects for which it is not allowed now are left out."""
        found, left_out = self._targets(offer)
        if offer.asks or len(found) > 1 or left_out:
            self._ask_first(offer, found, left_out)
            return
        target = offer.target
        refs = [str(item.key) for item in found]
        filled: Filled = {target.name: refs if target.many else "".join(refs)} if target is not None else {}
        self._decided(offer, found, filled)

    def undo(self) -> None:
        """Take the last change back that can be, after a dialog: what it was about may have gone on since."""
        last = self._dashboard.drawer.last_to_undo
        noun, _, name = last.undo.partition(" ") if last is not None else ("", "", "")
        offer = next((offer for offer in offers(noun) if offer.command.name == name), None) if noun else None
        if last is None or offer is None or not self._dashboard.may(offer):
            self._dashboard.notify("nothing that was done here has a verb that takes it back")
            return
        done = [target for target in last.about if last.did(target.name)]
        self._ask_first(offer, done, 0, undone=last)

    def _ask_first(self, offer: Offer, found: Sequence[Target], left_out: int, *, undone: Entry | None = None) -> None:
        from nebula.tui.dialog import CommandDialog

        def decided(filled: Filled | None) -> None:
            if filled is not None and undone is not None:
                undone.undo = ""
            self._decided(offer, found, filled)

        self._dashboard.app.push_screen(CommandDialog(offer, found, self.helper(offer, found), left_out=left_out), decided)

    def _targets(self, offer: Offer) -> tuple[list[Target], int]:
        """What it is about, and how many of those chosen it is not allowed for."""
        page = self._dashboard.list_page
        if page is None or offer.target is None:
            return [], 0
        chosen = page.chosen()
        found = [target for target in chosen if offer.allowed(page.state(target.key))]
        left_out = len(chosen) - len(found)
        return (found, left_out) if offer.many else (found[:1], 0)

    def helper(self, offer: Offer, found: Sequence[Target] = ()) -> Helper:
        """What its dialog asks of the engine."""
        from nebula.tui.declaring import can

        document = partial(self._doer.document, offer) if can(offer.command) else None
        parts = partial(self._moves, found[0].key) if found and offer.command.path == "drs apply" else None
        return Helper(partial(self._doer.attempt, offer), self.names, document, parts)

    async def _moves(self, plan: int, columns: int) -> list[tuple[str, str]]:
        """A plan's moves by number, below the names of what is told of each."""
        from nebula.cli.output.plan import move_lines

        try:
            detail = await self._link.ask(lambda engine: engine.drs.show(plan))
        except NebulaError:
            return []
        texts = list(move_lines(detail.body["moves"], 0.0, columns)) if detail.body["moves"] else []
        return [(str(number or ""), text) for number, text in enumerate(texts)]

    async def names(self, noun: str) -> list[str]:
        """Live names of a noun, or the words that there are ("a|b")."""
        if "|" in noun:
            return noun.split("|")
        if noun not in SOURCES and noun != "catalogue":
            return []
        try:
            if noun == "catalogue":
                entries = await self._link.ask(lambda engine: engine.images.catalogue())
                return list(dict.fromkeys(entry.name for entry in entries))
            listing = await self._link.list(noun, Query(columns=("name",), sort=("name",)))
        except NebulaError:
            return []
        return [str(row[0]) for row in listing.rows]

    def _decided(self, offer: Offer, found: Sequence[Target], filled: Filled | None) -> None:
        if filled is None:
            return
        entry = self._dashboard.drawer.add(lines.text(offer.command, lines.named(offer.target, found, filled)))
        entry.undo, entry.about = f"{offer.command.noun} {offer.command.undo}" if offer.command.undo else "", found
        if offer.command.terminal:
            entry.status, entry.ended = self._doer.at_terminal(self._dashboard.app, offer, filled), True
            self.drawn()
            self._dashboard.refresh(layout=True)
            return
        if len(found) > 1:
            from nebula.tui.results import Results

            self._dashboard.app.push_screen(Results(entry))
        self._dashboard.run_worker(self._run(offer, filled, entry))

    async def _run(self, offer: Offer, filled: Filled, entry: Entry) -> None:
        ran = await self._doer.run(offer, filled, entry)
        entry.ended, entry.status, entry.text = True, ran.status, ran.err if offer.command.changes else ran.text
        self.drawn()
        self.follow(entry.open_jobs)
        if not offer.command.changes or (not entry.parts and ran.out.count("\n") > 1):
            from nebula.tui.reading import Reading

            self._dashboard.app.push_screen(Reading(entry.line, ran.text or "nothing was said"))

    # --- jobs

    def open_jobs(self) -> set[int]:
        """Those of what was done here that have not ended."""
        return {job for entry in self._dashboard.drawer.entries for job in entry.open_jobs}

    def follow(self, jobs: Iterable[int]) -> None:
        """Something happened to these jobs: look how far ours are. All of them: a look that this one ends asked for others."""
        watched = self.open_jobs()
        if watched & set(jobs):
            ask = partial(self._ask, watched)  # not begun yet: a worker that is ended before its turn would leave it so
            self._dashboard.run_worker(ask, group="jobs", exclusive=True)  # type: ignore[arg-type]

    async def _ask(self, jobs: set[int]) -> None:
        for job in sorted(jobs):
            try:
                view = await self._link.ask(lambda engine, job=job: engine.jobs.show(job))  # type: ignore[misc]
            except NebulaError:
                return
            for entry in self._dashboard.drawer.entries:
                entry.follow(view)
        self.drawn()

    def drawn(self) -> None:
        """Show what is known of it now."""
        if not self._dashboard.is_attached:
            return
        self._dashboard.drawer.draw()
        redraw = getattr(self._dashboard.app.screen, "draw_results", None)
        if redraw is not None:
            redraw()
