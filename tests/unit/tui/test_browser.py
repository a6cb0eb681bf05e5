"""The dashboard in a real browser: who comes in, what is drawn, keys and the mouse, and a VM made by a form."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Tab, chromium
from tests.support.tmux import environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
_NOTHING = 8000
"""Bytes of a picture on which hardly anything is drawn."""


def nebula(home: Path, *words: str) -> str:
    """What a command beside it says."""
    argv = [sys.executable, "-m", "nebula", *words]
    return subprocess.run(argv, env=environment(home), capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two simulated hosts with two VMs."""
    nebula(tmp_path, "demo", "--home", str(tmp_path / "home"), "--hosts", "2", "--vms", "2")
    return tmp_path / "home"


@pytest.fixture
def address(home: Path) -> Iterator[str]:
    """Where the dashboard lets one browser in."""
    argv = [sys.executable, "-m", "nebula", "tui", "--web"]
    served = subprocess.Popen(argv, env=environment(home), stdout=subprocess.PIPE, text=True)
    assert served.stdout is not None
    try:
        yield served.stdout.readline().strip()
    finally:
        served.terminate()
        served.wait(timeout=60)


def test_a_browser_loads_navigates_and_creates_and_nobody_else_comes_in(address: str, home: Path, tmp_path: Path) -> None:
    place, _, token = address.partition("?token=")
    assert place.startswith("http://127.0.0.1:")
    assert token

    async def main() -> None:
        async with chromium(tmp_path) as browser:
            for stranger in (place, f"{place}?token=wrong"):
                tab = await browser.tab()
                await tab.open(stranger)
                await tab.shows("the address was used already, or is not whole")
            owner = await browser.tab()
            await owner.open(address)
            await work(owner)
            late = await browser.tab()
            await late.open(address)
            await late.shows("the address was used already, or is not whole")
            assert "token" not in await owner.value("location.href")

    async def work(tab: Tab) -> None:
        await tab.shows("health", "2 RUNNING", "2 VMs, 2 hosts")
        assert len(await tab.picture()) > _NOTHING, "something is drawn"
        await tab.click(400, 300)
        await tab.type("2")
        await tab.shows("2 VMs", "web-1", "db-1")
        await tab.type("3")
        await tab.shows("2 hosts", "host-1", "MONITORED")
        await tab.type("2")
        await tab.shows("2 VMs")
        await tab.type("n")
        await tab.shows("vm create", "--image linux")
        await tab.type("browsed")
        await tab.shows("$ nebula vm create browsed", "browsed: create VM browsed")
        await tab.enter()
        await tab.shows("✓ $ nebula vm create browsed", "3 VMs")
        assert "RUNNING" in nebula(home, "vm", "list", "name=browsed")

    asyncio.run(main())
