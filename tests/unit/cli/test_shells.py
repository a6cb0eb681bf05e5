"""Completion in bash, zsh and fish themselves: keys go into a terminal, and what the line became is run."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sim import CALL, sim_engine

ROOT = Path(__file__).parents[3]
SECONDS = 60
NAMES = ("web:1 a", "mail@home", "db+x", "plain-1")
STARTS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
SET_UP = {
    "bash": "PS1='ready> '; source {script}",
    "zsh": "PS1='ready> '; autoload -Uz compinit; compinit -u -d {directory}/dump; source {script}",
    "fish": "function fish_prompt; echo -n 'ready> '; end; set -g fish_greeting; source {script}",
}
TYPED = {
    "a verb": ("vm sh", "vm show"),
    "an odd name": ("vm show we", "vm show web:1 a"),
    "a name behind a colon": ("vm show web:", "vm show web:1 a"),
    "a name behind an at": ("vm show mail@", "vm show mail@home"),
    "a plus": ("vm show d", "vm show db+x"),
    "the second one": ("vm show plain-1 mai", "vm show plain-1 mail@home"),
    "an option": ("vm list --fo", "vm list --format"),
    "a file": ("image create disk --path ./pict", "image create disk --path ./picture.raw"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with VMs of odd names, and a program that notes its words and completes like nebula."""
    place = tmp_path_factory.mktemp("home")
    with sim_engine(place) as sim:
        for name in NAMES:
            sim.engine.vms.create({"NAME": name}, CALL, hold=True)
    program = place / "bin" / "nebula"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ncase $1 in __complete|completion) exec "{sys.executable}" -m nebula "$@" ;; esac\n'
        'printf "%s\\n" "$@" >"$NOTED.part" && mv "$NOTED.part" "$NOTED"\n'
    )
    program.chmod(0o755)
    return place


class Shell:
    """An interactive shell on a terminal."""

    def __init__(self, name: str, home: Path, directory: Path) -> None:
        self.noted = directory / "noted"
        environ = {
            "PATH": f"{home}/bin:{os.environ['PATH']}",
            "HOME": str(directory),
            "NEBULA_HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "NOTED": str(self.noted),
            "TERM": "dumb" if name == "fish" else "vt100",
            "LC_ALL": "C.UTF-8",
        }
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *STARTS[name]], env=environ, cwd=directory, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.shown = ""
        (directory / "picture.raw").touch()
        script = directory / f"nebula.{name}"
        script.write_text(
            subprocess.run(
                [f"{home}/bin/nebula", "completion", name], env=environ, capture_output=True, text=True, check=True
            ).stdout
        )
        self.type(SET_UP[name].format(script=script, directory=directory) + "\r")
        self.type("nebula begun\r")
        assert self.ran() == "begun"

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def quiet(self) -> None:
        """Until nothing more is shown: the shell has answered a key."""
        shown = len(self.shown)
        until = time.monotonic() + SECONDS
        still = 0
        while still < 4 or len(self.shown) == shown:
            assert time.monotonic() < until, self.shown
            still = 0 if self._read(0.25) else still + 1

    def ran(self) -> str:
        """The words of the command that was run next."""
        until = time.monotonic() + SECONDS
        while not self.noted.exists():
            assert time.monotonic() < until, self.shown
            self._read(0.05)
        words = self.noted.read_text().splitlines()
        self.noted.unlink()
        return " ".join(words)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        self.shown += os.read(self._ours, 1 << 16).decode("utf-8", "replace")
        return True

    def end(self) -> None:
        """Close its terminal."""
        self._process.kill()
        self._process.wait(SECONDS)
        os.close(self._ours)


@pytest.fixture(scope="module", params=STARTS)
def shell(request: pytest.FixtureRequest, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Each of the three."""
    made = Shell(request.param, home, tmp_path_factory.mktemp(request.param))
    yield made
    made.end()


@pytest.mark.parametrize(("typed", "expected"), TYPED.values(), ids=TYPED.keys())
def test_tab(shell: Shell, typed: str, expected: str) -> None:
    shell.type(f"nebula {typed}")
    shell.quiet()
    shell.type("\t")
    shell.quiet()
    shell.type("\r")
    assert shell.ran() == expected
