"""The DRS screen: plans, and beside them what they change, and their cluster over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.tui.listpage import ListPage
from nebula.tui.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from nebula.cli.context import Connect
    from nebula.cli.options import GlobalOptions
    from nebula.tui.link import Link
    from nebula.tui.memory import Memory
    from nebula.tui.views import View


class PlanPage(ListPage):
    """Its own keys are those of the film."""

    def __init__(
        self, view: View, link: Link, memory: Memory, connect: Connect, options: GlobalOptions, clock: Callable[[], float]
    ) -> None:
        self.film = Replay(link, clock)
        """The past of the cluster of the plan under the cursor."""
        super().__init__(view, link, memory, connect, options, clock, drawing=self.film)

    def _open(self) -> bool:
        """Show it; whether it was seen already."""
        tab = self.detail.tab
        if tab is not None and tab.name == "replay" and (not self.has_class("-narrow") or self.has_class("-open")):
            return True
        self.detail.open("replay")
        self.do_open()
        return False

    def do_play(self) -> None:
        """See keys.KEYS."""
        if self._open():
            self.film.play()

    def do_earlier(self) -> None:
        """See keys.KEYS."""
        self._open()
        self.film.step(-1)

    def do_later(self) -> None:
        """See keys.KEYS."""
        self._open()
        self.film.step(1)

    def do_decision_before(self) -> None:
        """See keys.KEYS."""
        self._open()
        self.film.decision(-1)

    def do_decision_after(self) -> None:
        """See keys.KEYS."""
        self._open()
        self.film.decision(1)
