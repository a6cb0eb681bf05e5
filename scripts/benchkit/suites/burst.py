"""Many creates at once over two real hosts, images in place: a warm engine against the bare tools by hand, all in parallel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchkit.bare_domain import Twin
from benchkit.bare_engine import Stopwatch, real, template
from benchkit.bare_lab import HOSTS, Lab, lab
from benchkit.cluster import CALL, finish
from benchkit.cluster_figure import few, figure
from benchkit.figure import Figure
from benchkit.suite import Bench
from benchkit.suites.deploy import image_on
from nebula.engine.local.engine import LocalEngine

VMS = 20
"""No more than sshd takes at once over a connection to each of two hosts, so that by hand all are started in parallel."""


def run(bench: Bench) -> Iterator[Figure]:
    """In turn; the clock ends when the last one runs."""
    with lab(bench) as hosts, real(bench.scratch / "home", hosts) as local:
        for host in HOSTS:
            finish(local, [local.images.create(image_on(host), CALL)])
        models = {host: Stopwatch(local).create(template(f"model-{host}", f"blank-{host}", host))[0].id for host in HOSTS}
        engine, bare = [], []
        for number in range(few(bench)):
            engine.append(_by_engine(local, number))
            bare.append(_by_hand(hosts, models))
    limit = figure(f"{VMS} creates by hand", "ms", bare, "a command each over one open ssh connection a host, all in parallel")
    yield limit
    yield figure(f"{VMS} creates to RUNNING, warm engine", "ms", engine, f"by hand {limit.median:.0f} ms; goal: 1.2 of it")


def _by_engine(local: LocalEngine, number: int) -> float:
    places = [(HOSTS[place % len(HOSTS)], place) for place in range(VMS)]
    accepted, taken = Stopwatch(local).create_all(
        [template(f"vm-{number}-{place}", f"blank-{host}", host) for host, place in places]
    )
    finish(local, [local.vms.terminate(str(one.id), CALL, hard=True) for one in accepted])
    return taken


def _by_hand(hosts: Lab, models: dict[str, int]) -> float:
    places = [HOSTS[place % len(HOSTS)] for place in range(VMS)]
    twins = [(Twin(hosts, host, f"one-{models[host]}", place), host) for place, host in enumerate(places)]
    with ThreadPoolExecutor(VMS) as people:
        began = time.perf_counter()
        list(people.map(lambda pair: pair[0].create(pair[1]), twins))
        taken = (time.perf_counter() - began) * 1000
        list(people.map(lambda pair: pair[0].remove(pair[1]), twins))
    return taken
