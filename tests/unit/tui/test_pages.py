"""Screens that list no objects: overview, log, charts, plans."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from textual.widgets import Static
from textual_hires_canvas import Canvas
from textual_plot import PlotWidget

from nebula.engine.api.values import Event
from nebula.engine.metrics.kinds import METRICS
from nebula.engine.store.rows import HostRow
from nebula.tui import outlook, overview
from nebula.tui.app import theme
from nebula.tui.charts import LEAST, Series, amounts, band, hours_from_now, mode, read
from nebula.tui.frame import screens
from nebula.tui.listpage import ListPage
from nebula.tui.logpage import LogPage
from nebula.tui.memory import Memory
from nebula.tui.views import VIEWS, named
from tests.support.days import keep
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
    text = overview.bar(item, 30).plain
    assert text.count("█") == 15
    assert text.count("▒") == 7 or text.count("▒") == 8
    assert overview.amounts(item) == "used 512.0M, promised 768.0M (75%) of 1.0G"
    assert "not measured yet" in overview.amounts(item._replace(used=-1))


def test_what_is_hot_and_what_happened() -> None:
    body = {"name": "web", "after": "BOOT"}
    event = Event(seq=1, at=0.0, kind="vm.state", object_kind="vm", object_id=3, actor="x", body=body)
    hot = [outlook.Hot("host", "a1", 0.97, 0.2)]
    found = outlook.Outlook({"vm": {}}, [], ["full in May"], hot, [], ["host a1: ERROR"], [event])
    assert "cpu  97%" in overview.hot(found, 60).plain
    assert "vm web  BOOT" in overview.events(found, 60).plain
    assert "! host a1: ERROR" in overview.health(found, 60).plain
    assert "full in May" in overview.capacity(found, 60).plain


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
    assert hours_from_now().get_labels_for_ticks([-6.0, -0.5, 0.0, 1.0]) == ["-6h", "-30m", "now", "+1h"]


def test_charts_are_blocks_where_braille_fails() -> None:
    assert mode({"TERM": "linux"}) is mode({"NEBULA_CHARTS": "block"})
    assert mode({"TERM": "xterm-256color"}) is not mode({"TERM": "linux"})


def test_no_two_marks_of_a_scale_read_the_same() -> None:
    for show, least in LEAST.items():
        for top in (least, 1.3 * least, 2.1 * least, 3.7 * least, 40 * least):
            marks = amounts(show)
            labels = marks.get_labels_for_ticks(marks.get_ticks(0.0, top))
            assert len(set(labels)) == len(labels), (show, top, labels)


def test_charts_are_drawn_with_what_is_expected(sim: Sim, memory: Memory) -> None:
    store, web = sim.engine.services.store, sim.vm("web-1")
    keep(store, [web.id], _restless)
    keep(store, [host.id for host in sim.rows(HostRow)], _restless, kind="host")

    async def play(tui: Driven) -> None:
        for where, key in (("vm", web.id), ("host", web.host_id)):
            page = await tui.go(where)
            page.grid.put_cursor(key)
            await tui.press("right_square_bracket")
            await charted(tui, page)

    async def charted(tui: Driven, page: ListPage) -> None:
        await tui.until(lambda: "cpu: " in tui.screen() and "next hour" in tui.screen(), "titles")
        plot = page.detail.query_one("#plot-cpu", PlotWidget)
        await tui.until(lambda: set(colours(plot)) >= {"green", "yellow", "red"}, "line, band and peak")
        columns = plot.query_one("#plot", Canvas).size.width
        assert colours(plot)["yellow"] >= columns // 7, "the band of one hour of seven is filled"
        assert "-6h" in tui.screen()
        await tui.press("H")
        await tui.until(lambda: "-24h" in tui.screen(), "a day")

    drive(sim, memory, play)


def _restless(_number: int, slot: int) -> float:
    """Hundredths of a core, up and down, so that a peak is well above the mean."""
    return 20.0 + 15.0 * (slot % 5)


def colours(plot: PlotWidget) -> Counter[str]:
    """How many cells are drawn in which colour."""
    canvas = plot.query_one("#plot", Canvas)
    found = Counter[str]()
    for part in (part for y in range(canvas.size.height) for part in canvas.render_line(y)):
        if part.style and part.style.color and part.text.strip():
            found[str(part.style.color.name)] += len(part.text)
    return found


def test_charts_begin_with_what_was_measured_last(sim: Sim) -> None:
    figures, now = sim.engine.monitor.figures, sim.engine.services.clock.now()
    row = tuple(12.0 for _ in METRICS["host"])
    figures.add(now, [("host", sim.host("h2").id, row)])
    found = {series.name: series for series in read(sim.engine, "host", sim.host("h2").id, now + 1.0)}
    assert found["cpu"].values[-1] == 12.0
    assert found["cpu"].at[-1] == now


def test_a_band_is_filled_from_the_mean_to_the_peak() -> None:
    hours, values = band(2.0, 5.0, 8)
    assert hours[0] == 0.0
    assert hours[-1] == 1.0
    assert len(hours) == len(values) == 18
    for step in range(9):
        assert {values[2 * step], values[2 * step + 1]} == {2.0, 5.0}
    assert all(values[place] == values[place + 1] for place in range(1, 16, 2))


def test_balance_is_said_before_there_is_a_plan(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.go("drs")
        await tui.press("left_square_bracket")
        await tui.until(lambda: "load-aware" in tui.page.detail.text, "the balance")

    drive(sim, memory, play)


def test_an_event_is_told_whole_and_an_object_s_events_in_words(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.go("event kind=vm.state")
        await tui.until(lambda: "says" in tui.page.detail.text and "after" in tui.page.detail.text, "the event")
        page = await tui.go("vm")
        page.grid.put_cursor(sim.vm("web-1").id)
        await tui.press("left_square_bracket")
        await tui.until(lambda: "PENDING → PROLOG" in page.detail.text, "what happened to it")
        assert "{" not in page.detail.text

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


def test_a_terminal_of_16_colours_gets_its_own_ones() -> None:
    assert theme("", "standard") == theme("", None) == "ansi-dark"
    assert theme("", "256") == theme("", "truecolor") == ""
    assert theme("textual-light", "standard") == "textual-light"


def test_what_is_copied_reaches_the_terminal_around_tmux(sim: Sim, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    written = list[str]()

    async def play(tui: Driven) -> None:
        monkeypatch.setattr(tui.app._driver, "write", written.append)
        tui.dashboard.copy("web-1")
        assert sum("\x1b]52;c;d2ViLTE=\a" in text for text in written) == 1 + bool(os.environ["TMUX"])

    for tmux in ("", "/tmp/tmux-0/default,1,0"):
        written.clear()
        monkeypatch.setenv("TMUX", tmux)
        drive(sim, memory, play)
    assert any(text.startswith("\x1bPtmux;\x1b\x1b]52;") and text.endswith("\x1b\\") for text in written)


def test_every_screen_has_its_key_where_there_is_little_room() -> None:
    for columns in (80, 120, 250):
        for view in VIEWS:
            text = screens(view.name, columns)[0].plain
            assert len(text) <= columns
            known = [other for other in VIEWS if other.key]
            assert all(f" {other.key} {other.title[0]}" in text for other in known)
            short = (f" {other.key} {other.short or other.title} " in f"{text} " for other in known)
            assert not view.key or columns > 80 or all(short)


def test_a_list_has_what_its_columns_take_and_says_how_many_there_are(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        left = tui.page.query_one(".left")
        await tui.until(lambda: left.size.width == max(tui.page.grid.natural, 75), "the columns' room")
        assert tui.page.detail.size.width > 120
        page = await tui.go("event")
        await tui.until(lambda: len(page.grid.rows) > page.grid.size.height, "more rows than fit")
        await tui.until(lambda: page.grid.show_vertical_scrollbar and not page.grid.show_horizontal_scrollbar, "one bar")
        await tui.go("template")
        await tui.until(lambda: "1 template" in tui.screen() or "no templates" in tui.screen())

    drive(sim, memory, play, size=(250, 40))
    assert memory.known.lists["vm"].room > 0
    assert [named("vm").counted(1), named("host").counted(2), named("vmgroup").counted(1), named("drs").counted(1)] == [  # type: ignore[union-attr]
        "1 VM", "2 hosts", "1 VM group", "1 plan",
    ]  # fmt: skip
