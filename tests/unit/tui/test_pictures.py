"""How screens look, at three sizes in two themes and without colours: compared with the pictures in tests/data/dashboard.

Where a change is wanted: NEBULA_PICTURES=write pytest tests/unit/tui/test_pictures.py, and look at what git shows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.tui.dialog import CommandDialog
from nebula.tui.memory import Memory
from tests.support.sim import CALL, Sim
from tests.support.tui import Driven, drive

PICTURES = Path(__file__).parents[2] / "data" / "dashboard"
SIZES = {"small": (80, 24), "middle": (160, 45), "large": (250, 70)}


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sim]:
    """A cluster in which nothing happens."""
    made = Sim(tmp_path_factory.mktemp("still"))
    made.furnish(hosts=("h1",))
    for name in ("web-1", "web-2", "db-1"):
        made.engine.vms.create({"NAME": name, "MEMORY": 256, "DISK": [{"IMAGE": "base"}]}, CALL)
    for name in ("spare-1", "spare-2"):
        made.engine.vms.create({"NAME": name, "MEMORY": 128, "NIC": [{"NETWORK": "lan"}]}, CALL, hold=True)
    made.settle()
    yield made
    made.close()


def compare(tui: Driven, name: str) -> None:
    """With the picture of that name, which is made where it is asked for."""
    drawn = re.sub(r"terminal-\d+", "terminal", tui.app.export_screenshot(title="nebula"))
    path = PICTURES / f"{name}.svg"
    if os.environ.get("NEBULA_PICTURES") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawn)
    assert path.read_text() == drawn, f"{path} looks otherwise now"


async def calm(tui: Driven) -> None:
    """Columns that stand still, and everything there."""
    tui.page.choose_columns(["id", "name", "state", "cpu", "memory", "host", "ip"])
    tui.page.grid.put_cursor(4)
    tui.page.detail.open("snapshots")
    await tui.until(lambda: "spare-2" in tui.names() and "5 vms" in tui.screen(), "all of it")
    tui.page.grid.put_cursor(4)
    if tui.page.detail.display:
        await tui.until(lambda: "snapshot" in tui.page.detail.text, "details")
    await tui.pilot.pause()


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
@pytest.mark.parametrize("size", SIZES)
def test_a_list(still: Sim, memory: Memory, size: str, theme: str) -> None:
    async def play(tui: Driven) -> None:
        await calm(tui)
        compare(tui, f"list-{size}-{theme.removeprefix('textual-')}")

    memory.known.theme = theme
    drive(still, memory, play, size=SIZES[size])


def test_a_dialog_that_destroys(still: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await calm(tui)
        await tui.press("space", "space", "D")
        dialog = tui.app.screen
        assert isinstance(dialog, CommandDialog)
        await tui.until(lambda: "DONE" in tui.screen(), "what it would do")
        await tui.until(lambda: "marked" in tui.app.export_screenshot(), "the list behind")
        compare(tui, "dialog")

    drive(still, memory, play, size=SIZES["middle"])


def test_a_list_without_colours(still: Sim, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def play(tui: Driven) -> None:
        await calm(tui)
        await tui.press("space")
        assert "● " in tui.screen()

    drive(still, memory, play, size=SIZES["small"])
