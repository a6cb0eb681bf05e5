"""The engine that goes away and comes back; commands at the terminal; what is remembered."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from nebula.engine.api.tables import Query
from nebula.errors import UnreachableError, UsageError
from nebula.tui.link import Feed, Link
from nebula.tui.memory import Memory, directory
from nebula.tui.running import _Kept
from tests.support.sim import CALL, Sim, until

if TYPE_CHECKING:
    from nebula.engine.api.verbs import Engine


class _Lost:
    """An engine whose events end when `gone` says so."""

    def __init__(self, engine: Any, gone: list[bool]) -> None:
        self._engine, self._gone = engine, gone

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @property
    def events(self) -> Any:
        outer = self

        class Events:
            def follow(self, after: int = -1) -> Iterator[object]:
                for event in outer._engine.events.follow(after):
                    if outer._gone[0]:
                        raise UnreachableError("the engine was lost")
                    yield event

        return Events()


def test_what_is_asked_while_the_first_engine_is_on_its_way_waits_for_it(sim: Sim) -> None:
    open_now = threading.Event()

    @contextmanager
    def open_engine() -> Iterator[Engine]:
        open_now.wait()
        yield _Kept(cast("Engine", sim.engine))

    async def play() -> None:
        asked = asyncio.create_task(link.ask(lambda engine: engine.system.status().last_event))
        await asyncio.sleep(0.1)
        assert not asked.done()
        open_now.set()
        assert await asked >= 0

    link = Link(open_engine, lambda _: None, lambda: pytest.fail("not needed"))
    link.start()
    try:
        asyncio.run(play())
    finally:
        open_now.set()
        link.close()


def test_an_engine_that_goes_away_is_said_so_and_found_again(sim: Sim) -> None:
    heard: list[Feed] = []
    gone, opened = [False], []

    @contextmanager
    def open_engine() -> Iterator[Engine]:
        opened.append(time.monotonic())
        if len(opened) == 1:
            raise UnreachableError("nobody answers")
        gone[0] = False
        yield cast("Engine", _Lost(_Kept(cast("Engine", sim.engine)), gone))

    link = Link(open_engine, heard.append, lambda: pytest.fail("there is an engine"))
    link.start()
    try:
        until(lambda: [feed.state for feed in heard] == ["away", "there"], "the engine")
        assert heard[0].problem == "nobody answers"
        gone[0] = True
        until(lambda: [feed.state for feed in heard if feed.state] == ["away", "there", "away", "there"], "its return")
        sim.engine.vms.update(str(sim.vm("web-1").id), {"DESCRIPTION": "x"}, CALL)
        until(lambda: any(event.object_id == sim.vm("web-1").id for feed in heard for event in feed.events), "an event")
        assert link.engine.system.status().counts
    finally:
        link.close()
    with pytest.raises(UnreachableError):
        _ = link.engine


def test_the_first_rows_wait_for_no_engine(sim: Sim) -> None:
    closed: list[bool] = []

    class Quick:
        def list(self, noun: str, query: Query) -> Any:
            return sim.engine.vms.list(query)

        def close(self) -> None:
            closed.append(True)

    link = Link(lambda: pytest.fail("not started"), lambda _: None, Quick)
    assert len(link._list("vm", Query(columns=("id",))).rows) >= 6
    assert closed == [True]
    link.close()


def test_what_is_remembered_survives_and_nonsense_is_as_good_as_nothing(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "new")
    memory.used("vm poweroff")
    memory.used("vm resume")
    memory.used("vm poweroff")
    memory.known.bookmarks["web"] = "vm web"
    memory.save()
    again = Memory(tmp_path / "new")
    assert again.known.recent == ["vm poweroff", "vm resume"]
    assert again.known.bookmarks == {"web": "vm web"}
    (tmp_path / "new" / "dashboard.json").write_text("[")
    assert Memory(tmp_path / "new").known.recent == []
    assert directory({"XDG_CONFIG_HOME": "/x"}) == Path("/x/nebula")
    assert directory({"HOME": "/root"}) == Path("/root/.config/nebula")


def test_keys_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(
        '{"keys": {"vm.poweroff": "O"}, "contexts": {"/srv": {"name": "lab", "readonly": true}}}'
    )
    choices = Memory(tmp_path).choices
    assert choices.keys == {"vm.poweroff": "O"}
    assert choices.contexts["/srv"].readonly
    (tmp_path / "keys.json").write_text('{"keys": 3}')
    with pytest.raises(UsageError, match=r"keys\.json cannot be used"):
        Memory(tmp_path)
