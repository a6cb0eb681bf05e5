"""The dashboard over a real engine whose hosts are simulated, driven by keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, cast

from textual import screen as screens
from textual.pilot import Pilot

from nebula.cli import connect as way
from nebula.cli.options import GlobalOptions
from nebula.tui.app import NebulaApp
from nebula.tui.dashboard import Dashboard
from nebula.tui.listpage import ListPage
from nebula.tui.memory import Memory
from nebula.tui.running import OnEngine, _Kept
from tests.support.sim import Sim

if TYPE_CHECKING:
    from nebula.cli.context import Connect
    from nebula.engine.api.verbs import Engine

PATIENCE = 120.0
screens.UPDATE_PERIOD = 1 / 15  # type: ignore[misc]  # nobody looks: it need not be laid out more often
_DRAW = screens.Screen._compositor_refresh


def _note(screen: screens.Screen[object]) -> None:
    """Nobody looks between two steps of a test: what changed on the top screen is drawn at the end of each, once."""
    if screen is screen.app.screen and screen.app.is_headless:
        screen._dirty_widgets.clear()
    else:
        _DRAW(screen)


screens.Screen._compositor_refresh = _note  # type: ignore[method-assign,assignment]


class Driven:
    """The dashboard while a test types."""

    def __init__(self, app: NebulaApp, pilot: Pilot[str], sim: Sim) -> None:
        self.app, self.pilot, self.sim = app, pilot, sim

    @property
    def dashboard(self) -> Dashboard:
        """Its screen."""
        return self.app.dashboard

    @property
    def page(self) -> ListPage:
        """The list that is seen."""
        page = self.dashboard.list_page
        assert page is not None
        return page

    def page_of(self, name: str) -> Any:
        """A screen's page."""
        return self.dashboard.query_one(f"#page-{name}")

    async def press(self, *names: str) -> None:
        """Keys, one after the other."""
        await self.pilot.press(*names)
        await self.rest()

    async def rest(self) -> None:
        """Until nothing more is to come of what was done; then what changed is drawn."""
        await self.pilot.pause()
        _DRAW(self.app.screen)

    async def type(self, text: str) -> None:
        """A text, letter by letter."""
        await self.press(*(_KEYS.get(letter, letter) for letter in text))

    async def until(self, condition: Callable[[], object], what: str = "it") -> None:
        """Wait until it holds; what asks for the whole screen is asked seldom, for drawing it takes its time."""
        deadline, rest = time.monotonic() + PATIENCE, 0.01
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come:\n{self.screen()}"
            await asyncio.sleep(rest)
            rest = min(2 * rest, 0.15)
        await self.rest()

    async def go(self, where: str) -> ListPage:
        """To a screen, until its rows are there."""
        await self.dashboard.go(where)
        await self.until(lambda: self.page.grid.empty != "…", f"rows of {where}")
        return self.page

    def names(self) -> list[str]:
        """Names in the order of the list."""
        place = self.page.fields.place("name")
        assert place is not None
        return [str(self.page.grid.rows.row(key)[place]) for key in self.page.grid.rows.keys]

    def screen(self) -> str:
        """What is seen, as text."""
        strips = self.app.screen._compositor.render_strips(None)
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    def offered(self) -> set[str]:
        """Names of the verbs that the footer, the palette and the help may show now."""
        return {offer.command.name for offer in self.dashboard.offers()}


_KEYS = {" ": "space", "=": "equals_sign", "*": "asterisk", ":": "colon", "/": "slash", "-": "minus", "?": "question_mark",
         "~": "tilde", ">": "greater_than_sign", "'": "apostrophe", ".": "full_stop"}  # fmt: skip


@asynccontextmanager
async def driven(
    sim: Sim, memory: Memory, *, size: tuple[int, int] = (160, 45), start: str = "vm", **options: Any
) -> AsyncIterator[Driven]:
    """The dashboard, connected, its first rows there."""
    engine = cast("Engine", _Kept(cast("Engine", sim.engine)))
    app = NebulaApp(
        lambda: nullcontext(engine),
        memory,
        cast("Connect", OnEngine(engine, cast("Connect", way))),
        GlobalOptions(),
        name="test",
        start=start,
        **options,
    )
    try:
        async with app.run_test(size=size) as pilot:
            found = Driven(app, pilot, sim)
            await found.until(lambda: app.dashboard.list_page is None or app.dashboard.list_page.grid.empty != "…", "the rows")
            yield found
            _DRAW(app.screen)
    finally:
        app.link.close()


def drive(sim: Sim, memory: Memory, play: Callable[[Driven], Awaitable[None]], **options: Any) -> None:
    """Run the dashboard for as long as `play` takes."""

    async def main() -> None:
        async with driven(sim, memory, **options) as found:
            await play(found)

    asyncio.run(main())
