"""What the engine's jobs say, as they say it: filtered, wrapped, followed, copied."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.widgets import Input, RichLog, Static

from nebula.cli.output.text import printable
from nebula.cli.output.values import local_time
from nebula.engine.api.tables import Query
from nebula.errors import NebulaError
from nebula.tui.page import Page

if TYPE_CHECKING:
    from nebula.engine.api.values import Event
    from nebula.engine.api.verbs import Engine
    from nebula.tui.link import Link

_MOST, _PAST = 5000, 40
"""Lines that are kept; jobs whose lines are read at first."""
_STYLES = {"error": "red", "warning": "yellow", "debug": "dim"}


class Line(NamedTuple):
    """A line of a job's log."""

    at: float
    job: int
    kind: str
    target: str
    level: str
    text: str

    def __str__(self) -> str:
        return f"{local_time(self.at)}  job {self.job} {self.kind} {printable(self.target)}: {printable(self.text)}"


class LogPage(Page):
    """All jobs' logs as one."""

    DEFAULT_CSS = """
    LogPage .bar { height: 1; padding: 0 1; color: $text-muted; }
    LogPage .filter { border: none; height: 1; padding: 0 1; background: $boost; display: none; }
    LogPage .filter.-open { display: block; }
    LogPage RichLog { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    """

    def __init__(self, link: Link) -> None:
        super().__init__(id="page-log")
        self._link = link
        self._lines: deque[Line] = deque(maxlen=_MOST)
        self._read: dict[int, int] = {}
        self._open: set[int] = set()
        self._jobs: set[int] | None = None
        self._typed, self._following, self._asking = "", True, False
        self.paused = False

    def compose(self) -> ComposeResult:
        """See Widget."""
        yield Static(classes="bar", markup=False)
        yield Input(placeholder="only lines with this in them", classes="filter")
        yield RichLog(max_lines=_MOST, wrap=False, markup=False, auto_scroll=True)

    @property
    def log_lines(self) -> list[Line]:
        """What the filter leaves."""
        wanted = self._typed.lower()
        return [line for line in self._lines if wanted in str(line).lower()]

    def focus(self, scroll_visible: bool = True) -> LogPage:
        """See Widget: the lines have the keyboard."""
        self.query_one(RichLog).focus(scroll_visible)
        return self

    def heard(self, events: Sequence[Event]) -> None:
        """Jobs that said something, perhaps."""
        if self._jobs is not None:
            self._jobs |= {event.object_id for event in events if event.object_kind == "job"}

    def stale(self) -> None:
        """Look at the latest jobs."""
        self._jobs = None

    def tick(self) -> None:
        """Jobs that are under way go on saying something without an event."""
        if self._jobs is not None:
            self._jobs |= self._open
        self.refresh_rows()

    def refresh_rows(self) -> None:
        """Ask for what was said since, once at a time."""
        if not (self._asking or self.paused) and (self._jobs is None or self._jobs):
            self._asking = True
            self._ask()

    @work
    async def _ask(self) -> None:
        jobs, self._jobs = self._jobs, set()
        try:
            fresh, self._open = await self._link.ask(lambda engine: _fresh(engine, jobs, self._read))
        except NebulaError:
            self._jobs = None
            return
        finally:
            self._asking = False
        self._lines.extend(fresh)
        wanted = self._typed.lower()
        for log in self.query(RichLog):
            for line in fresh:
                if wanted in str(line).lower():
                    log.write(_drawn(line), scroll_end=self._following)
        self._say()

    def _say(self) -> None:
        words = [f"{len(self._lines)} lines", "follows" if self._following else "stands still (f follows)"]
        words += [f"/{self._typed}"] if self._typed else []
        words += ["paused"] if self.paused else []
        for bar in self.query(".bar").results(Static):
            bar.update("  ".join(words), layout=False)

    # --- keys

    def do_filter(self) -> None:
        """See keys.KEYS."""
        box = self.query_one(Input)
        box.add_class("-open")
        self.screen.set_focus(box)

    @on(Input.Changed)
    def _filtering(self, event: Input.Changed) -> None:
        self._typed = event.value.strip()
        self._rewrite()

    @on(Input.Submitted)
    def _filtered(self) -> None:
        self.focus()

    def go_back(self) -> bool:
        """Take the filter away; False when there is none."""
        box = self.query_one(Input)
        if not box.has_class("-open"):
            return False
        box.value = ""
        box.remove_class("-open")
        self.focus()
        return True

    def do_wrap(self) -> None:
        """See keys.KEYS."""
        log = self.query_one(RichLog)
        log.wrap = not log.wrap
        self._rewrite()

    def do_follow(self) -> None:
        """See keys.KEYS."""
        self._following = not self._following
        self.query_one(RichLog).auto_scroll = self._following
        self._say()

    def copied(self) -> str:
        """What is copied of it: the lines that the filter leaves."""
        return "\n".join(map(str, self.log_lines))

    def _rewrite(self) -> None:
        log = self.query_one(RichLog)
        log.clear()
        for line in self.log_lines:
            log.write(_drawn(line), scroll_end=self._following)
        self._say()


def _drawn(line: Line) -> Text:
    return Text(str(line), _STYLES.get(line.level, ""))


def _fresh(engine: Engine, jobs: set[int] | None, read: dict[int, int]) -> tuple[list[Line], set[int]]:
    """What those jobs (of None: the latest) said since; `read` counts their lines. And which are under way."""
    if jobs is None:
        rows = engine.jobs.list(Query(columns=("id",), limit=_PAST)).rows
        jobs = {int(row[0]) for row in rows}
    fresh, under_way = list[Line](), set[int]()
    for job in sorted(jobs):
        view = engine.jobs.show(job)
        said = engine.jobs.log(job, after=read.get(job, 0))
        read[job] = read.get(job, 0) + len(said)
        fresh += [Line(item.at, job, view.kind, view.target, item.level, item.text) for item in said]
        if not view.finished:
            under_way.add(job)
    return sorted(fresh, key=lambda line: line.at), under_way
