"""The command line of scripts/test: which phases there are, in which order, and how long each may take."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from labkit.errors import LabError

from . import marked, memory, packages, tested
from .environment import ROOT, EnvironmentFailure, ready
from .phase import Outcome, Phase, beside, run

BUILD_TESTS = "tests/build"
PARTS = ("lint", "unit", "build", "lab")
SLOW = "slow"
"""Not among all: it boots distributions under emulation, and drives a browser."""
ASIDE, WHOLE = "databases", frozenset({"unit", "lab", SLOW})
"""The phase that runs beside those which use one processor, and those which use all. It also leaves tests compiled behind."""
IN_MEMORY = frozenset({"unit"})
"""Phases whose temporary files lie in memory where there is room; disks of guests would need more of it."""
NEEDED = {
    "lint": packages.BUILD,
    "unit": (*packages.TOOLS, *packages.BUILD, *packages.DATABASES, *packages.RUN, *packages.ROUTING, *packages.GUEST),
    "build": packages.BUILD,
    "lab": (*packages.TOOLS, *packages.BUILD, *packages.LAB),
    SLOW: (*packages.TOOLS, *packages.BUILD, *packages.LAB, *packages.SLOW),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts; 0 if every phase passed."""
    arguments, extra = _parser().parse_known_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a caller's time limit ends phases as Ctrl-C does
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it; what tests start must not
    asked = {*arguments.parts, *(PARTS if "all" in arguments.parts else ())}
    parts = tuple(part for part in (*PARTS, SLOW) if part in asked)
    try:
        packages.require(sorted({name for part in parts for name in NEEDED[part]}), install=arguments.install)
        bin_directory = ready()
    except (LabError, EnvironmentFailure) as error:
        print(f"test: {error}", file=sys.stderr)
        return 1
    outcomes: list[Outcome] = []
    try:
        for outcome in outcomes_of(phases(parts, bin_directory, extra), variables(bin_directory)):
            outcomes.append(outcome)
            if outcome.phase.name == SLOW and not extra:
                tested.write(ROOT, outcome, datetime.now(UTC))
    except KeyboardInterrupt:
        report(outcomes)
        print("test: interrupted", file=sys.stderr)
        return 130
    return report(outcomes)


def phases(parts: Sequence[str], bin_directory: Path, extra: Sequence[str]) -> list[Phase]:
    """The phases of `parts`, quick ones first; `extra` goes to pytest."""
    return [phase for part in parts for phase in PHASES[part](bin_directory, list(extra))]


def outcomes_of(found: Sequence[Phase], environment: Mapping[str, str]) -> Iterator[Outcome]:
    """How each ended. Those that use one processor share the machine; the others have it alone."""
    aside = [phase for phase in found if phase.name == ASIDE]
    front = [phase for phase in found if phase.name not in {ASIDE, *WHOLE}] if aside else []
    with ExitStack() as stack:
        beginning = [stack.enter_context(beside(phase, environment, ROOT)) for phase in aside]
        for phase in front:
            yield run(phase, environment, ROOT)
        for running in beginning:
            yield running.outcome()
    for phase in found:
        if phase.name not in {ASIDE, *(one.name for one in front)}:
            with ExitStack() as stack:
                more = stack.enter_context(memory.temporary()) if phase.name in IN_MEMORY else {}
                yield run(phase, {**environment, **more}, ROOT)


def report(outcomes: Sequence[Outcome]) -> int:
    """Print how all phases ended, with pytest's closing lines; 1 if one failed."""
    print("\n== all phases")
    for outcome in outcomes:
        print(outcome)
        if "pytest" in outcome.phase.argv:
            print(f"{'':<12} {outcome.closing[-1] if outcome.closing else 'no output'}")
    failed = [outcome.phase.name for outcome in outcomes if outcome.status != 0]
    print(f"failed: {', '.join(failed)}" if failed else "all passed", flush=True)
    return 1 if failed else 0


def _lint(tools: Path, _extra: list[str]) -> list[Phase]:
    return [
        Phase("ruff", [str(tools / "ruff"), "check", "."], 20),
        Phase("format", [str(tools / "ruff"), "format", "--check", "."], 20),
        Phase("imports", [str(tools / "lint-imports")], 40),
        Phase("mypy", [str(tools / "mypy")], 200),
    ]


_TESTS_AT_ONCE = ("-n", "4", "--dist", "worksteal")
"""More than there are cores: half of the time they wait for something."""
_FILES_AT_ONCE = ("-n", "3", "--dist", "loadfile")
"""Each with a lab of its own; tests of a file share guests."""


def _unit(tools: Path, extra: list[str]) -> list[Phase]:
    return [
        Phase("unit", [*_pytest(tools, "not lab and not databases and not slow"), *_TESTS_AT_ONCE, *extra], 1700),
        Phase("databases", [*_pytest(tools, "databases and not lab"), *_files("databases"), *extra], 300),
    ]


def _build(tools: Path, extra: list[str]) -> list[Phase]:
    return [Phase("build", [str(tools / "python"), "-m", "pytest", "-q", BUILD_TESTS, *extra], 300)]


def _lab(tools: Path, extra: list[str]) -> list[Phase]:
    return [Phase("lab", [*_pytest(tools, "lab and not slow"), *_files("lab"), *_FILES_AT_ONCE, *extra], 2700)]


def _slow(tools: Path, extra: list[str]) -> list[Phase]:
    return [Phase(SLOW, [*_pytest(tools, SLOW), *_files(SLOW), *extra], 7200)]


PHASES: dict[str, Callable[[Path, list[str]], list[Phase]]] = {
    "lint": _lint,
    "unit": _unit,
    "build": _build,
    "lab": _lab,
    SLOW: _slow,
}


def _pytest(tools: Path, markers: str) -> list[str]:
    """All tests with these markers, wherever they lie: none belongs to no phase."""
    return [str(tools / "python"), "-m", "pytest", "-q", "--durations=10", f"--ignore={BUILD_TESTS}", "-m", markers]


def _files(marker: str) -> list[str]:
    """Those that have tests with this marker, wherever they lie."""
    return [str(path.relative_to(ROOT)) for path in marked.files(ROOT / "tests", {marker})]


def variables(bin_directory: Path) -> dict[str, str]:
    """The caller's, with the environment's programs first; colours only for a person who watches. What Python compiled is kept
    whatever the caller wants: every process of the tests would compile all of it again.
    """
    path = f"{bin_directory}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PATH": path, "VIRTUAL_ENV": str(bin_directory.parent), "PYTHONUNBUFFERED": "1"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="test",
        description=sys.modules["__main__"].__doc__,
        epilog="Unknown options go to pytest: scripts/test unit -k journal -x",
    )
    parser.add_argument(
        "parts", nargs="*", default=["all"], choices=[*PARTS, SLOW, "all"], metavar="lint|unit|build|lab|slow|all"
    )
    parser.add_argument("--no-install", dest="install", action="store_false", help="refuse rather than install packages")
    return parser
