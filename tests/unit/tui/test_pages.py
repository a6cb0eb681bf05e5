"""Screens that list no objects: overview, log, charts, plans."""

from __future__ import annotations

from textual.widgets import Static

from nebula.engine.api.values import Event
from nebula.tui import outlook, overview
from nebula.tui.charts import Series, amounts, hours_from_now, mode, read
from nebula.tui.logpage import LogPage
from nebula.tui.memory import Memory
from tests.support.sim import CALL, Sim
from tests.support.tui import Driven, drive


def test_the_overview_says_what_waits_and_why(sim: Sim, memory: Memory) -> None:
    sim.engine.vms.release(str(sim.vm("huge").id), CALL)

    async def play(tui: Driven) -> None:
        def panel(name: str) -> str:
            return str(tui.dashboard.query_one(f"#panel-{name}", Static).render())

        await tui.until(lambda: "huge" in panel("waiting"), "what waits")
        assert "short of" in panel("waiting") or "memory" in panel("waiting")
        assert "RUNNING" in panel("health")
        assert "promised" in panel("capacity")
        await tui.until(lambda: "vm.state" in panel("events") or "job" in panel("events"))
        sim.engine.vms.hold(str(sim.vm("huge").id), CALL)
        tui.page_of("overview")._asked_at = 0.0
        await tui.until(lambda: "nothing waits" in panel("waiting"), "that nothing waits")

    drive(sim, memory, play, start="overview")


def test_bars_are_read_without_colours() -> None:
    item = outlook.Capacity("memory", "mib", 512, 768, 1024)
    text = overview.bar(item).plain
    assert text.count("█") == 15
    assert text.count("▒") == 7 or text.count("▒") == 8
    assert "promised 768.0M (75%) of 1.0G" in text
    assert "not measured yet" in overview.bar(item._replace(used=-1)).plain


def test_what_is_hot_and_what_happened() -> None:
    body = {"name": "web", "after": "BOOT"}
    event = Event(seq=1, at=0.0, kind="vm.state", object_kind="vm", object_id=3, actor="x", body=body)
    hot = [outlook.Hot("host", "a1", 0.97, 0.2)]
    found = outlook.Outlook({"vm": {}}, [], ["full in May"], hot, [], ["host a1: ERROR"], [event])
    assert "cpu  97%" in overview.hot(found).plain
    assert "vm web BOOT" in overview.events(found).plain
    assert "! host a1: ERROR" in overview.health(found).plain
    assert "full in May" in overview.capacity(found).plain


def test_the_log_is_filtered_and_goes_on(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        page = tui.page_of("log")
        assert isinstance(page, LogPage)
        await tui.until(lambda: page.log_lines, "lines")
        before = len(page.log_lines)
        await tui.press("slash")
        await tui.type("job")
        await tui.press("enter")
        assert len(page.log_lines) == before
        await tui.press("slash")
        await tui.type("nothing-like-this")
        assert page.log_lines == []
        await tui.press("enter", "W", "f", "escape")
        assert len(page.log_lines) >= before
        assert "copying image" in page.copied() or "job" in page.copied()

    drive(sim, memory, play, start="log")


def test_series_of_a_host_have_amounts_and_a_forecast(sim: Sim) -> None:
    found = read(sim.engine, "host", sim.host("h1").id, sim.engine.services.clock.now())
    assert {"cpu", "memory"} <= {series.name for series in found}
    assert isinstance(found[0], Series)
    assert amounts("mib").get_labels_for_ticks([0.0, 1024.0]) == ["0B", "1.0G"]
    assert hours_from_now().get_labels_for_ticks([-6.0, 0.0, 1.0]) == ["-6h", "now", "+1h"]


def test_charts_are_blocks_where_braille_fails() -> None:
    assert mode({"TERM": "linux"}) is mode({"NEBULA_CHARTS": "block"})
    assert mode({"TERM": "xterm-256color"}) is not mode({"TERM": "linux"})


def test_charts_are_drawn(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.go("host")
        tui.page.grid.put_cursor(sim.host("h1").id)
        await tui.press("right_square_bracket")
        await tui.until(lambda: "next hour" in tui.screen() or "nothing is measured" in tui.screen(), "charts")

    drive(sim, memory, play)


def test_balance_is_said_before_there_is_a_plan(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.go("drs")
        await tui.press("left_square_bracket")
        await tui.until(lambda: "load-aware" in tui.page.detail.text, "the balance")

    drive(sim, memory, play)


def test_a_new_plan_is_seen_at_once(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        page = await tui.go("drs")
        before = len(page.grid.rows)
        heard = Event(seq=1, at=0.0, kind="drs.proposed", object_kind="cluster", object_id=0, actor="", body={})
        page.heard([heard])
        assert page._all
        page.refresh_rows()
        await tui.until(lambda: not page._all and not page._busy, "an answer")
        assert len(page.grid.rows) == before

    drive(sim, memory, play)
