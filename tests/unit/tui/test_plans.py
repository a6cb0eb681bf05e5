"""The DRS screen: a plan's moves are ticked and carried out together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Button, Static

from nebula.engine.store.rows import HostRow, VmRow
from nebula.tui.dialog import CommandDialog
from nebula.tui.memory import Memory
from nebula.tui.planpage import PlanPage
from nebula.tui.replay import Replay
from nebula.tui.ticks import Ticks
from tests.support.days import keep
from tests.support.decisions import decide, plan_of
from tests.support.sim import CALL, Sim, sim_engine
from tests.support.tui import Driven, drive

EAGER = {"policy": "striping", "weights.memory": "0", "budget_share": "1", "patience": "1"}


@pytest.fixture
def planned(tmp_path: Path) -> Iterator[Sim]:
    """A plan that has two moves at least."""
    with sim_engine(tmp_path / "crowded", shared=True) as made:
        for name in ("a", "b", "c", "d"):
            made.world.guests.order(name, profile="idle")
            made.add_vm(name, VCPU=4, CPU=1, HOST="h1")
        keep(made.engine.services.store, [vm.id for vm in made.rows(VmRow)], lambda _vm, _slot: 380.0)
        made.engine.drs.set("default", EAGER, CALL)
        plan = made.engine.drs.plan("default", CALL)
        assert len(plan.body["moves"]) >= 2, plan.body
        yield made


def test_some_moves_of_a_plan_are_ticked_and_applied(planned: Sim, memory: Memory) -> None:
    moves = planned.engine.drs.show(1).body["moves"]

    async def play(tui: Driven) -> None:
        await tui.go("drs")
        await tui.press("A")
        dialog = tui.app.screen
        assert isinstance(dialog, CommandDialog)
        listed = dialog.query_one(Ticks)
        await tui.until(lambda: listed.option_count == len(moves), "the moves")
        assert isinstance(dialog.focused, Button)
        assert dialog.focused.id == "cancel"
        assert all(move["vm"] in tui.screen() and move["reason"][:12] in tui.screen() for move in moves)
        await tui.until(lambda: "$ nebula drs apply 1\n" in _told(tui), "the line for all of them")
        assert tui.screen().count("✓") == len(moves)
        listed.focus()
        await tui.until(lambda: listed.has_focus, "the list")
        await tui.press("space")
        await tui.until(
            lambda: _line(dialog) == f"$ nebula drs apply 1 {' '.join(map(str, range(2, len(moves) + 1)))}", "the line"
        )
        for _ in moves[1:]:
            await tui.press("down", "space")
        await tui.until(lambda: "nothing is ticked" in tui.screen(), "that nothing is left")
        await tui.press("space", "tab", "tab", "enter")
        await tui.until(lambda: planned.engine.drs.show(1).body["state"] != "proposed", "the job")

    drive(planned, memory, play)
    planned.settle()
    assert planned.where(moves[-1]["vm"]) == moves[-1]["target"]
    assert planned.where(moves[0]["vm"]) == "h1"


def test_a_plan_says_why_and_shows_its_hosts_and_the_past_is_replayed(planned: Sim, memory: Memory) -> None:
    store, hosts = planned.engine.services.store, sorted(planned.rows(HostRow), key=lambda host: host.name)
    hot = hosts[0].id
    keep(
        store,
        [host.id for host in hosts],
        lambda host, slot: 16.0 if host != hot else 160.0 if slot > -24 else 800.0,
        kind="host",
    )
    made = plan_of(planned.engine.drs.show(1).body)
    decide(store, made, hours_ago=4.0, helped="yes")
    decide(store, made, hours_ago=1.0, helped="no")
    last = planned.engine.drs.plan("default", CALL).id

    async def play(tui: Driven) -> None:
        page = await tui.go("drs")
        assert isinstance(page, PlanPage)
        await tui.until(lambda: len(page.grid.rows) == last, "all plans")
        page.grid.put_cursor(last)
        await tui.until(lambda: f"plan {last} for cluster default, proposed" in page.detail.text, "the plan")
        assert all(move.reason.split(";")[0] in page.detail.text for move in made.moves), "each with its reason"
        assert page.detail.text.index(made.moves[0].reason[:9]) > page.detail.text.index("MOVE"), "below its move"
        await tui.press("right_square_bracket")
        await tui.until(lambda: "BEFORE" in page.detail.text and "AFTER" in page.detail.text, "its hosts")
        assert len(re.findall(r"h\d +[█░]+ +\d+%  [█░]+ +\d+%  \d", page.detail.text)) >= len(hosts)
        await replay(tui, page.film)

    async def replay(tui: Driven, film: Replay) -> None:
        await tui.press("R")
        await tui.until(lambda: f"now: plan {last}, proposed" in film.text, "the moment of the plan")
        assert all(mark in film.text for mark in "▲▽△"), "what helped, what did not, what nobody knows"
        newest = film.text.splitlines()[0]
        await tui.press("less_than_sign")
        assert "it did not help" in film.text
        await tui.press("less_than_sign")
        assert "now: plan 2, done" in film.text
        assert "it helped" in film.text
        busy = _first_load(film)
        await tui.press("comma")
        assert "nothing was decided before" in film.text
        await tui.press("greater_than_sign", "greater_than_sign", "full_stop")
        assert "plan 3, done" in film.text
        assert _first_load(film) < busy, "what the first host had to do then, and later"
        await tui.press("R")
        assert film.runs
        await tui.until(lambda: film.text.splitlines()[0] == newest, "its end")
        await tui.until(lambda: not film.runs, "that it stands still")
        await tui.press("H")
        await tui.until(lambda: re.search("of 28[6-9]$", film.text.splitlines()[0]), "a day")

    drive(planned, memory, play)


def _first_load(film: Replay) -> int:
    """Of a CPU, in percent."""
    found = re.search(r"h1 +[█░]+ +(\d+)%", film.text)
    assert found is not None, film.text
    return int(found[1])


def _line(dialog: CommandDialog) -> str:
    return str(dialog.query_one(".line", Static).render())


def _told(tui: Driven) -> str:
    assert isinstance(tui.app.screen, CommandDialog)
    return _line(tui.app.screen) + "\n"
