"""A small cluster on simulated hosts for the engine's tests: quick, in a directory of its own, nothing left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from nebula.clock import Clock
from nebula.drivers.sim.world import SimWorld
from nebula.engine.api.values import Call, Query
from nebula.engine.local.engine import LocalEngine, own
from nebula.engine.settings import Settings
from nebula.engine.store.mapping import mapping
from nebula.engine.store.promised import wrong
from nebula.engine.store.rows import (
    ALL,
    DatastoreRow,
    HostRow,
    ImageRow,
    JobRow,
    LeaseRow,
    NetworkRow,
    ReservationRow,
    RollupRow,
    VmRow,
)
from nebula.engine.store.rows.base import Row

CALL = Call(actor="tester")
DRY = Call(actor="tester", dry_run=True)
SETTINGS = Settings(
    monitor_interval=0.05,
    host_failures=1,
    retry_first=0.02,
    retry_most=0.05,
    guest_shutdown=5.0,
    schedule_delay=0.0,
    guest_look=0.02,
    children_look=0.05,
)
PATIENCE = 60.0
"""Seconds that a test waits at most for what must come."""
HOSTS = ("h1", "h2", "h3")


def until(condition: Callable[[], object], what: str = "the condition", patience: float = PATIENCE) -> None:
    """Wait until it holds; AssertionError names `what` otherwise."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.005)


class Sim:
    """An engine that owns a home of simulated hosts, the world behind it, and what tests ask all the time."""

    def __init__(self, home: Path, *, settings: Settings = SETTINGS, clock: Clock | None = None, url: str = "") -> None:
        self.home = home
        self.settings = settings
        self._clock = clock
        self._url = url
        self.engine = self._open()

    def _open(self) -> LocalEngine:
        made = own(self.home, "test", settings=self.settings, clock=self._clock, url=self._url)
        assert made is not None, "somebody else owns the test's home"
        return made

    @property
    def world(self) -> SimWorld:
        """The simulated world."""
        found: SimWorld = self.engine.services.transports.world()
        return found

    def close(self) -> None:
        """Let go of the home."""
        world = self.world
        world.faults.release()
        self.engine.close()
        world.close()

    def restart(self, settings: Settings | None = None) -> None:
        """The engine stops and another one takes over."""
        world = self.world
        self.engine.close()
        world.close()
        self.settings = settings or self.settings
        self.engine = self._open()

    def settle(self) -> None:
        """Wait until nothing is runnable."""
        assert self.engine.wait_idle(PATIENCE), self.engine.jobs.list(Query(filters=(("state", "!=", "done"),)))

    # --- making things

    def add_hosts(self, *names: str, **spec: Any) -> None:
        """Hosts that are MONITORED when this returns."""
        for name in names:
            self.engine.hosts.add({"name": name, "driver": "sim", **spec}, CALL)
        self.settle()

    def furnish(self, *, shared: bool = False, hosts: tuple[str, ...] = HOSTS, leases: str = "10.9.0.10-10.9.0.40") -> None:
        """Hosts, the datastore "disks", the network "lan", the empty image "base"."""
        self.add_hosts(*hosts)
        self.engine.datastores.create({"name": "disks", "driver": "sim", "settings": {"shared": str(shared)}}, CALL)
        self.engine.networks.create({"name": "lan", "driver": "sim", "ranges": [{"IP": leases}]}, CALL)
        self.add_image("base")

    def add_image(self, name: str, **spec: Any) -> ImageRow:
        """An image that is READY when this returns."""
        self.engine.images.create({"name": name, "size": 1 << 20, "datastore": "disks", **spec}, CALL)
        self.settle()
        found = self.image(name)
        assert found.state == 1, found.error
        return found

    def add_vm(self, name: str, *, hold: bool = False, **attributes: Any) -> VmRow:
        """A VM with a disk and a card; RUNNING when this returns, unless it is held."""
        self.engine.vms.create(template(name, **attributes), CALL, hold=hold)
        self.settle()
        return self.vm(name)

    # --- looking

    def rows(self, kind: type[Any], where: str = "1=1", parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Rows as they are now."""
        return self.engine.services.store.read().select(kind, f'{where} ORDER BY "id"', parameters)

    def vm(self, name: str) -> VmRow:
        """The VM of that name (the newest one)."""
        found: VmRow = self.rows(VmRow, '"name"=?', (name,))[-1]
        return found

    def host(self, name: str) -> HostRow:
        """The host of that name."""
        found: HostRow = self.rows(HostRow, '"name"=?', (name,))[0]
        return found

    def image(self, name: str) -> ImageRow:
        """The image of that name."""
        found: ImageRow = self.rows(ImageRow, '"name"=?', (name,))[0]
        return found

    def network(self, name: str) -> NetworkRow:
        """The network of that name."""
        found: NetworkRow = self.rows(NetworkRow, '"name"=?', (name,))[0]
        return found

    def state(self, name: str) -> str:
        """The VM's state as shown."""
        vm = self.vm(name)
        from nebula.engine.lifecycle.names import place_name

        return place_name(vm.state, vm.lcm_state)

    def where(self, name: str) -> str:
        """The name of the VM's host, "" for none."""
        vm = self.vm(name)
        hosts = self.rows(HostRow, '"id"=?', (vm.host_id,))
        return str(hosts[0].name) if hosts else ""

    def job(self, job_id: int) -> JobRow:
        """The job as it is now."""
        return self.engine.services.store.read().get(JobRow, job_id)

    def runs(self, name: str) -> list[str]:
        """The hosts on which the VM's domain really runs."""
        found = self.world.db.all("SELECT host FROM domains WHERE uuid=? AND active=1 ORDER BY host", self.vm(name).uuid)
        return [str(host) for (host,) in found]

    def await_state(self, name: str, state: str) -> None:
        """Wait until the VM is shown so."""
        until(lambda: self.state(name) == state, f"{name} in {state} (it is {self.state(name)})")

    def await_host(self, name: str, state: int) -> None:
        """Wait until the host has that state (OpenNebula's code)."""
        until(lambda: self.host(name).state == state, f"host {name} in state {state}")

    def everything(self) -> dict[str, list[Any]]:
        """All rows of all tables, as plain values, to be compared; not what the monitor measures and sums up each five
        minutes.
        """
        with self.engine.services.store.snapshot() as queries:
            return {
                kind._table: [_plain(row) for row in queries.select(kind, '1=1 ORDER BY "id"')]
                for kind in ALL
                if kind is not RollupRow
            }

    def assert_sound(self) -> None:
        """Counters agree with what they count, nothing leaks in the world, nothing ran twice."""
        vms = self.rows(VmRow, '"state"<>6')
        leases = self.rows(LeaseRow)
        assert wrong(self.engine.services.store.read()) == []
        for network in self.rows(NetworkRow):
            mine = [lease for lease in leases if lease.network_id == network.id]
            assert network.used_leases == len(mine), network.name
        for image in self.rows(ImageRow):
            users = sum(1 for vm in vms for disk in vm.body.get("disks", ()) if disk["image_id"] == image.id)
            assert image.running_vms == users, image.name
        assert {lease.vm_id for lease in leases if lease.vm_id > 0} <= {vm.id for vm in vms}
        held = [
            row
            for row in self.rows(ReservationRow)
            if any(row.host_id in (vm.host_id, vm.target_host) for vm in vms if vm.id == row.vm_id)
        ]
        devices = [(row.host_id, address) for row in held for address in row.body["pci"]]
        assert len(set(devices)) == len(devices), "two VMs have the same device"
        assert {row.vm_id for row in self.rows(ReservationRow)} <= {vm.id for vm in vms}
        assert self.world.double_runs() == []
        assert self.world.audit.violations("stale_memory") == []
        assert self.world.leaks([vm.id for vm in vms if vm.host_id > 0 or vm.kept_on >= 0]) == []


_MEASURED = {"monitored", "cpu_used", "memory_used"}
_SPACE = {"generation", "total_mib", "used_mib", "free_mib", "body"}


def _plain(row: Row) -> Any:
    left_out = _SPACE if isinstance(row, DatastoreRow) else _MEASURED
    return [msgspec.to_builtins(getattr(row, name)) for name in mapping(type(row)).columns if name not in left_out]


def template(name: str, **attributes: Any) -> dict[str, Any]:
    """A VM with a disk of an image and a card; a keyword replaces an attribute, None leaves it out."""
    whole = {"NAME": name, "MEMORY": 128, "DISK": [{"IMAGE": "base"}], "NIC": [{"NETWORK": "lan"}], **attributes}
    return {key: value for key, value in whole.items() if value is not None}


@contextmanager
def sim_engine(home: Path, *, furnished: bool = True, shared: bool = False, **options: Any) -> Iterator[Sim]:
    """A Sim for the length of a block."""
    sim = Sim(home, **options)
    try:
        if furnished:
            sim.furnish(shared=shared)
        yield sim
    finally:
        sim.close()
