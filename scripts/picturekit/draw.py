"""A demo home, the dashboard without a terminal, keys, and what is seen then as SVG."""

from __future__ import annotations

import asyncio
import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from nebula.cli import connect  # noqa: E402 - the path comes first
from nebula.cli.context import Connect  # noqa: E402
from nebula.cli.options import GlobalOptions  # noqa: E402
from nebula.engine.api.values import Call  # noqa: E402
from nebula.engine.local.engine import own  # noqa: E402
from nebula.engine.settings import Settings  # noqa: E402
from nebula.engine.store.rows import VmRow  # noqa: E402
from nebula.tui.app import NebulaApp  # noqa: E402
from nebula.tui.memory import Memory  # noqa: E402
from tests.support.days import keep  # noqa: E402
from tests.support.decisions import decide, plan_of  # noqa: E402
from tests.support.svg import without_clips  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SIZE = (140, 36)
_PATIENCE = 60.0


class Picture(NamedTuple):
    """`keys` are pressed on the screen `start`; `shows` is waited for after each."""

    name: str
    start: str
    keys: Sequence[str]
    shows: Sequence[str]


PLAN = (
    Picture("overview", "overview", (), ("datastore demo-images",)),
    Picture("vms", "vm", ("down", "space", "space"), ("What may be typed now",)),
    Picture("hosts", "host", ("]",), ("cpu: ", "next hour", "memory: ")),
    Picture("images", "image", (), ("copies_on",)),
    Picture("datastores", "datastore", (), ("linked clones",)),
    Picture("networks", "network", ("]",), ("HOLDER", "VM 18")),
    Picture("templates", "template", (), ("TITLE", "256")),
    Picture("jobs", "job", (), ("vm.deploy", "plug cards")),
    Picture("events", "event", ("down",), ("says:",)),
    Picture("drs", "drs", ("]",), ("BEFORE", "AFTER")),
    Picture("replay", "drs", ("R", "less_than_sign"), ("▲", "done, 3 moves", "❚❚")),
    Picture("log", "log", (), ("copying image linux",)),
    Picture("dialog", "vm", ("down", "space", "space", "o"), ("RUNNING to POWEROFF",)),
    Picture("palette", "vm", ("ctrl+p", "s", "n", "a", "p"), ("snapshot-create",)),
    Picture("help", "vm", ("?",), ("type to search", "filter")),
    Picture("form", "vm", ("n", *"shop"), ("--image linux", "create VM shop")),
    Picture("metrics", "vm", ("down", "]"), ("cpu: ", "next hour", "memory: ")),
    Picture("plan", "drs", ("A",), ("Space ticks", "nebula drs apply", "moves of plan")),
)


def main() -> int:
    """Make them all."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        argv = [sys.executable, "-m", "nebula", "demo", "--home", str(home), "--vms", "18"]
        subprocess.run(argv, check=True, cwd=ROOT, capture_output=True)
        _measure(home)
        options = GlobalOptions(home=str(home), no_wait=True, quiet=True)
        PICTURES.mkdir(exist_ok=True)
        for picture in PLAN:
            asyncio.run(_draw(picture, options, Path(scratch)))
            print(PICTURES / f"{picture.name}.svg")
    return 0


def _measure(home: Path) -> None:
    """Three days of all VMs and hosts, of which one has most to do, and a plan about it."""
    engine = own(home, "pictures", settings=Settings(monitor_interval=_PATIENCE))
    if engine is None:
        raise TimeoutError(f"somebody else owns {home}")
    try:
        store = engine.services.store
        vms = {vm.id: vm.host_id for vm in store.read().select(VmRow, "1=1")}
        keep(store, vms, lambda vm, slot: _busy(vms[vm], slot), memory=300.0)
        keep(store, set(vms.values()), lambda host, slot: 6 * _busy(host, slot), memory=4000.0, kind="host")
        call = Call(actor="pictures")
        engine.drs.set("default", {"policy": "striping", "weights.memory": "0", "budget_share": "1", "patience": "1"}, call)
        made = plan_of(engine.drs.plan("default", call).body)
        decide(store, made, hours_ago=4.0, helped="no")
        decide(store, made, hours_ago=1.5, helped="yes")
        engine.drs.plan("default", call)
    finally:
        engine.close()


def _busy(host: int, slot: int) -> float:
    """Hundredths of a core."""
    return (90.0 if host == 1 else 8.0) * (1.0 + 0.25 * math.sin(slot / 5) + 0.6 * (slot * 7919 % 11 - 5) / 5)


async def _draw(picture: Picture, options: GlobalOptions, scratch: Path) -> None:
    app = NebulaApp(
        lambda: connect.changer(options), Memory(scratch), cast("Connect", connect), options, name="demo", start=picture.start
    )
    try:
        async with app.run_test(size=SIZE) as pilot:
            await _until(lambda: "18 VMs" in _seen(app) and "connecting" not in _seen(app))
            for key in picture.keys:
                await pilot.press(key)
                await _until_still(app)
            await _until(lambda: all(text in _seen(app) for text in picture.shows))
            await pilot.pause()
            drawn = without_clips(re.sub(r"terminal-\d+", f"terminal-{picture.name}", app.export_screenshot(title="nebula")))
            (PICTURES / f"{picture.name}.svg").write_text(drawn)
    finally:
        app.link.close()


async def _until_still(app: NebulaApp) -> None:
    """Until what a key did is drawn."""
    before, now = "", _seen(app)
    while before != now:
        await asyncio.sleep(0.3)
        before, now = now, _seen(app)


def _seen(app: NebulaApp) -> str:
    strips = app.screen._compositor.render_strips(None)
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the dashboard did not show what was waited for")
        await asyncio.sleep(0.05)
