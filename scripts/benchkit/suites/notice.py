"""A change behind the engine's back, by virsh on a real host: how soon a warm engine has it durable, by libvirt's event."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchkit.bare_engine import News, Stopwatch, becomes, real, template
from benchkit.bare_lab import Lab, lab
from benchkit.cluster import CALL, finish
from benchkit.cluster_figure import few, figure
from benchkit.figure import Figure
from benchkit.suite import Bench
from benchkit.suites.deploy import HOST, IMAGE, image_on
from nebula.engine.local.engine import LocalEngine

CHANGES = {"suspend": "SUSPENDED", "resume": "RUNNING", "destroy": "POWEROFF", "start": "RUNNING"}
"""virsh's verbs, in an order in which each is possible, and the state that the engine shows after it."""


def run(bench: Bench) -> Iterator[Figure]:
    """From the moment at which virsh is started; its own time beside it."""
    with lab(bench) as hosts, real(bench.scratch / "home", hosts) as local:
        finish(local, [local.images.create(image_on(HOST), CALL)])
        accepted, _ = Stopwatch(local).create(template("watched", IMAGE, HOST))
        samples = [
            (verb, *_once(local, hosts, accepted.id, verb, state)) for _ in range(few(bench)) for verb, state in CHANGES.items()
        ]
    for verb, state in CHANGES.items():
        own = figure(
            f"virsh {verb}", "ms", [taken for name, taken, _ in samples if name == verb], "over one open ssh connection"
        )
        yield own
        seen = [seen for name, _, seen in samples if name == verb]
        yield figure(f"until {state} is seen", "ms", seen, f"virsh alone {own.median:.0f} ms; goal: under 1000")


def _once(local: LocalEngine, hosts: Lab, vm_id: int, verb: str, state: str) -> tuple[float, float]:
    """Milliseconds of virsh, and until the engine's event."""
    with News(local) as news:
        began = time.perf_counter()
        taken = hosts.timed(HOST, "virsh", "-q", verb, f"one-{vm_id}")
        return taken, (news.wait(becomes(vm_id, state), f"the {verb}") - began) * 1000
