"""The bottom drawer: the command line of everything that was done, ready to be copied, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from nebula.cli.output.text import printable, shorten, width
from nebula.cli.progress import describe, share
from nebula.tui.lines import Target

if TYPE_CHECKING:
    from nebula.engine.api.values import Accepted, JobView
    from nebula.errors import NebulaError

_MOST = 100
_BAR = 12
_COUNTED = {"runs": "running"}
_LEAST = 20
"""Columns of a command line that are seen however much there is to say of it."""
_MARKS = {"runs": ("…", "cyan"), "done": ("✓", "green"), "failed": ("✗", "red"), "partly": ("!", "yellow")}


class Part(msgspec.Struct):
    """What came of one object: `job` 0 where none was filed; `text` "" while it is well."""

    name: str
    job: int = 0
    state: str = "runs"
    text: str = ""
    share: float = 0.0


class Entry(msgspec.Struct):
    """A line that was run."""

    line: str
    parts: list[Part] = msgspec.field(default_factory=list)
    text: str = ""
    ended: bool = False
    status: int = 0
    undo: str = ""
    """The command that takes it back, "vm resume"; "" where none does, or did so already."""
    about: Sequence[Target] = ()

    def accepted(self, ref: str, answer: Accepted) -> None:
        """See Results."""
        state = "runs" if answer.job_id else "done"
        self.parts.append(Part(answer.name or ref, answer.job_id, state))

    def failed(self, name: str, error: NebulaError) -> None:
        """See Results."""
        self.parts.append(Part(name, 0, "failed", str(error)))

    def follow(self, view: JobView) -> bool:
        """A job of it is so far; whether it is one of its jobs."""
        part = next((part for part in self.parts if part.job == view.id), None)
        if part is None:
            return False
        part.state = "runs" if not view.finished else "done" if view.state == "done" else "failed"
        part.share = 1.0 if view.finished else share(view)
        part.text = "" if view.state == "done" else describe(view)
        if part.state == "failed":
            error = view.error
            said = ": ".join(str(error[key]) for key in ("message", "cause") if error.get(key))
            part.text = said or f"job {view.id} was {view.state}"
        return True

    def did(self, name: str) -> bool:
        """Whether it did something to the object of that name."""
        return not any(part.name == name and part.state == "failed" for part in self.parts)

    @property
    def open_jobs(self) -> list[int]:
        """Jobs that have not ended."""
        return [part.job for part in self.parts if part.job and part.state == "runs"]

    @property
    def state(self) -> str:
        """runs, done, failed or partly."""
        if not self.ended or self.open_jobs:
            return "runs"
        failed = sum(part.state == "failed" for part in self.parts)
        if failed:
            return "failed" if failed == len(self.parts) else "partly"
        return "failed" if self.status else "done"

    @property
    def summary(self) -> str:
        """In a few words."""
        if len(self.parts) > 1:
            counts = {state: sum(part.state == state for part in self.parts) for state in ("done", "runs", "failed")}
            return ", ".join(f"{count} {_COUNTED.get(state, state)}" for state, count in counts.items() if count)
        said = self.parts[0].text if self.parts else self.text
        return printable(said.strip().splitlines()[0]) if said.strip() else ""


class Drawer(VerticalScroll, can_focus=False):
    """Closed it is one line: the last one."""

    DEFAULT_CSS = """
    Drawer { height: 1; max-height: 40%; background: $panel; padding: 0 1; scrollbar-size-vertical: 1; }
    Drawer Static { text-wrap: nowrap; text-overflow: ellipsis; }
    Drawer.-open { height: auto; border-top: solid $panel-lighten-1; }
    Drawer.-open Static { text-wrap: wrap; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's
        super().__init__(id=id)
        self.entries: list[Entry] = []

    def compose(self) -> ComposeResult:
        """See Widget."""
        yield Static(markup=False)

    def on_mount(self) -> None:
        """Say what it is for."""
        self.draw()

    @property
    def last(self) -> Entry | None:
        """What was done last."""
        return self.entries[-1] if self.entries else None

    @property
    def last_to_undo(self) -> Entry | None:
        """The last change that a verb takes back, and that did anything."""
        return next((entry for entry in reversed(self.entries) if entry.undo and entry.state in {"done", "partly"}), None)

    def add(self, line: str) -> Entry:
        """Something begins."""
        entry = Entry(line)
        self.entries = [*self.entries[1 - _MOST :], entry]
        self.draw()
        return entry

    def on_resize(self) -> None:
        """More or less room for the line."""
        self.draw()

    def toggle(self) -> None:
        """Open or close it."""
        self.toggle_class("-open")
        self.draw()
        self.query_one(Static).refresh(layout=True)

    def draw(self) -> None:
        """Write it anew."""
        text = Text(no_wrap=True, overflow="ellipsis")
        opened = self.has_class("-open")
        for entry in self.entries if opened else self.entries[-1:]:
            _write(text, entry, whole=opened, columns=0 if opened else self.size.width - 2)
        if not self.entries:
            text.append("every key that changes something shows its command line here", "dim")
        for shown in self.query(Static):
            shown.update(text, layout=opened)
        if opened:
            self.call_after_refresh(self.scroll_end, animate=False)


def _write(text: Text, entry: Entry, *, whole: bool, columns: int) -> None:
    """Within so many columns (0: any). What came of it has those that it needs; a line that names fifty VMs gives way."""
    if text.plain:
        text.append("\n")
    mark, colour = _MARKS[entry.state]
    text.append(f"{mark} ", colour)
    room = max(columns - width(entry.summary) - 6, _LEAST) if columns else 0
    text.append(f"$ {shorten(entry.line[: 4 * room], room) if room else entry.line}", "bold")
    if entry.summary:
        text.append(f"  {entry.summary}", colour if entry.state != "runs" else "dim")
    for part in entry.parts if whole and (len(entry.parts) > 1 or entry.parts[0].text) else ():
        text.append("\n    ")
        text.append_text(part_line(part))


def part_line(part: Part) -> Text:
    """A line about one object: a bar while its job runs."""
    mark, colour = _MARKS[part.state]
    text = Text(f"{mark} ", colour, no_wrap=True, overflow="ellipsis")
    text.append(printable(part.name) or "…", "default")
    if part.state == "runs" and part.job:
        full = round(part.share * _BAR)
        text.append(f"  {'█' * full}{'░' * (_BAR - full)}", "cyan")
    if part.text:
        text.append(f"  {printable(part.text)}", "red" if part.state == "failed" else "dim")
    return text
