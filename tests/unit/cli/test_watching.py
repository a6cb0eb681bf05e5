"""--watch, follow, waiting and what Ctrl-C leaves behind."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from nebula.cli import entry
from nebula.cli.context import Context
from nebula.cli.progress import describe, share
from nebula.engine.api.values import Event, JobView

from .conftest import Cli, InProcess

JOB = JobView(
    id=12, kind="vm.deploy", target_kind="vm", target_id=1, target="web", state="running", step="make disks", steps=5,
    position=1, direction="forward", done=50, total=100, attempt=1, not_before=0.0, created=1.0, started=1.0, ended=0.0,
    actor="", error={},
)  # fmt: skip


def changed(**values: object) -> JobView:
    """The job with other values."""
    return replace(JOB, **values)


class Acting:
    """Events of an engine, with something that happens while they are followed; then Ctrl-C."""

    def __init__(self, connect: InProcess, acts: list[object]) -> None:
        self._events, self._acts = connect.engine.events, acts

    def __getattr__(self, name: str) -> object:
        return getattr(self._events, name)

    def follow(self, after: int = -1) -> Iterator[Event | None]:
        """Do the next thing whenever nothing else happens."""
        for event in self._events.follow(after):
            yield event
            if event is None:
                if not self._acts:
                    raise KeyboardInterrupt
                self._acts.pop(0)()  # type: ignore[operator]


def watched(
    connect: InProcess, monkeypatch: pytest.MonkeyPatch, words: list[str], acts: list[object], *, tty: bool
) -> list[str]:
    """Lines that a watching command printed until Ctrl-C."""
    out = io.StringIO()
    out.isatty = lambda: tty  # type: ignore[method-assign]
    monkeypatch.setattr(connect.engine, "events", Acting(connect, acts), raising=False)
    status = entry.run(words, lambda options: Context(options, connect, out=out, err=io.StringIO(), environ={"TERM": "dumb"}))
    assert status == 130
    return out.getvalue().splitlines()


def test_in_a_pipe_changes_are_lines_of_json(connect: InProcess, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    acts = [
        lambda: cli("cluster", "create", "lab"),
        lambda: cli("cluster", "rename", "lab", "den"),
        lambda: cli("cluster", "remove", "den"),
    ]
    lines = watched(connect, monkeypatch, ["cluster", "list", "-w", "-c", "name"], [*acts, lambda: None], tty=False)
    seen = [(item["change"], item["name"]) for item in map(json.loads, lines)]
    assert seen == [("present", "default"), ("new", "lab"), ("changed", "den"), ("gone", "den")]


def test_on_a_terminal_the_table_is_drawn_anew(connect: InProcess, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    acts = [lambda: cli("cluster", "create", "lab"), lambda: cli("cluster", "remove", "lab")]
    text = "\n".join(watched(connect, monkeypatch, ["cluster", "list", "-w"], [*acts, lambda: None], tty=True))
    screens = text.split("\x1b[H")[1:]
    assert screens[0].startswith("1 cluster ")
    assert all(screen.endswith("\x1b[J") for screen in screens[:-1])
    assert any("lab" in screen for screen in screens)
    assert "lab" not in screens[-1]


def test_rows_are_called_what_they_are(connect: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched(connect, monkeypatch, ["drs", "history", "-w"], [], tty=True)[0].startswith("\x1b[H0 plans ")


def test_a_screen_has_no_more_rows_than_the_terminal_has_lines(connect: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "height", lambda _: 6)
    text = "\n".join(watched(connect, monkeypatch, ["vm", "list", "-w"], [], tty=True))
    lines = text.replace("\x1b[H", "").replace("\x1b[K", "").split("\n")
    assert [line.split()[0] for line in lines[:5]] == ["6", "ID", "1", "2", "…"]
    assert lines[4].startswith("… 4 more rows")


def test_events_are_followed(connect: InProcess, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = watched(
        connect, monkeypatch, ["event", "follow", "-f", "jsonl"], [lambda: cli("cluster", "create", "x")], tty=False
    )
    assert any(json.loads(line)["object_kind"] == "cluster" for line in lines)
    assert cli("cluster", "remove", "x").status == 0


@pytest.mark.parametrize("form", ["table", "jsonl"])
def test_events_that_fit_are_listed_and_then_come(
    connect: InProcess, cli: Cli, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    acts = [lambda: cli("cluster", "create", "x"), lambda: cli("vm", "hold", "none"), lambda: cli("cluster", "remove", "x")]
    words = ["event", "list", "-w", "object_kind=cluster", "-c", "kind", "--limit", "1", "-f", form]
    assert cli("cluster", "create", "earlier").status == 0
    lines = watched(connect, monkeypatch, words, [*acts, lambda: None], tty=form == "table")
    kinds = [json.loads(line)["kind"] for line in lines] if form == "jsonl" else lines
    assert kinds == [*(["KIND"] if form == "table" else []), "cluster.created", "cluster.created", "cluster.removed"]
    assert cli("cluster", "remove", "earlier").status == 0


def test_ctrl_c_leaves_the_job_and_says_how_to_follow_it(connect: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    err = io.StringIO()
    monkeypatch.setattr(connect.engine, "jobs", _Endless(), raising=False)
    monkeypatch.setattr(connect.engine, "events", Acting(connect, []), raising=False)
    status = entry.run(["job", "wait", "12"], lambda options: Context(options, connect, out=io.StringIO(), err=err, environ={}))
    assert status == 130
    assert "job 12 goes on; follow it with: nebula job wait 12" in err.getvalue()


class _Endless:
    def show(self, _: int) -> JobView:
        """A job that never ends."""
        return JOB


def test_a_wait_that_takes_too_long_is_status_7(connect: InProcess, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.setattr(connect.engine, "jobs", _Endless(), raising=False)
    result = cli("job", "wait", "12", "--timeout", "1")
    assert result.status == 7
    assert "nebula job wait 12" in result.err


@pytest.mark.parametrize(
    ("job", "text", "part"),
    [
        (JOB, "vm.deploy web: make disks (2 of 5)", 0.3),
        (changed(state="ready", position=0, done=0), "vm.deploy web: waits for its turn", 0.0),
        (changed(direction="undo"), "vm.deploy web: back make disks (2 of 5)", 0.3),
        (changed(state="waiting", error={"message": "host a1 is silent"}), "vm.deploy web: waits: host a1 is silent", 0.3),
        (changed(state="waiting"), "vm.deploy web: waits", 0.3),
        (changed(state="waiting", not_before=9.0), "vm.deploy web: make disks (2 of 5)", 0.3),
        (changed(steps=0, position=0, total=0), "vm.deploy web: make disks (1 of 1)", 0.0),
        (changed(position=5, done=100), "vm.deploy web: make disks (5 of 5)", 1.0),
    ],
)
def test_how_far_a_job_is(job: JobView, text: str, part: float) -> None:
    assert describe(job) == text
    assert share(job) == pytest.approx(part)
