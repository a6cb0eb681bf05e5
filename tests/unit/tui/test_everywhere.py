"""One row of the command table is on all ways at once; the mouse does what keys do."""

from __future__ import annotations

import pytest
from textual.widgets import Tabs

from nebula.cli.command import Argument, Command
from nebula.cli.table import vm
from nebula.tui.chooser import Chooser
from nebula.tui.dialog import CommandDialog
from nebula.tui.frame import Footer
from nebula.tui.memory import Memory
from nebula.tui.resource_table import ResourceTable
from tests.support.sim import Sim
from tests.support.tui import Driven, drive

LATER = Command(
    "defragment", "Made up.", "nebula vm defragment web", "verbs.vm:hold", (Argument("refs", "VMs.", True, complete="vm"),),
    verbs=("poweroff",), changes=True, key="X", risk="asks",
)  # fmt: skip


def test_a_made_up_verb_is_in_palette_help_actions_and_on_its_key(
    sim: Sim, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vm, "COMMANDS", (LATER, *vm.COMMANDS))

    async def play(tui: Driven) -> None:
        tui.page.grid.put_cursor(sim.vm("web-1").id)
        await tui.until(lambda: "X defragment" in str(tui.dashboard.query_one(Footer).render()), "it in the footer")
        for key in ("ctrl+p", "question_mark", "a"):
            await tui.press(key)
            chooser = tui.app.screen
            assert isinstance(chooser, Chooser)
            await tui.until(chooser.shown, "choices")
            assert "vm.defragment" in chooser.shown(), key
            await tui.press("escape")
        await tui.press("X")
        await tui.until(lambda: "$ nebula vm defragment web-1" in tui.screen(), "its line")
        await tui.press("escape")
        tui.page.grid.put_cursor(sim.vm("db-1").id)
        await tui.until(lambda: "defragment" not in str(tui.dashboard.query_one(Footer).render()), "that it is not for HOLD")

    drive(sim, memory, play)


def test_the_mouse_chooses_sorts_opens_tabs_and_cancels(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        grid = tui.page.grid
        await tui.pilot.click(ResourceTable, offset=(6, 3))
        await tui.until(lambda: grid.cursor == grid.rows.keys[2], "the third row")
        await tui.pilot.click(ResourceTable, offset=(10, 0))
        await tui.until(lambda: tui.names() == sorted(tui.names()), "an order by name")
        await tui.until(lambda: tui.page.query(Tabs), "tabs")
        grid.put_cursor(sim.vm("web-1").id)
        await tui.pilot.click("#tab-disks")
        await tui.until(lambda: "base" in tui.page.detail.text, "its disk")
        await tui.press("D")
        assert isinstance(tui.app.screen, CommandDialog)
        await tui.pilot.click("#cancel")
        await tui.until(lambda: tui.app.screen is tui.dashboard, "the list")

    drive(sim, memory, play)
    assert sim.state("web-1") == "RUNNING"
