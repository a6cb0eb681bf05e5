"""A small cluster on simulated hosts, in a home of its own, that survives its engine's death; and the verbs tried on it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from nebula.drivers.sim.world import SimWorld
from nebula.engine.api.values import Call, Query
from nebula.engine.lifecycle.table import transients
from nebula.engine.local.engine import LocalEngine, own
from nebula.engine.settings import Settings
from nebula.engine.store.rows import JobRow, LeaseRow, VmRow

CALL = Call(actor="tester")
HOSTS = ("h1", "h2", "h3")
SETTINGS = Settings(monitor_interval=0.2, retry_first=0.05, retry_most=0.2, guest_shutdown=5.0, schedule_delay=0.0)
PATIENCE = 30.0
"""Seconds that a test waits at most for an engine to become idle."""
Deed = Callable[[LocalEngine], None]

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.crash.world"])


def engine(home: Path) -> LocalEngine:
    """Own the home."""
    made = own(home, "test", settings=SETTINGS)
    assert made is not None, "somebody else owns the test's home"
    return made


def furnish(home: Path, *, shared: bool) -> None:
    """Three hosts, a datastore, an image, a network."""
    used = engine(home)
    try:
        for name in HOSTS:
            used.hosts.add({"name": name, "driver": "sim"}, CALL)
        used.datastores.create({"name": "disks", "driver": "sim", "settings": {"shared": str(shared)}}, CALL)
        picture = home / "picture.raw"
        picture.write_bytes(bytes(1 << 20))
        used.networks.create({"name": "lan", "driver": "sim", "ranges": [{"IP": "10.9.0.10-10.9.0.40"}]}, CALL)
        assert used.wait_idle(PATIENCE)
        used.images.create({"name": "base", "path": str(picture), "format": "raw", "datastore": "disks"}, CALL)
        assert used.wait_idle(PATIENCE)
        assert used.images.show("base").body["state"] == "READY"
    finally:
        used.close()


def template(name: str) -> dict[str, object]:
    """A VM with a disk of each kind that is made, and a card."""
    return {
        "NAME": name,
        "MEMORY": 128,
        "DISK": [{"IMAGE": "base"}, {"SIZE": 8, "FORMAT": "raw"}],
        "NIC": [{"NETWORK": "lan"}],
        "CONTEXT": {"NETWORK": "YES"},
    }


def do(home: Path, deed: Deed) -> None:
    """Do it here and wait until all is done."""
    used = engine(home)
    try:
        deed(used)
        assert used.wait_idle(PATIENCE), used.jobs.list(Query(filters=(("state", "!=", "done"),)))
    finally:
        used.close()


def do_and_die(home: Path, deed: Deed) -> int:
    """Do it in a process of its own; returns its exit status (-9: it was killed)."""
    child = _forks.Process(target=do, args=(home, deed))
    child.start()
    child.join(PATIENCE * 2)
    if child.is_alive():
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        raise AssertionError("the engine did not end")
    return child.exitcode if child.exitcode is not None else 0


def assert_sound(home: Path) -> dict[str, str]:
    """A new owner ends every job; nothing is lost, leaked or doubled. Returns VM name -> state."""
    used = engine(home)
    try:
        assert used.wait_idle(PATIENCE), used.jobs.list(Query(filters=(("state", "!=", "done"),)))
        read = used.services.store.read()
        open_jobs = read.select(JobRow, "\"state\" IN ('ready','running','waiting')")
        assert not open_jobs, open_jobs
        vms = read.select(VmRow, '"state"<>6')
        passing = {(int(place.state), int(place.lcm)) for place in transients()}
        stuck = [(vm.name, vm.state, vm.lcm_state) for vm in vms if (vm.state, vm.lcm_state) in passing]
        assert not stuck, stuck
        assert not [vm.name for vm in vms if vm.job_id]
        leased = {lease.vm_id for lease in read.select(LeaseRow)}
        assert leased <= {vm.id for vm in vms}, "a lease of a VM that is gone"
        assert used.runner.locks_held() == {}
        states = {vm.name: used.vms.show(str(vm.id)).body["state"] for vm in vms}
        placed = [vm.id for vm in vms if vm.host_id > 0]
    finally:
        used.close()
    world = SimWorld(home / "sim.db")
    try:
        assert world.double_runs() == []
        assert world.leaks(placed) == []
        _assert_running(world, vms, states)
    finally:
        world.close()
    return states


def _assert_running(world: SimWorld, vms: list[VmRow], states: dict[str, str]) -> None:
    """What is shown as RUNNING runs, exactly once, where it is booked; what is POWEROFF does not."""
    for vm in vms:
        found = world.db.all("SELECT host FROM domains WHERE uuid=? AND state='running'", vm.uuid)
        if states[vm.name] == "RUNNING":
            assert len(found) == 1, (vm.name, found)
        elif states[vm.name] in {"POWEROFF", "PENDING", "HOLD"}:
            assert found == [], (vm.name, found)


def act(verb: str, home: Path, engine: LocalEngine) -> None:
    """Do the verb on the VM "one"."""
    if verb == "create":
        engine.vms.create(template("one"), CALL)
    elif verb.startswith("migrate"):
        here = engine.vms.show("one").body["host"]
        there = next(name for name in ("h2", "h3", "h1") if name != here)
        engine.vms.migrate("one", there, CALL, live=verb == "migrate_live")
    elif verb in {"delete", "recreate"}:
        engine.vms.recover("one", verb, CALL)  # type: ignore[arg-type]
    elif verb == "evacuate":
        engine.hosts.evacuate(engine.vms.show("one").body["host"], CALL)
    elif verb == "image":
        engine.images.create({"name": "other", "path": str(home / "picture.raw"), "format": "raw", "datastore": "disks"}, CALL)
    elif verb == "image_remove":
        engine.images.remove("base", CALL)
    elif verb == "host_add":
        engine.hosts.add({"name": "h4", "driver": "sim"}, CALL)
    else:
        name, _, hard = verb.partition("_")
        arguments = {"hard": True} if hard else {}
        getattr(engine.vms, name)("one", CALL, **arguments)


def deed(verb: str, home: Path) -> Deed:
    """The verb as something that a child process can do."""
    return partial(act, verb, home)
