"""The program itself in a terminal of tmux: `nebula` alone, a verb, a console and back, an engine that goes away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0


def environment(home: Path) -> dict[str, str]:
    """Where the program finds itself and its home."""
    return {**os.environ, "NEBULA_HOME": str(home), "PYTHONPATH": str(ROOT)}


class Tmux:
    """A server of its own, with one terminal in which the program runs."""

    def __init__(self, home: Path) -> None:
        self._socket, self._home = str(home.parent / "tmux"), home
        self._environment = {**environment(home), "XDG_CONFIG_HOME": str(home.parent)}

    def _run(self, *words: str) -> str:
        argv = ["tmux", "-S", self._socket, "-f", "/dev/null", *words]
        return subprocess.run(argv, env=self._environment, capture_output=True, text=True, timeout=60, check=True).stdout

    def start(self, columns: int, lines: int) -> None:
        """`nebula`, without a word more."""
        command = f"{sys.executable} -m nebula; echo left with $?; exec sleep 600"
        self._run("new-session", "-d", "-x", str(columns), "-y", str(lines), command)

    def keys(self, *names: str) -> None:
        """Keys by tmux' names."""
        for name in names:
            self._run("send-keys", name)

    def screen(self) -> str:
        """What is seen."""
        return self._run("capture-pane", "-p")

    def shows(self, *texts: str) -> str:
        """Wait until all of it is seen."""
        return self.until(lambda seen: all(text in seen for text in texts), " and ".join(texts))

    def until(self, condition: Callable[[str], bool], what: str) -> str:
        """Wait until it holds of what is seen."""
        deadline = time.monotonic() + PATIENCE
        while not condition(seen := self.screen()):
            assert time.monotonic() < deadline, f"{what} was not seen:\n{seen}"
            time.sleep(0.1)
        return seen

    def end(self) -> None:
        """The terminal and all that runs in it."""
        self._run("kill-server")


def nebula(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command beside it."""
    argv = [sys.executable, "-m", "nebula", *words]
    return subprocess.run(argv, env=environment(home), capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    home = tmp_path / "home"
    made = nebula(home, "demo", "--home", str(home), "--hosts", "2", "--vms", "2")
    assert made.returncode == 0, made.stderr
    terminal = Tmux(home)
    terminal.start(80, 24)
    yield terminal
    terminal.end()


def test_a_day_at_the_terminal(tmux: Tmux, tmp_path: Path) -> None:
    home = tmp_path / "home"
    tmux.shows("health", "2 RUNNING")
    tmux.keys("2")
    tmux.shows("web-1", "db-1", "2 vms, 2 hosts")
    tmux.keys("o")
    tmux.shows("poweroff web-1", "RUNNING to POWEROFF")
    tmux.keys("Right", "Enter")
    tmux.shows("✓ $ nebula vm poweroff web-1", " POWEROFF ")
    assert "POWEROFF" in nebula(home, "vm", "list", "name=web-1").stdout
    tmux.keys("Down", "c")
    tmux.shows("login:", "Ctrl-] leaves it")
    tmux.keys("C-]")
    tmux.shows("web-1", "$ nebula vm console db-1")
    assert nebula(home, "vm", "resume", "web-1").returncode == 0
    tmux.until(lambda seen: "POWEROFF" not in seen, "what somebody else did")
    tmux.keys("q")
    tmux.shows("left with 0")


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
