"""Tabs of what is known of a row."""

from __future__ import annotations

import asyncio
from typing import cast

from textual.app import App, ComposeResult
from textual.widgets import Tabs

from nebula.tui.detail import Detail
from nebula.tui.drawing import Drawing
from nebula.tui.link import Link
from nebula.tui.tabs import Tab


def _said(name: str) -> Tab:
    return Tab(name, lambda engine, key, columns: f"this is {name}", always=True)


class _Link:
    async def ask(self, question: object) -> str:
        return question(None)  # type: ignore[operator,no-any-return]


class _Alone(App[None]):
    def compose(self) -> ComposeResult:
        yield Detail(cast("Link", _Link()), lambda: [_said("one"), _said("two"), _said("three")], Drawing())


def test_a_tab_chosen_while_tabs_are_being_made_is_the_one_that_opens() -> None:
    async def play() -> None:
        app = _Alone()
        async with app.run_test() as pilot:
            detail = app.query_one(Detail)
            making = asyncio.create_task(detail._make_tabs())
            while not app.query(Tabs):
                await asyncio.sleep(0)
            assert not app.query("#tab-two"), "too late: it is there"
            detail.step(1)
            await making
            detail.begin()
            await pilot.pause(0.3)
            assert (detail.tab and detail.tab.name, app.query_one(Tabs).active, detail.text) == (
                "two",
                "tab-two",
                "this is two",
            )
            detail.step(1)
            await pilot.pause(0.3)
            assert detail.text == "this is three"

    asyncio.run(play())


def test_what_was_said_of_time_is_said_anew_when_time_has_passed() -> None:
    told = iter(range(100))

    class Clock(App[None]):
        def compose(self) -> ComposeResult:
            yield Detail(
                cast("Link", _Link()),
                lambda: [Tab("age", lambda engine, key, columns: f"for {next(told)}s", always=True)],
                Drawing(),
            )

    async def play() -> None:
        app = Clock()
        async with app.run_test() as pilot:
            detail = app.query_one(Detail)
            detail.begin()
            await pilot.pause(0.5)
            before = detail.text
            detail.aged()
            await pilot.pause(0.5)
            assert before.startswith("for")
            assert detail.text != before

    asyncio.run(play())
