"""How screens look, at three sizes in two themes: compared with the pictures in tests/data/dashboard.

Where a change is wanted: NEBULA_PICTURES=write pytest tests/unit/tui/test_pictures.py, and look at what git shows.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import re
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from nebula.clock import SystemClock
from nebula.engine.drs.values import DrsPlan, Figures, HostLoad, Move
from nebula.engine.store.rows import HostRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.tui.dialog import CommandDialog
from nebula.tui.listpage import WIDE
from nebula.tui.memory import Memory, Shown
from tests.support.days import keep
from tests.support.decisions import decide
from tests.support.sim import CALL, PATIENCE, SETTINGS, Sim
from tests.support.svg import without_clips
from tests.support.tui import Driven, drive

PICTURES = Path(__file__).parents[2] / "data" / "dashboard"
SIZES = {"small": (80, 24), "middle": (160, 45), "large": (250, 70)}
THEMES = ("dark", "light")
NOW = 1_800_000_000.0
_PATIENCE = 4.0
"""Seconds of the last wait for a picture to look as it should."""


class Look(NamedTuple):
    """A screen as a picture shows it: `tab` is open beside the list; `shows` is waited for."""

    name: str
    where: str
    shows: str
    tab: str = ""
    keys: Sequence[str] = ()


SCREENS = (
    Look("overview", "overview", "2 MONITORED"),
    Look("vm", "vm", "is RUNNING on host", "summary"),
    Look("host", "host", "next hour", "metrics"),
    Look("image", "image", "persistent", "summary"),
    Look("datastore", "datastore", "can:", "summary"),
    Look("network", "network", "HOLDER", "leases"),
    Look("template", "template", "MEMORY", "summary"),
    Look("job", "job", "host.setup", "summary"),
    Look("event", "event kind=vm.created", "says:", "summary"),
    Look("drs", "drs", "imbalance", "summary"),
    Look("drs-hosts", "drs", "BEFORE", "hosts"),
    Look("drs-replay", "drs", "it helped", "replay", ("less_than_sign", "less_than_sign")),
    Look("log", "log", "lines"),
)


class Still(SystemClock):
    """A clock on which every moment is the same one."""

    def now(self) -> float:
        return NOW


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sim]:
    """A cluster in which nothing happens, and no time passes."""
    made = Sim(
        tmp_path_factory.mktemp("still"), settings=msgspec.structs.replace(SETTINGS, monitor_interval=3600.0), clock=Still()
    )
    made.furnish(hosts=("h1",))
    for name in ("web-1", "web-2", "db-1"):
        made.engine.vms.create({"NAME": name, "MEMORY": 256, "DISK": [{"IMAGE": "base"}]}, CALL)
        made.settle()
    for name in ("spare-1", "spare-2"):
        made.engine.vms.create({"NAME": name, "MEMORY": 128, "NIC": [{"NETWORK": "lan"}]}, CALL, hold=True)
    made.engine.templates.create({"NAME": "blog", "MEMORY": 256, "DISK": [{"IMAGE": "base"}]}, CALL)
    made.add_hosts("h2")
    made.engine.monitor.first_looks(PATIENCE)
    made.engine.datastores.check("disks")
    made.settle()
    for host in ("h1", "h2"):
        made.engine.hosts.show(host, refresh=True)
    made.engine.monitor.stop()  # an event that comes late would have a host looked at once more, and its figures are by chance
    _past(made)
    yield made
    made.close()


def _past(sim: Sim) -> None:
    """Three days of measurements, and what DRS decided; what simulated guests use by chance is made one figure."""
    store, hosts = sim.engine.services.store, sim.rows(HostRow)
    keep(store, [vm.id for vm in sim.rows(VmRow)], lambda vm, slot: 40.0 * vm + slot % 9, memory=200.0, now=NOW)
    figures = [host.id for host in hosts]
    keep(store, figures, lambda host, slot: 900.0 / host + 40 * (slot % 9), memory=4000.0, kind="host", now=NOW)

    def same(tx: Transaction) -> None:
        for host in hosts:
            tx.swap(tx.get(HostRow, host.id), memory_used=1500)

    store.write(same)
    for hours, helped in ((4.0, "yes"), (1.0, "no")):
        decide(store, _plan(hosts[0], hosts[1], sim.vm("db-1").id), hours_ago=hours, helped=helped)


def _plan(source: HostRow, target: HostRow, vm: int) -> DrsPlan:
    move = Move(
        vm_id=vm, vm="db-1", source_id=source.id, source="h1", target_id=target.id, target="h2", wave=0, gain=0.25,
        copy_mib=200.0, seconds=2.0, reason="cpu of h1 91%, limit 48%; h2 4%",
    )  # fmt: skip
    loads = (
        HostLoad(host_id=source.id, host="h1", before=Figures(0.91, 0.1), after=Figures(0.47, 0.1), vms_before=3, vms_after=2),
        HostLoad(host_id=target.id, host="h2", before=Figures(0.04, 0.0), after=Figures(0.47, 0.0), vms_before=0, vms_after=1),
    )
    return DrsPlan(cluster_id=source.cluster_id, cluster="default", at=NOW, moves=(move,), hosts=loads, before=0.3, after=0.05)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Moments are written for one place."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def drawn(tui: Driven) -> str:
    """What is seen as SVG, without what differs from run to run: ids of its parts, UUIDs, lines' clips."""
    text = re.sub(r"terminal-\d+", "terminal", tui.app.export_screenshot(title="nebula"))
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "0" * 36, text)
    return without_clips(text)


async def differs(tui: Driven, name: str) -> str:
    """The path of the picture of that name, and what is otherwise in it, if it goes on looking so; where it is asked for, it is
    made instead.
    """
    path = PICTURES / f"{name}.svg"
    wanted, rest = path.read_text() if path.exists() else "", 0.05
    while drawn(tui) != wanted:
        if rest > _PATIENCE:
            return _otherwise(path, wanted, drawn(tui))
        await asyncio.sleep(rest)
        rest *= 2
    return ""


def _otherwise(path: Path, wanted: str, text: str) -> str:
    if os.environ.get("NEBULA_PICTURES") != "write":
        lines = difflib.unified_diff(_words(wanted), _words(text), "wanted", "drawn", n=0, lineterm="")
        return "\n".join((str(path), *islice(lines, 40)))
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return ""


def _words(svg: str) -> list[str]:
    """What an SVG says, piece by piece, with its place."""
    return [f"{y} {x} {text}" for x, y, text in re.findall(r'<text[^>]* x="([^"]*)" y="([^"]*)"[^>]*>([^<]*)<', svg)]


async def look_at(tui: Driven, look: Look) -> None:
    """Go there, until all of it is seen."""
    await tui.dashboard.go(look.where)
    page = tui.dashboard.list_page
    if page is not None:
        await tui.until(lambda: page.grid.rows.keys, f"rows of {look.where}")
        await tui.until(lambda: page.has_class("-narrow") == (tui.app.size.width < WIDE), "its shape")
        page.grid.put_cursor(page.grid.rows.keys[0])
        page.detail.open(look.tab)
        page.remove_class("-open")
        if page.has_class("-narrow") and look.tab in {"metrics", "hosts", "replay"}:
            page.do_open()
    await tui.press(*look.keys)
    if page is None or page.detail.display:
        await tui.until(lambda: look.shows in tui.screen(), look.shows)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_every_screen(still: Sim, memory: Memory, size: str, theme: str) -> None:
    async def play(tui: Driven) -> None:
        wrong = []
        await tui.until(lambda: "5 VMs" in tui.screen() and "connecting" not in tui.screen(), "the engine")
        for look in SCREENS:
            await look_at(tui, look)
            wrong.append(await differs(tui, f"{look.name}-{size}-{theme}"))
        assert not any(wrong), "these look otherwise now:\n" + "\n".join(filter(None, wrong))

    memory.known.theme = f"textual-{theme}"
    memory.known.lists["event"] = Shown(columns=["seq", "at", "kind", "actor"])
    memory.known.lists["vm"] = Shown(columns=["id", "name", "state", "cpu", "memory", "host", "ip"])
    drive(still, memory, play, size=SIZES[size], start="overview", clock=lambda: NOW)


def test_a_dialog_that_destroys(still: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        tui.page.grid.put_cursor(4)
        await tui.press("space", "space", "D")
        assert isinstance(tui.app.screen, CommandDialog)
        await tui.until(lambda: "DONE" in tui.screen(), "what it would do")
        await tui.until(lambda: "marked" in tui.app.export_screenshot(), "the list behind")
        assert not await differs(tui, "dialog")

    drive(still, memory, play, size=SIZES["middle"], clock=lambda: NOW)


def test_a_list_without_colours(still: Sim, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def play(tui: Driven) -> None:
        await tui.press("space")
        assert "● " in tui.screen()

    drive(still, memory, play, size=SIZES["small"], clock=lambda: NOW)
