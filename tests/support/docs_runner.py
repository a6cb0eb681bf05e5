"""Runs the examples in the documentation: what a reader types must work, and answer what the page says.

    <!-- run: sim -->
    ```console
    $ nebula vm list
    ID  NAME   STATE
    0   web-1  RUNNING
    …
    $ nebula vm show ghost   # exit 3
    nebula: … ghost …
    ```

`sim` is a home made by `nebula demo` (4 hosts, 12 VMs), `empty` a new one; the blocks of a page share it, in their order.
Files are named from the project's folder on: docs/examples/shop.yaml.
`…` stands for any text within a line, or on a line of its own for any number of lines. Widths of spaces do not count.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.forked import run_program

ANY = "…"
SECONDS = 120
HOMES = ("sim", "empty")
BLOCK = re.compile(r"^<!-- run: (?P<home>\S+) -->\n+```console\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
STATUS = re.compile(r"\s+# exit (\d+)$")


@dataclass(frozen=True)
class Step:
    """One command and what it prints; `line` is where it stands in the page."""

    line: int
    command: str
    status: int
    output: Sequence[str]


@dataclass(frozen=True)
class Block:
    """A block of the page that is run."""

    home: str
    steps: Sequence[Step]


def blocks(text: str) -> list[Block]:
    """The page's blocks that are marked to be run; raises `ValueError` for one that makes no sense."""
    found = []
    for match in BLOCK.finditer(text):
        first = text.count("\n", 0, match.start("body")) + 1
        if match["home"] not in HOMES:
            raise ValueError(f"line {first}: run: {match['home']} is none of {', '.join(HOMES)}")
        found.append(Block(match["home"], list(_steps(match["body"].splitlines(), first))))
    return found


def _steps(lines: Sequence[str], first: int) -> Iterator[Step]:
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    if not starts or starts[0] != 0:
        raise ValueError(f"line {first}: a block begins with `$ nebula …`")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        used = start
        while lines[used].endswith("\\"):
            used += 1
        command = " ".join(line.removesuffix("\\").strip() for line in lines[start : used + 1]).removeprefix("$ ")
        status = STATUS.search(command)
        yield Step(first + start, STATUS.sub("", command), int(status[1]) if status else 0, lines[used + 1 : end])


def matches(expected: Sequence[str], actual: Sequence[str]) -> bool:
    """Whether the lines are those expected, where `…` stands for anything."""
    parts = [r"(?:.*\n)*" if line.strip() == ANY else _pattern(line) + r"\n" for line in map(_plain, expected) if line]
    text = "".join(f"{line}\n" for line in map(_plain, actual) if line)
    return re.fullmatch("".join(parts), text) is not None


def _pattern(line: str) -> str:
    return ".*".join(re.escape(piece) for piece in line.split(ANY))


def _plain(line: str) -> str:
    return " ".join(line.split())


@dataclass
class Runner:
    """Runs pages with homes below `place`; `demo` has the home that `nebula demo` made once for all of them."""

    place: Path
    demo: Path
    made: set[Path] = field(default_factory=set)

    def check(self, page: Path) -> list[str]:
        """Run all marked blocks of the page; the differences, in words that say where and what came instead."""
        found: list[str] = []
        files = self.place / "docs"
        if not files.exists():
            files.symlink_to(Path(__file__).parents[2] / "docs")
        for block in blocks(page.read_text()):
            home = self.place / f"{page.stem}-{block.home}"
            self._prepare(home, block.home)
            for step in block.steps:
                found += self._step(page, step, home)
        return found

    def _prepare(self, home: Path, kind: str) -> None:
        if home not in self.made:
            self.made.add(home)
            if kind == "sim":
                made = self.demo / "home"
                if not made.exists():
                    status, printed = self._nebula(["demo", "--home", str(made)], made)
                    if status != 0:
                        raise RuntimeError(f"nebula demo ended with {status}: {printed}")
                shutil.copytree(made, home)

    def _step(self, page: Path, step: Step, home: Path) -> Iterator[str]:
        words = shlex.split(step.command)
        if words[:1] != ["nebula"]:
            yield f"{page.name}:{step.line}: only nebula is run, not {words[0]}"
            return
        status, printed = self._nebula(words[1:], home)
        if status != step.status or not matches(step.output, printed.splitlines()):
            shown = "".join(f"\n    {line}" for line in printed.splitlines())
            yield f"{page.name}:{step.line}: {step.command}: exit {status} (expected {step.status}), printed:{shown}"

    def _nebula(self, arguments: Sequence[str], home: Path) -> tuple[int, str]:
        """The program as a reader runs it: both streams as they come on a terminal of 120 columns, without colours."""
        fixed = {"NEBULA_HOME": str(home), "HOME": str(self.place), "COLUMNS": "120", "NO_COLOR": "1", "TZ": "UTC"}
        done = run_program(arguments, {"PATH": os.environ["PATH"], **fixed}, SECONDS, place=self.place, merged=True)
        return done.returncode, done.stdout
