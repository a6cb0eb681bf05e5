"""The command line of scripts/test: which phases there are, in which order, and how long each may take."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from labkit.errors import LabError

from . import packages
from .environment import ROOT, EnvironmentFailure, ready
from .phase import Outcome, Phase, run

BUILD_TESTS = "tests/build"
PARTS = ("lint", "unit", "build", "lab")
NEEDED = {
    "lint": packages.BUILD,
    "unit": (*packages.TOOLS, *packages.BUILD, *packages.DATABASES, *packages.RUN),
    "build": packages.BUILD,
    "lab": (*packages.TOOLS, *packages.BUILD, *packages.LAB),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts; 0 if every phase passed."""
    arguments, extra = _parser().parse_known_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a caller's time limit ends phases as Ctrl-C does
    parts = PARTS if "all" in arguments.parts else tuple(part for part in PARTS if part in arguments.parts)
    try:
        packages.require(sorted({name for part in parts for name in NEEDED[part]}), install=arguments.install)
        bin_directory = ready()
    except (LabError, EnvironmentFailure) as error:
        print(f"test: {error}", file=sys.stderr)
        return 1
    outcomes: list[Outcome] = []
    try:
        for phase in phases(parts, bin_directory, extra):
            outcomes.append(run(phase, _environment(bin_directory), ROOT))  # noqa: PERF401 - kept when interrupted
    except KeyboardInterrupt:
        report(outcomes)
        print("test: interrupted", file=sys.stderr)
        return 130
    return report(outcomes)


def phases(parts: Sequence[str], bin_directory: Path, extra: Sequence[str]) -> list[Phase]:
    """The phases of `parts`, quick ones first; `extra` goes to pytest."""
    return [phase for part in parts for phase in PHASES[part](bin_directory, list(extra))]


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
        Phase("mypy", [str(tools / "mypy")], 130),
    ]


def _unit(tools: Path, extra: list[str]) -> list[Phase]:
    parallel = ["-n", "2", "--dist", "loadfile"]
    return [
        Phase("unit", [*_pytest(tools, "not lab and not databases"), *parallel, *extra], 420),
        Phase("databases", [*_pytest(tools, "databases and not lab"), *extra], 120),
    ]


def _build(tools: Path, extra: list[str]) -> list[Phase]:
    return [Phase("build", [str(tools / "python"), "-m", "pytest", "-q", BUILD_TESTS, *extra], 130)]


def _lab(tools: Path, extra: list[str]) -> list[Phase]:
    return [Phase("lab", [*_pytest(tools, "lab"), *extra], 900)]


PHASES: dict[str, Callable[[Path, list[str]], list[Phase]]] = {"lint": _lint, "unit": _unit, "build": _build, "lab": _lab}


def _pytest(tools: Path, marked: str) -> list[str]:
    """All tests with these markers, wherever they lie: none belongs to no phase."""
    return [str(tools / "python"), "-m", "pytest", "-q", "--durations=10", f"--ignore={BUILD_TESTS}", "-m", marked]


def _environment(bin_directory: Path) -> dict[str, str]:
    """The caller's, with the environment's programs first; colours only for a person who watches."""
    path = f"{bin_directory}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(bin_directory.parent), "PYTHONUNBUFFERED": "1"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="test",
        description=sys.modules["__main__"].__doc__,
        epilog="Unknown options go to pytest: scripts/test unit -k journal -x",
    )
    parser.add_argument("parts", nargs="*", default=["all"], choices=[*PARTS, "all"], metavar="lint|unit|build|lab|all")
    parser.add_argument("--no-install", dest="install", action="store_false", help="refuse rather than install packages")
    return parser
