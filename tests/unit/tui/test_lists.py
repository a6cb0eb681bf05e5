"""A list: live rows, filter, order, marks, details."""

from __future__ import annotations

import time
from functools import partial

import pytest
from textual.geometry import Region

from nebula.tui.detail import Detail
from nebula.tui.memory import Memory
from nebula.tui.resource_table import ResourceTable
from tests.support.sim import CALL, Sim
from tests.support.tui import Driven, drive


def test_rows_follow_events_and_the_cursor_stays_on_its_row(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        page, grid = tui.page, tui.page.grid
        assert {"web-1", "db-1"} <= set(tui.names())
        grid.put_cursor(sim.vm("web-3").id)
        await tui.press("s", "s")
        assert grid.rows.sort == page.fields.place("name")
        assert grid.cursor == sim.vm("web-3").id
        sim.engine.vms.create({"NAME": "aaa", "MEMORY": 128}, CALL, hold=True)
        await tui.until(lambda: "aaa" in tui.names(), "a new VM")
        assert tui.names()[0] == "aaa"
        assert grid.cursor == sim.vm("web-3").id
        await tui.until(lambda: "VM web-3" in page.detail.text, "its details")
        await tui.press("p")
        sim.engine.vms.terminate(str(sim.vm("aaa").id), CALL)
        await tui.pilot.pause(0.4)
        assert "aaa" in tui.names(), "paused, and yet it changed"
        await tui.press("p")
        await tui.until(lambda: "aaa" not in tui.names(), "the VM to go")
        assert grid.cursor == sim.vm("web-3").id

    drive(sim, memory, play)


def test_a_filter_is_the_command_lines_and_marks_are_kept(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.press("slash")
        await tui.type("state=RUN")
        await tui.until(lambda: len(tui.names()) >= 6, "all: a half-typed condition narrows nothing")
        await tui.until(lambda: "nothing fits state=RUN: shown without it" in tui.screen(), "why")
        await tui.type("NING web")
        await tui.until(lambda: tui.names() == ["web-1", "web-2", "web-3", "web-4"], "four VMs")
        assert "shown without" not in tui.screen()
        await tui.press("enter", "asterisk")
        assert len(tui.page.chosen()) == 4
        await tui.press("asterisk", "home", "space", "down", "V")
        assert [target.name for target in tui.page.chosen()] == ["web-1", "web-2", "web-3"]
        await tui.press("escape")
        assert len(tui.page.chosen()) == 1
        await tui.press("escape")
        await tui.until(lambda: len(tui.names()) >= 6, "all VMs again")

    drive(sim, memory, play)


def test_columns_and_order_are_remembered(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        tui.page.choose_columns(["name", "host", "cpu_used"])
        await tui.press("s", "S")
        await tui.until(lambda: len(tui.names()) >= 6)
        assert "CPU USED" in tui.screen()

    drive(sim, memory, play)
    memory.save()

    async def again(tui: Driven) -> None:
        assert "CPU USED" in tui.screen()
        assert tui.page.grid.rows.falling

    drive(sim, Memory(memory._file.parent), again)


def _says(detail: Detail, name: str, text: str) -> bool:
    return detail.tab is not None and detail.tab.name == name and text in detail.text


def test_every_tab_says_something(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        detail = tui.page.detail
        tui.page.grid.put_cursor(sim.vm("web-1").id)
        expected = {
            "summary": "VM web-1", "all": "uuid", "disks": "base", "nics": "no nics", "log": "", "history": "h",
            "explain": "web-1", "xml": "<domain", "yaml": "kind: vm", "events": "vm.state",
        }  # fmt: skip
        for name, text in expected.items():
            detail.open(name)
            await tui.until(partial(_says, detail, name, text), name)

    drive(sim, memory, play)


def test_with_little_room_details_take_the_lists_place(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        shown = [tui.page.detail.display]
        await tui.press("enter")
        await tui.until(lambda: "What may be typed now" in tui.page.detail.text, "the details")
        assert [*shown, tui.page.detail.display] == [False, True]
        await tui.press("escape")
        assert tui.app.focused is tui.page.grid

    drive(sim, memory, play, size=(80, 24))


def test_what_changes_off_the_screen_costs_no_drawing(sim: Sim, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = list[Region]()

    def refresh(grid: ResourceTable, *regions: Region, **_: bool) -> ResourceTable:
        drawn.extend(regions)
        return grid

    async def play(tui: Driven) -> None:
        grid, web = tui.page.grid, sim.vm("web-1").id
        row, now = grid.rows.row(web), time.time()
        monkeypatch.setattr(grid, "_clock", lambda: now)  # or an age may read otherwise beside the name
        grid.restyle()
        await tui.rest()
        with monkeypatch.context() as patched:
            patched.setattr(ResourceTable, "refresh", refresh)
            grid.loaded({4711})
            assert drawn == []
            grid.rows.update([web], [[*row[:1], "other", *row[2:]]])
            grid.loaded({web})
            assert [region.y for region in drawn] == [1 + (grid.rows.place(web) or 0)]
            assert drawn[0].right < grid.size.width // 2, "its name alone"

    drive(sim, memory, play)


def test_a_list_one_comes_back_to_has_its_room_at_once(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        left, before = tui.page.query_one(".left"), tui.page.query_one(".left").size.width
        await tui.go("host")
        await tui.until(lambda: not left.size.width, "another screen")
        assert left.styles.width is not None
        assert left.styles.width.value == before > 0

    drive(sim, memory, play)


def test_where_there_is_little_room_what_matters_least_gives_way_and_is_said_so(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        page = await tui.go("host")
        await tui.until(lambda: "left out (C)" in tui.screen(), "how many columns are missing")
        seen = [page.fields.columns[index].name for index in page.grid.shown]
        assert {"cpu_used", "memory_allocated", "memory_max", "memory_used"} <= set(seen)
        assert "cluster" not in seen
        assert "MEM USED" in tui.screen()
        assert not page.grid.show_horizontal_scrollbar
        page.choose_columns(
            ["name", "state", "cluster", "cpu_allocated", "cpu_max", "cpu_used", "memory_allocated", "memory_max"]
        )
        await tui.until(lambda: page.grid.rows.keys, "rows")
        assert len(page.grid.shown) == 8, "what somebody chose stays"

    drive(sim, memory, play, size=(80, 24))


def test_events_are_told_in_words(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.go("event")
        await tui.until(lambda: "web-1: " in tui.screen() or "vm.deploy of vm" in tui.screen(), "what happened")
        assert '{"' not in tui.screen()

    drive(sim, memory, play, size=(80, 24))
