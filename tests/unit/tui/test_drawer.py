"""The drawer's line, and the line that it is while it is closed."""

from __future__ import annotations

from nebula.tui.drawer import Entry, Part
from nebula.tui.memory import Memory
from tests.support.sim import Sim
from tests.support.tui import Driven, drive


def test_what_came_of_a_line_is_seen_however_long_the_line_is(sim: Sim, memory: Memory) -> None:
    names = [f"web-{number}" for number in range(500)]

    async def play(tui: Driven) -> None:
        entry = tui.dashboard.drawer.add(f"nebula vm poweroff {' '.join(names)}")
        entry.parts = [Part(name, 0, "failed" if name == "web-7" else "done") for name in names]
        entry.parts[0] = Part("web-0", 9, "runs", "vm.poweroff web-0: stop domain (1 of 2)")
        entry.ended = True
        tui.dashboard.drawer.draw()
        await tui.rest()
        line = tui.screen().splitlines()[-2]
        assert line.rstrip().endswith("498 done, 1 running, 1 failed"), line
        assert line.startswith(" … $ nebula vm poweroff web-0")

    drive(sim, memory, play, size=(80, 24))


def test_a_single_failure_is_told_once_and_cut_with_a_sign(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        entry: Entry = tui.dashboard.drawer.add("nebula vm resume web-1")
        entry.parts = [Part("web-1", 0, "failed", f"no engine answers at /tmp/{'long' * 20}: timed out")]
        entry.ended = True
        tui.dashboard.drawer.draw()
        await tui.rest()
        line = tui.screen().splitlines()[-2]
        assert "no engine answers at /tmp/long" in line
        assert line.rstrip().endswith("…")

    drive(sim, memory, play, size=(80, 24))
