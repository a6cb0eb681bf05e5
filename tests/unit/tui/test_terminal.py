"""The program itself in a terminal of tmux: `nebula` alone, a verb, a console and back, an engine that goes away."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tmux import PATIENCE, Tmux, environment


def nebula(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command beside it."""
    argv = [sys.executable, "-m", "nebula", *words]
    return subprocess.run(argv, env=environment(home), capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def tmux(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tmux]:
    """The dashboard of two hosts and two VMs, 80x24 unless a test says otherwise."""
    home = tmp_path / "home"
    (tmp_path / "ssh").write_text("#!/bin/sh\nshift 4\necho ssh to $*\nread _\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    made = nebula(home, "demo", "--home", str(home), "--hosts", "2", "--vms", "2")
    assert made.returncode == 0, made.stderr
    terminal = Tmux(home, tmp_path)
    terminal.start(*getattr(request, "param", (80, 24)))
    yield terminal
    terminal.end()


def test_a_day_at_the_terminal(tmux: Tmux, tmp_path: Path) -> None:
    home = tmp_path / "home"
    tmux.shows("health", "2 RUNNING")
    tmux.keys("2")
    tmux.shows("web-1", "db-1", "2 VMs, 2 hosts")
    tmux.keys("o")
    tmux.shows("poweroff web-1", "RUNNING to POWEROFF")
    tmux.keys("Right", "Enter")
    tmux.shows("✓ $ nebula vm poweroff web-1", " POWEROFF ")
    assert "POWEROFF" in nebula(home, "vm", "list", "name=web-1").stdout
    tmux.keys("Down", "c")
    tmux.shows("login:", "Ctrl-] leaves it")
    tmux.keys("C-]")
    tmux.shows("web-1", "$ nebula vm console db-1")
    tmux.keys("l")
    tmux.shows("ssh to -l root -- 10.77.0.1")
    tmux.keys("Enter")
    tmux.shows("web-1", "✓ $ nebula vm ssh db-1")
    assert nebula(home, "vm", "resume", "web-1").returncode == 0
    tmux.until(lambda seen: "POWEROFF" not in seen, "what somebody else did")
    tmux.keys("y")
    tmux.shows("Copy", "10.77.0.1")
    tmux.type("ip")
    tmux.shows("Copy", "ip   ")
    tmux.keys("Enter")
    tmux.shows("copied: 10.77.0.1")
    assert tmux.clipboard().startswith("10.77.0.1"), "what the terminal was told (OSC 52)"
    tmux.keys("q")
    tmux.shows("left with 0")


@pytest.mark.parametrize("tmux", [(160, 40)], indirect=True)
def test_all_of_it_by_mouse(tmux: Tmux) -> None:
    tmux.shows("health", "2 RUNNING")
    tmux.click("2 VMs  3")
    tmux.shows("web-1", "db-1", "VM web-1")
    tmux.click("3 Hosts")
    tmux.shows("host-1", "host-2", "2 hosts")
    tmux.click("2 VMs  3")
    tmux.shows("VM web-1")
    tmux.click("db-1  ")
    tmux.shows("VM db-1")
    tmux.click(" history")
    tmux.shows("db-1", "deploy", "striping")
    tmux.keys("o")
    tmux.shows("poweroff db-1", "RUNNING to POWEROFF")
    tmux.click("Cancel")
    tmux.until(lambda seen: "Cancel" not in seen, "the list again")
    tmux.keys("o")
    tmux.shows("poweroff db-1", "RUNNING to POWEROFF")
    tmux.click("poweroff   ")
    tmux.shows("✓ $ nebula vm poweroff db-1")
    tmux.keys("?")
    tmux.shows("Keys and commands", "vm create  ")
    for _ in range(12):
        tmux.wheel("vm ")
    tmux.until(lambda seen: "vm create  " not in seen, "what is further below")
    tmux.type("\x1bq")  # at once, as a slow line brings them
    tmux.shows("left with 0")


def test_a_terminal_of_16_colours_gets_no_others(tmux: Tmux) -> None:
    tmux.shows("health", "2 RUNNING")
    tmux.keys("q")
    tmux.shows("left with 0")
    tmux.run("env -u COLORTERM TERM=xterm-16color")
    tmux.shows("health", "2 RUNNING")
    colours = tmux.colours()
    assert "\x1b[32m" in colours, "what is well is green"
    assert "38;5;" not in colours
    assert "38;2;" not in colours


def test_an_engine_that_goes_away_is_found_again(tmux: Tmux, tmp_path: Path) -> None:
    home = tmp_path / "home"
    tmux.shows("health", "2 RUNNING")
    argv, nowhere = [sys.executable, "-m", "nebula", "--daemon"], subprocess.DEVNULL
    daemon = subprocess.Popen(argv, env=environment(home), stdout=nowhere, stderr=nowhere)
    try:
        deadline = time.monotonic() + PATIENCE
        while "daemon" not in nebula(home, "status").stdout:
            assert time.monotonic() < deadline, "the daemon did not take the home"
            time.sleep(0.2)
        assert nebula(home, "vm", "rename", "web-1", "shop").returncode == 0
        tmux.keys("2")
        tmux.shows("shop")
    finally:
        daemon.kill()
        daemon.wait()
    assert nebula(home, "vm", "rename", "shop", "shop-2").returncode == 0
    tmux.shows("shop-2")
    tmux.keys("q")
    tmux.shows("left with 0")
