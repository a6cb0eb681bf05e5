"""The command line of scripts/bench."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import machine, report
from .errors import BenchError
from .figure import Figure
from .suite import Bench, load, names, needs_data, needs_program

ROOT = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; 0 done, 1 failed with the reason and what to type next on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        measure(arguments)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        if error.hint:
            print(f"try: {error.hint}", file=sys.stderr)
        return 1
    return 0


def measure(arguments: argparse.Namespace) -> None:
    """Run the suites and report them; raises `BenchError`."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # people have what Python compiled: without it each start compiles all anew
    program = Path(arguments.program).resolve()
    wanted = arguments.suites or [name for name in names() if arguments.data or not needs_data(name)]
    if not program.exists() and any(needs_program(name) for name in wanted):
        raise BenchError(f"{program} is not there", hint="scripts/build")
    about = machine.describe()
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    before = machine.load()
    results = {name: _suite(name, program, arguments) for name in wanted}
    load = {"before": before, "after": machine.load()}
    print(f"\nload: {load['before']:.2f} before, {load['after']:.2f} after")
    if arguments.json:
        report.write(Path(arguments.json), {"machine": about, "load": load}, results)


def _suite(name: str, program: Path, arguments: argparse.Namespace) -> list[Figure]:
    suite = load(name)
    print(f"\n== {name}: {suite.__doc__}", flush=True)
    with tempfile.TemporaryDirectory(prefix="nebula-bench-", dir=arguments.dir) as scratch:
        figures = list(suite.run(_bench(program, Path(scratch), arguments)))
    print(report.table(figures), flush=True)
    return figures


def _bench(program: Path, scratch: Path, arguments: argparse.Namespace) -> Bench:
    data = Path(arguments.data).resolve() if arguments.data else None
    return Bench(program, scratch, arguments.rounds, arguments.vms, arguments.large, data, arguments.seed, arguments.days)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=sys.modules["__main__"].__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"{', '.join(names())} (all)")
    parser.add_argument("--program", default=str(ROOT / "dist" / "nebula"), help="the file to measure (dist/nebula)")
    parser.add_argument("--rounds", type=int, default=20, help="samples of each figure (20)")
    parser.add_argument("--vms", type=int, default=100, help="VMs in a listing (100)")
    parser.add_argument("--large", action="store_true", help="10,000 VMs, too, where a suite has sizes")
    parser.add_argument("--data", metavar="DIR", help="real traces: planetlab/DAY.csv.gz and bitbrains/*.npz")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of made clusters and drawn samples (0)")
    parser.add_argument("--days", type=_days, metavar="N", help="the first N days only of consolidation, small_cluster (all)")
    parser.add_argument("--dir", help="where the homes lie while it runs: their disk matters (TMPDIR)")
    parser.add_argument("--json", metavar="FILE", help="write all of it here, too")
    return parser


def _days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise argparse.ArgumentTypeError("at least one day")
    return days
