"""DRS over time: a cluster's hosts at one moment after the other, and what was decided; forth, back, and as a film."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.app import ComposeResult
from textual.timer import Timer
from textual.widgets import Static

from nebula.cli.output.text import plural, printable
from nebula.cli.output.values import local_time
from nebula.errors import NebulaError
from nebula.tui import bars
from nebula.tui.drawing import Drawing
from nebula.tui.film import Decision, Film, read

if TYPE_CHECKING:
    from nebula.tui.link import Link

SPANS = (6, 24, 72)
"""Hours that a film goes back; the first at first."""
_FRAME = 0.2
"""Seconds for which a moment is seen while the film runs."""
_MOVES, _LEAST = 8, 40
"""Moves of a decision that are told; columns of a film at least."""
_MARKS = {"yes": "▲", "no": "▽", "": "△"}
"""On the line of time: a plan that helped, one that did not, one of which nobody knows."""


class Replay(Drawing):
    """The film of the cluster of the plan under the cursor. It begins where that plan was made."""

    DEFAULT_CSS = "Replay Static { height: auto; }"

    def __init__(self, link: Link, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._link, self._clock = link, clock
        self._hours = SPANS[0]
        self._film: Film | None = None
        self._plan, self._place = 0, 0
        self._reel: Timer | None = None
        self._early: list[Callable[[], None]] = []
        """What keys asked for before there was a film."""

    def compose(self) -> ComposeResult:
        """See Widget."""
        yield Static(markup=False)

    @property
    def text(self) -> str:
        """What is seen."""
        return str(self.query_one(Static).render())

    @property
    def runs(self) -> bool:
        """Whether the film runs by itself."""
        return self._reel is not None

    async def show(self, key: int) -> None:
        """The film of that plan's cluster; the moment stays while the plan does."""
        now, hours = self._clock(), self._hours
        try:
            film = await self._link.ask(lambda engine: read(engine, key, now, hours))
        except NebulaError as error:
            self._film, self._early = None, []
            self.query_one(Static).update(str(error))
            return
        at = self._film.times[self._place] if self._film is not None and self._film.times else 0.0  # somebody may have moved on
        if key != self._plan:
            self.stop()
            at = next((item.at for item in film.decisions if item.plan == key), film.times[0] if film.times else 0.0)
        self._plan, self._film, self._place = key, film, film.place(at)
        self._draw()
        early, self._early = self._early, []
        for act in early:
            act()

    def next_span(self) -> int:
        """Go back so far instead; hours."""
        self._hours = SPANS[(SPANS.index(self._hours) + 1) % len(SPANS)]
        return self._hours

    def step(self, by: int) -> None:
        """So many slots forth or back."""
        if self._film is None:
            self._early.append(lambda: self.step(by))
        elif self._film.times:
            self._place = max(0, min(self._place + by, len(self._film.times) - 1))
            self._draw()

    def decision(self, by: int) -> None:
        """To the next decision, or the one before."""
        if self._film is None:
            self._early.append(lambda: self.decision(by))
        elif self._film.times:
            self._place = self._film.next_decision(self._place, by)
            self._draw()

    def play(self) -> None:
        """Let it run, from the beginning where it is at its end; or stop it."""
        film = self._film
        if self.runs or film is None or not film.times:
            self.stop()
        else:
            self._place = 0 if self._place >= len(film.times) - 1 else self._place
            self._reel = self.set_interval(_FRAME, self._next)
        self._draw()

    def stop(self) -> None:
        """Stand still."""
        if self._reel is not None:
            self._reel.stop()
            self._reel = None

    def _next(self) -> None:
        film = self._film
        if film is None or not self.display or self._place >= len(film.times) - 1:
            self.stop()
            self._draw()
            return
        self.step(1)

    def on_resize(self) -> None:
        """More or less room, also beside a bar that scrolls."""
        self._draw()

    def _draw(self) -> None:
        film = self._film
        if film is None:
            return
        columns = max(self.size.width, _LEAST)
        text = Text("nothing was measured in this time; H goes further back", "dim")
        if film.times:
            text = Text("\n").join(frame(film, self._place, columns, runs=self.runs))
        self.query_one(Static).update(text)


def frame(film: Film, place: int, columns: int, *, runs: bool) -> list[Text]:
    """A moment: when it is, the line of time, the hosts, the decision that holds."""
    head = Text(f"cluster {printable(film.cluster)}, {local_time(film.times[place])[:16]}", "bold")
    head.append("  ▶" if runs else "  ❚❚", "green" if runs else "dim")
    head.append(f"  {place + 1} of {len(film.times)}", "dim")
    found = [head, *_timeline(film, place, columns), Text(), *_hosts(film, place, columns), Text()]
    decided = film.decided(place)
    if decided is None:
        found.append(Text("nothing was decided before", "dim"))
    else:
        found += _decision(film.decisions[decided], here=film.place(film.decisions[decided].at) == place)
    found += [Text(), Text("R runs or stops it  , . a moment  < > a decision  H 6, 24, 72 hours", "dim")]
    return found


def _timeline(film: Film, place: int, columns: int) -> list[Text]:
    """The hottest host's CPU, then where the decisions are, then the moment."""
    count = len(film.times)
    room = min(columns, count)

    def column(slot: int) -> int:
        return min(slot * room // count, room - 1)

    hottest = [0.0] * room
    for slot, loads in enumerate(film.loads):
        hottest[column(slot)] = max(hottest[column(slot)], *(load.cpu for load in loads))
    marks, here = [" "] * room, column(place)
    for item in film.decisions:
        marks[column(film.place(item.at))] = _MARKS[item.helped]
    title = Text("the hottest host's CPU, up to ", "dim")
    title.append(f"{max(hottest):.0%}", bars.colour(max(hottest)))
    drawn = Text(bars.line(hottest, max(hottest)), "cyan")
    drawn.stylize("reverse", here, here + 1)
    cursor = Text(" " * here + "┃", "bold")
    begin, end = local_time(film.times[0])[5:16], local_time(film.times[-1])[5:16]
    return [
        title, drawn, Text("".join(marks), "yellow"), cursor,
        Text(f"{begin}{' ' * max(1, room - len(begin) - len(end))}{end}", "dim"),
    ]  # fmt: skip


def _hosts(film: Film, place: int, columns: int) -> list[Text]:
    loads = film.loads[place]
    room = bars.names([load.host for load in loads])
    size = max((columns - room - 4) // 2, 12)
    found = [Text(f"{bars.name('HOST', room)}  {'CPU':<{size}}  MEMORY", "bold")]
    for load in loads:
        text = Text(f"{bars.name(load.host, room)}  ")
        text.append_text(bars.bar(load.cpu, size))
        text.append("  ")
        text.append_text(bars.bar(load.memory, size))
        found.append(text)
    return [*found, Text(f"and {film.more} more", "dim")] if film.more else found


def _decision(item: Decision, *, here: bool) -> list[Text]:
    """What was decided, and whether it helped."""
    words = {"yes": "it helped", "no": "it did not help", "": "not measured"}
    text = Text(f"{'now' if here else local_time(item.at)[11:16]}: plan {item.plan}, {item.state}", "bold" if here else "")
    text.append(f", {plural(len(item.moves), 'move')}, imbalance {item.before:.4f} to {item.after:.4f}")
    if item.state in {"done", "partly"}:
        text.append(f", {words[item.helped]}", {"yes": "green", "no": "red"}.get(item.helped, "dim"))
    return [text, *_moves(item.moves)]


def _moves(moves: Sequence[Mapping[str, Any]]) -> list[Text]:
    found = []
    for move in moves[:_MOVES]:
        vm, source, target, reason = (printable(str(move[word])) for word in ("vm", "source", "target", "reason"))
        found.append(Text(f"  {vm}: {source} → {target}  {reason}"))
    return [*found, Text(f"  and {len(moves) - _MOVES} more")] if len(moves) > _MOVES else found
