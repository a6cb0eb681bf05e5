"""From create to RUNNING on a real host with the image in place: a warm engine, the one-shot command, bare tools by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from benchkit.bare_domain import Twin
from benchkit.bare_engine import Stopwatch, real, template
from benchkit.bare_lab import Lab, done, lab
from benchkit.cluster import CALL, finish
from benchkit.cluster_figure import few, figure
from benchkit.figure import Figure
from benchkit.suite import Bench
from benchkit.timing import once
from nebula.engine.local.engine import LocalEngine

HOST = "h1"
IMAGE = f"blank-{HOST}"
LIMIT = "qemu-img create -b, virsh define and start by hand"


def image_on(host: str) -> dict[str, object]:
    """An image on one host. No guest is in it: its start would keep the processor busy while the next one is measured."""
    return {"name": f"blank-{host}", "size": 1 << 26, "type": "os", "host": host}


def run(bench: Bench) -> Iterator[Figure]:
    """Engine and bare tools in turn; then the program without an engine that runs."""
    home = bench.scratch / "home"
    with lab(bench) as hosts:
        with real(home, hosts) as local:
            finish(local, [local.images.create(image_on(HOST), CALL)])
            engine, bare = _in_turn(bench, hosts, local)
        shot = [_one_shot(bench, home, number) for number in range(few(bench, 3))]
    limit = figure(LIMIT, "ms", bare, "over one open ssh connection")
    yield limit
    beside = f"by hand {limit.median:.0f} ms; goal: 250 more"
    yield figure("create to RUNNING, warm engine", "ms", engine, beside)
    yield figure("create to RUNNING, `nebula vm create` alone", "ms", shot, beside)


def _in_turn(bench: Bench, hosts: Lab, local: LocalEngine) -> tuple[list[float], list[float]]:
    watch = Stopwatch(local)
    model, _ = watch.create(template("warm-up", IMAGE, HOST))
    engine, bare = [], []
    for number in range(few(bench)):
        accepted, taken = watch.create(template(f"vm-{number}", IMAGE, HOST))
        engine.append(taken)
        finish(local, [local.vms.terminate(str(accepted.id), CALL, hard=True)])
        twin = Twin(hosts, HOST, f"one-{model.id}", number)
        bare.append(twin.create(HOST))
        twin.remove(HOST)
    finish(local, [local.vms.terminate(str(model.id), CALL, hard=True)])
    return engine, bare


def _one_shot(bench: Bench, home: Path, number: int) -> float:
    """The whole process: it owns the home, connects, waits, lets go."""
    at, name = [str(bench.program), "--home", str(home)], f"shot-{number}"
    taken = once(
        [*at, "vm", "create", name, "--image", IMAGE, "--memory", "128", "--network", "lan", "--host", HOST], os.environ
    )
    done([*at, "vm", "terminate", name, "--hard"])
    return taken
