"""A small world, its handles, and specs for tests of the simulated drivers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nebula.drivers.base import HostHandle, MigrationRequest
from nebula.drivers.sim.clock import ManualClock
from nebula.drivers.sim.hypervisor import SimHypervisor
from nebula.drivers.sim.transport import SimTransport
from nebula.drivers.sim.world import SimWorld
from nebula.model.domain import DomainDisk, DomainGraphics, DomainInterface, DomainSpec

HOSTS = ("one", "two", "three")
ROOT = "/var/lib/nebula"


def handle(world: SimWorld, name: str) -> HostHandle:
    return HostHandle(
        host_id=HOSTS.index(name) if name in HOSTS else 99,
        name=name,
        address=name,
        user="root",
        port=22,
        virt="kvm",
        root=ROOT,
        transport=SimTransport(name, world),
    )


def hypervisor(world: SimWorld, name: str) -> SimHypervisor:
    return SimHypervisor(handle(world, name))


def manual_world(path: Path | None = None) -> SimWorld:
    """A world whose time passes by sleeping, with three hosts that have br0."""
    clock = ManualClock()
    world = (
        SimWorld.in_memory(clock=clock, sleep=clock.sleep) if path is None else SimWorld(path, clock=clock, sleep=clock.sleep)
    )
    for name in HOSTS:
        world.hosts.add(name, bridges=["br0"])
    return world


def uuid_of(vm_id: int) -> str:
    return f"00000000-0000-4000-8000-{vm_id:012d}"


def spec(vm_id: int = 1, *, disks: Sequence[str] = (), cards: int = 1, **more: object) -> DomainSpec:
    values: dict[str, object] = {
        "vm_id": vm_id,
        "uuid": uuid_of(vm_id),
        "name": f"one-{vm_id}",
        "title": f"vm-{vm_id}",
        "memory_mib": 1024,
        "vcpus": 2,
        "cpu_share": 100,
        "disks": tuple(DomainDisk(disk_id=i, path=path, target=f"vd{'abc'[i]}") for i, path in enumerate(disks)),
        "interfaces": tuple(
            DomainInterface(nic_id=i, mac=f"02:00:00:00:{vm_id:02x}:{i:02x}", bridge="br0", tap=f"one-{vm_id}-{i}")
            for i in range(cards)
        ),
        "graphics": DomainGraphics(),
    }
    return DomainSpec(**(values | more))  # type: ignore[arg-type]


def request(world: SimWorld, target: str, vm_id: int = 1, **more: object) -> MigrationRequest:
    return MigrationRequest(uuid=uuid_of(vm_id), target=handle(world, target), **more)  # type: ignore[arg-type]
