"""Makes the homes in `tests/data/homes`: what a program leaves behind that dies with jobs of every sort under way.

Before a release: `python -m tests.support.old_home tests/data/homes/VERSION`, with that program; the folder's name is the
database's version. `opened` puts such a home together again.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import msgspec

from nebula.drivers.sim.faults import FOREVER
from nebula.drivers.sim.world import SimWorld
from nebula.engine.api.values import Call
from nebula.engine.store.rows import JobRow, VmRow
from tests.support.sim import CALL, SETTINGS, Sim, template, until

FILES = ("nebula", "sim")
LIMITS = msgspec.structs.replace(SETTINGS, starts_per_host=1, retry_first=3600.0, retry_most=3600.0)
"""One start a host, so that jobs queue; a job that waits for its host waits until somebody else takes it up."""


def opened(folder: Path, home: Path) -> Path:
    """The home that was left behind, in the directory `home`."""
    home.mkdir()
    for name in FILES:
        connection = sqlite3.connect(home / f"{name}.db")
        connection.executescript((folder / f"{name}.sql").read_text())
        connection.close()
    return home


def make(folder: Path, home: Path) -> None:
    """Leave a home behind: a program works in it until every job stands where it shall, then it is killed."""
    ready = get_context("fork").Event()
    child = get_context("fork").Process(target=_work, args=(home, ready))
    child.start()
    assert ready.wait(120), "the jobs do not stand where they shall"
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    world = SimWorld(home / "sim.db")
    world.faults.release()
    with world.db.write():
        world.db.run("UPDATE files SET head=x'' WHERE kind='context'")
    world.close()
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        connection = sqlite3.connect(home / f"{name}.db")
        (folder / f"{name}.sql").write_text("\n".join(connection.iterdump()) + "\n")
        connection.close()


def _work(home: Path, ready: Event) -> None:
    sim = Sim(home, settings=LIMITS)
    sim.furnish(hosts=("h1", "h2", "h3", "h4"))
    for name, host in (("live", "h2"), ("off", "h3"), ("ending", "h3"), ("leaving", "h4"), ("idle", "h3"), ("cold", "h2")):
        sim.add_vm(name, HOST=host)
    sim.engine.vms.poweroff("idle", Call(actor="tester", key="asked-once"))
    sim.settle()
    sim.add_vm("held", hold=True)
    sim.engine.networks.create({"name": "old", "driver": "sim", "ranges": [{"IP": "10.8.0.10-10.8.0.12"}]}, CALL)
    _start(sim)
    try:
        until(lambda: _stands(sim) == WANTED and len(sim.world.faults.hanging()) == HANGING, "what is wanted", 30.0)
    except AssertionError:
        print("not so:", _stands(sim) ^ WANTED, sim.world.faults.hanging(), sep="\n")  # noqa: T201
        raise
    ready.set()
    signal.pause()


def _start(sim: Sim) -> None:
    """Every job meets something that holds it up."""
    faults = sim.world.faults
    uuids = {vm.name: vm.uuid for vm in sim.rows(VmRow)}
    faults.hang("*", "hypervisor.migrate", "after", subject=uuids["live"], seconds=600.0)
    sim.engine.vms.migrate("live", "h3", CALL, live=True)
    faults.hang("*", "hypervisor.migrate", "before", subject=uuids["leaving"], seconds=600.0)
    sim.engine.hosts.evacuate("h4", CALL)
    faults.error("*", "hypervisor.shutdown", "unreachable", FOREVER, subject=uuids["off"])
    sim.engine.vms.poweroff("off", CALL)
    faults.hang("*", "datastore.move_vm", "after", subject=f"vm-{sim.vm('cold').id}", seconds=600.0)
    sim.engine.vms.migrate("cold", "h3", CALL)
    faults.hang("*", "datastore.remove_vm", subject=f"vm-{sim.vm('ending').id}", seconds=600.0)
    sim.engine.vms.terminate("ending", CALL, hard=True)
    faults.hang("*", "datastore.create_empty", seconds=600.0)
    sim.engine.images.create({"name": "coming", "size": 1 << 20, "datastore": "disks"}, CALL)
    sim.engine.vms.create(template("waiting", DISK=[{"IMAGE": "coming"}]), CALL)
    faults.hang("*", "network.release", subject="old", seconds=600.0)
    sim.engine.networks.remove("old", CALL)
    faults.hang("*", "hypervisor.facts", seconds=600.0)
    sim.engine.hosts.add({"name": "h5", "driver": "sim"}, CALL)
    for name, host in (("first", "h1"), ("second", "h1"), ("undone", "h2")):
        sim.engine.vms.create(template(name), CALL, hold=True)
        number = f"vm-{sim.vm(name).id}"
        if name == "undone":
            faults.error("*", "hypervisor.start", "command", subject=sim.vm(name).uuid)
            faults.hang("*", "datastore.remove_vm", subject=number, seconds=600.0)
        elif name == "first":
            faults.hang("*", "datastore.create_disk", "after", subject=number, seconds=600.0)
        sim.engine.vms.deploy(name, host, CALL)


WANTED = {
    ("vm.migrate-live", "running", "forward", 1),
    ("host.evacuate", "waiting", "forward", 1),
    ("vm.poweroff", "waiting", "forward", 0),
    ("vm.migrate", "running", "forward", 1),
    ("vm.terminate", "running", "forward", 1),
    ("image.create", "running", "forward", 0),
    ("network.remove", "running", "forward", 0),
    ("host.setup", "running", "forward", 0),
    ("vm.deploy", "running", "forward", 0),
    ("vm.deploy", "ready", "forward", 0),
    ("vm.deploy", "running", "undo", 4),
}
"""(kind, state, direction, step as noted) of the jobs that are left open."""
HANGING = 9
"""So many of them are in the middle of something on a host."""


def _stands(sim: Sim) -> set[tuple[Any, ...]]:
    rows = sim.rows(JobRow, "\"state\" IN ('ready','running','waiting')")
    return {(row.kind, row.state, row.direction, row.step) for row in rows}


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        make(Path(sys.argv[1]), Path(directory) / "home")
