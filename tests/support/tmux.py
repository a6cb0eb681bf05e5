"""The program in a terminal of tmux: keys in, what the screen says out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
_AGE = re.compile(r"\b\d+[smhd]\b")


def environment(home: Path) -> dict[str, str]:
    """Where the program finds itself and its home; a terminal is as large as it is, whatever its parents were told."""
    known = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    return {**known, "NEBULA_HOME": str(home), "PYTHONPATH": str(ROOT)}


class Tmux:
    """A server of its own, with one terminal in which the program runs; `place` is for what it keeps."""

    def __init__(self, home: Path, place: Path) -> None:
        self._socket = str(place / "tmux")
        self._environment = {**environment(home), "XDG_CONFIG_HOME": str(place)}

    def _run(self, *words: str) -> str:
        argv = ["tmux", "-S", self._socket, "-f", "/dev/null", *words]
        return subprocess.run(argv, env=self._environment, capture_output=True, text=True, timeout=60, check=True).stdout

    def start(self, columns: int, lines: int) -> None:
        """`nebula`, without a word more."""
        command = f"{sys.executable} -m nebula; echo left with $?; exec sleep 600"
        self._run("new-session", "-d", "-x", str(columns), "-y", str(lines), command)
        self._run("set-option", "-s", "set-clipboard", "on")

    def run(self, before: str) -> None:
        """`nebula` in the terminal once more; `before` stands before it, such as env."""
        self._run("respawn-pane", "-k", f"{before} {sys.executable} -m nebula; echo left with $?; exec sleep 600")

    def keys(self, *names: str) -> None:
        """Keys by tmux' names."""
        for name in names:
            self._run("send-keys", name)

    def type(self, text: str) -> None:
        """Letters as they are."""
        self._run("send-keys", "-l", text)

    def mouse(self, code: int, text: str, *, press: bool = True) -> None:
        """What a terminal says of the mouse over that text (SGR: button or wheel, column, line)."""
        line, column = next((line, seen.index(text)) for line, seen in enumerate(self.screen().splitlines()) if text in seen)
        said = f"\x1b[<{code};{column + 2};{line + 1}{'M' if press else 'm'}"
        self._run("send-keys", "-H", *(f"{letter:x}" for letter in said.encode()))

    def click(self, text: str) -> None:
        """Press and let go, once it is there and nothing moves any more, as a person does."""
        self.shows(text)
        self.rests()
        self.mouse(0, text)
        self.mouse(0, text, press=False)

    def wheel(self, text: str, *, down: bool = True) -> None:
        """One notch."""
        self.mouse(65 if down else 64, text)

    def rests(self) -> None:
        """Wait until what is seen stays as it is; ages that go on do not count."""
        before, deadline = "", time.monotonic() + PATIENCE
        while (seen := _AGE.sub("", self.screen())) != before:
            assert time.monotonic() < deadline, f"the screen does not rest:\n{seen}"
            before = seen
            time.sleep(0.3)

    def screen(self) -> str:
        """What is seen."""
        return self._run("capture-pane", "-p")

    def colours(self) -> str:
        """What is seen, with its colours as a terminal is told them."""
        return self._run("capture-pane", "-p", "-e")

    def clipboard(self) -> str:
        """What was copied."""
        return self._run("show-buffer")

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
