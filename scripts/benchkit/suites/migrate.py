"""Live migration of a running guest between real hosts: a warm engine against virsh, both peer to peer over libssh."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from benchkit.bare_domain import Twin
from benchkit.bare_engine import Stopwatch, real, template
from benchkit.bare_lab import HOSTS, Lab, guest_image, lab
from benchkit.cluster import CALL, finish
from benchkit.cluster_figure import few, figure
from benchkit.errors import BenchError
from benchkit.figure import Figure
from benchkit.suite import Bench
from nebula.drivers.hypervisor.libvirt.migration_route import peer_uri
from nebula.engine.local.engine import LocalEngine
from nebula.engine.store.rows import HostRow

GUEST_BOOTS = 6.0
"""Seconds until a guest is up and idle."""
FLAGS = ("--live", "--p2p", "--tunnelled", "--persistent", "--undefinesource", "--abort-on-error", "--unsafe")
"""Those that the engine uses for a disk on storage that the hosts share."""


def run(bench: Bench) -> Iterator[Figure]:
    """There and back, the engine's guest and its twin in turn."""
    with lab(bench) as hosts, real(bench.scratch / "home", hosts) as local:
        spec = {"name": "guest", "path": str(guest_image()), "datastore": "shared"}
        finish(local, [local.images.create(spec, CALL)])
        taken = _there_and_back(bench, hosts, local)
    bare, down = figure("virsh migrate --live by hand", "ms", taken["bare"]), figure("its downtime", "ms", taken["bare down"])
    yield bare
    yield down
    yield figure("live migration, warm engine", "ms", taken["engine"], f"by hand {bare.median:.0f} ms; goal: 150 more")
    yield figure("its downtime, too", "ms", taken["engine down"], f"by hand {down.median:.0f} ms; goal: no longer")


def _there_and_back(bench: Bench, hosts: Lab, local: LocalEngine) -> dict[str, list[float]]:
    first, second = HOSTS
    accepted, _ = Stopwatch(local).create(template("guest", "guest", first))
    domain = f"one-{accepted.id}"
    twin = Twin(hosts, first, domain, 1)
    twin.create(first)
    time.sleep(GUEST_BOOTS)
    taken: dict[str, list[float]] = {"engine": [], "engine down": [], "bare": [], "bare down": []}
    for number in range(few(bench) + 1):
        source, target = (first, second) if number % 2 == 0 else (second, first)
        sample = {
            "engine": Stopwatch(local).migrate(str(accepted.id), target),
            "engine down": downtime(hosts.ssh(target, "virsh", "domjobinfo", "--completed", domain)),
            "bare": hosts.timed(source, "virsh", "-q", "migrate", *FLAGS, twin.name, _uri(local, target)),
            "bare down": downtime(hosts.ssh(target, "virsh", "domjobinfo", "--completed", twin.name)),
        }
        for name, value in sample.items() if number else ():  # the first one warms up
            taken[name].append(value)
    twin.remove(target)
    finish(local, [local.vms.terminate(str(accepted.id), CALL, hard=True)])
    return taken


def _uri(local: LocalEngine, name: str) -> str:
    row = local.services.store.read().first(HostRow, '"name"=?', (name,))
    if row is None:
        raise BenchError(f"there is no host {name}")
    handle = local.services.pool.handle(row)
    return peer_uri(handle.root, handle)


def downtime(info: str) -> float:
    """Milliseconds, from what `virsh domjobinfo` says at the target; BenchError if it says none."""
    found = re.search(r"^Total downtime:\s+([\d.]+)\s+ms", info, re.MULTILINE)
    if found is None:
        raise BenchError(f"libvirt tells no downtime: {info.strip()}")
    return float(found[1])
