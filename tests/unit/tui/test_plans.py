"""The DRS screen: a plan's moves are ticked and carried out together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Button, Static

from nebula.engine.store.rows import VmRow
from nebula.tui.dialog import CommandDialog
from nebula.tui.memory import Memory
from nebula.tui.ticks import Ticks
from tests.support.days import keep
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


def _line(dialog: CommandDialog) -> str:
    return str(dialog.query_one(".line", Static).render())


def _told(tui: Driven) -> str:
    assert isinstance(tui.app.screen, CommandDialog)
    return _line(tui.app.screen) + "\n"
