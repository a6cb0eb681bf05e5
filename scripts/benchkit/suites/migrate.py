"""Live migration of a running guest between real hosts: a warm engine against virsh, encrypted and plain, peer to peer."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from benchkit.bare_domain import Twin
from benchkit.bare_engine import Stopwatch, real, template
from benchkit.bare_lab import HOSTS, Lab, guest_image, lab
from benchkit.cluster import CALL, finish
from benchkit.cluster_figure import few, figure
from benchkit.errors import BenchError
from benchkit.figure import Figure
from benchkit.suite import Bench
from nebula.engine.local.engine import LocalEngine
from nebula.engine.store.rows import ClusterRow, HostRow
from nebula.engine.store.transaction import Transaction

GUEST_BOOTS = 6.0
"""Seconds until a guest is up and idle."""
FLAGS = ("--live", "--p2p", "--persistent", "--undefinesource", "--abort-on-error", "--auto-converge", "--unsafe")
"""Those that the engine uses for a disk on storage that the hosts share."""
WAYS = {"ssh": "libvirt's tunnel through ssh", "plain": "QEMU to QEMU, not encrypted"}
"""The engine's ways for the data, and virsh's that is as safe."""


def run(bench: Bench) -> Iterator[Figure]:
    """There and back, the engine's guest and its twin in turn, each way in turn."""
    with lab(bench) as hosts, real(bench.scratch / "home", hosts) as local:
        spec = {"name": "guest", "path": str(guest_image()), "datastore": "shared"}
        finish(local, [local.images.create(spec, CALL)])
        taken = _in_turn(bench, hosts, local)
    for way, words in WAYS.items():
        of = taken[way]
        bare, down = (
            figure("virsh migrate --live --p2p", "ms", of["bare"], words),
            figure("its downtime", "ms", of["bare down"]),
        )
        yield bare
        yield down
        yield figure(f"live migration, warm engine, {way}", "ms", of["engine"], f"by hand {bare.median:.0f} ms; goal: 150 more")
        yield figure("its downtime, too", "ms", of["engine down"], f"by hand {down.median:.0f} ms; goal: no longer")


def _in_turn(bench: Bench, hosts: Lab, local: LocalEngine) -> dict[str, dict[str, list[float]]]:
    first, second = HOSTS
    accepted, _ = Stopwatch(local).create(template("guest", "guest", first))
    twin = Twin(hosts, first, f"one-{accepted.id}", 1)
    twin.create(first)
    time.sleep(GUEST_BOOTS)
    taken: dict[str, dict[str, list[float]]] = {way: {} for way in WAYS}
    source, target = first, second
    for number in range(few(bench) + 1):
        for way in sorted(WAYS, reverse=bool(number % 2)):  # each way in both directions
            for name, value in _sample(hosts, local, accepted.id, twin, way, source, target).items() if number else ():
                taken[way].setdefault(name, []).append(value)
            source, target = target, source
    twin.remove(source)
    finish(local, [local.vms.terminate(str(accepted.id), CALL, hard=True)])
    return taken


def _sample(hosts: Lab, local: LocalEngine, vm_id: int, twin: Twin, way: str, source: str, target: str) -> dict[str, float]:
    local.services.store.write(lambda tx: _choose(tx, way))
    bare = ["--tunnelled"] if way == "ssh" else ["--migrateuri", f"tcp://{hosts.addresses[target]}"]
    return {
        "engine": Stopwatch(local).migrate(str(vm_id), target),
        "engine down": downtime(hosts.ssh(target, "virsh", "domjobinfo", "--completed", f"one-{vm_id}")),
        "bare": hosts.timed(source, "virsh", "-q", "migrate", *FLAGS, *bare, twin.name, _uri(local, target)),
        "bare down": downtime(hosts.ssh(target, "virsh", "domjobinfo", "--completed", twin.name)),
    }


def _choose(tx: Transaction, way: str) -> None:
    """The cluster's way for migrations from now on."""
    for cluster in tx.select(ClusterRow):
        body: dict[str, Any] = {**cluster.body, "migration_tunnel": way}
        tx.swap(cluster, body=body)


def _uri(local: LocalEngine, name: str) -> str:
    """The target's libvirtd by libvirt's own ssh client."""
    row = local.services.store.read().first(HostRow, '"name"=?', (name,))
    if row is None:
        raise BenchError(f"there is no host {name}")
    handle = local.services.pool.handle(row)
    keys = f"{handle.root}/ssh"
    return (
        f"qemu+libssh://{handle.user}@{handle.address}:{handle.port}/system?keyfile={keys}/id_ed25519"
        f"&known_hosts={keys}/known_hosts&known_hosts_verify=normal&sshauth=privkey&no_tty=1"
    )


def downtime(info: str) -> float:
    """Milliseconds, from what `virsh domjobinfo` says at the target; BenchError if it says none."""
    found = re.search(r"^Total downtime:\s+([\d.]+)\s+ms", info, re.MULTILINE)
    if found is None:
        raise BenchError(f"libvirt tells no downtime: {info.strip()}")
    return float(found[1])
