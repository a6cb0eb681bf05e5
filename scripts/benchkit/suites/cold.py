"""Cold starts of the one file: from the shell's exec to the end of the process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchkit.daemon import daemon
from benchkit.errors import BenchError
from benchkit.figure import Figure
from benchkit.suite import Bench
from benchkit.timing import interleaved, once

DEMO_SECONDS = 300


def run(bench: Bench) -> Iterator[Figure]:
    """The first start, then warm ones in-process, then through a daemon's socket."""
    program, home = str(bench.program), bench.scratch / "home"
    yield Figure("first start (unpacks)", "ms", [_first(bench, number) for number in range(3)])
    environment = _environment(bench.scratch / "cache")
    _demo(program, home, bench.vms, environment)
    peers = {"/bin/true": ["/bin/true"], "python3 -c pass": [str(Path(sys.executable).resolve()), "-c", "pass"]}
    peers["python3 -I -S -c pass"] = [str(Path(sys.executable).resolve()), "-I", "-S", "-c", "pass"]
    if shutil.which("virsh"):
        peers["virsh --version"] = ["virsh", "--version"]
    peers["nebula --version, plain directory"] = _plain(bench.scratch / "cache")
    own = _own(program, home, bench.vms)
    yield from _figures(interleaved({**peers, **own}, bench.rounds, environment), peers)
    with daemon(program, home, environment):
        through = {f"{name}, through the socket": argv for name, argv in own.items() if "list" in argv}
        yield from _figures(interleaved(through, bench.rounds, environment), {})


def _own(program: str, home: Path, vms: int) -> dict[str, list[str]]:
    at = [program, "--home", str(home)]
    return {
        "nebula --version": [program, "--version"],
        "nebula --help": [program, "--help"],
        f"nebula vm list, {vms} VMs": [*at, "vm", "list"],
        "TAB after nebula vm": [program, "__complete", "vm", ""],
        "TAB for a VM's name": [program, "__complete", "--home", str(home), "vm", "show", ""],
    }


def _plain(cache: Path) -> list[str]:
    """The same program without the one file around it."""
    [site] = cache.glob("*/lib/*/site-packages")
    code = f"import sys; sys.path.append({str(site)!r}); from nebula.cli.entry import main; sys.exit(main(['--version']))"
    return [str(site.parents[2] / "bin" / "python"), "-I", "-S", "-c", code]


def _figures(taken: Mapping[str, list[float]], peers: Mapping[str, object]) -> Iterator[Figure]:
    for name, samples in taken.items():
        yield Figure(name, "ms", samples, beside="" if name in peers else "python3, virsh --version")


def _first(bench: Bench, number: int) -> float:
    with _directory(bench.scratch / f"first-{number}") as cache:
        return once([str(bench.program), "--version"], _environment(cache))


@contextmanager
def _directory(path: Path) -> Iterator[Path]:
    yield path
    shutil.rmtree(path)


def _environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "NEBULA_CACHE": str(cache)}


def _demo(program: str, home: Path, vms: int, environment: Mapping[str, str]) -> None:
    argv = [program, "demo", "--home", str(home), "--hosts", "4", "--vms", str(vms)]
    done = subprocess.run(
        argv, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEMO_SECONDS, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"nebula demo ended with {done.returncode}: {done.stderr.strip()}", hint=" ".join(argv))
