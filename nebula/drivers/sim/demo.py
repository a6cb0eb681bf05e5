"""A believable small company's cluster, as plain data: what `nebula demo` shows."""

from __future__ import annotations

from typing import Literal

import msgspec

from nebula.drivers.sim.load import Profile
from nebula.drivers.sim.world import SimWorld
from nebula.model.storage import Format

GIB = 1 << 30


class DemoHost(msgspec.Struct, frozen=True):
    """A host; memory in MiB."""

    name: str
    cluster: str
    cores: int
    memory_mib: int
    cpu_model: str


class DemoNetwork(msgspec.Struct, frozen=True):
    """A virtual network and the first and number of its addresses."""

    name: str
    bridge: str
    first_ip: str
    addresses: int
    gateway: str
    owned: bool = False


class DemoImage(msgspec.Struct, frozen=True):
    """An image; virtual size in bytes."""

    name: str
    size: int
    format: Format = "qcow2"
    type: Literal["os", "datablock", "cdrom"] = "os"
    persistent: bool = False


class DemoVm(msgspec.Struct, frozen=True):
    """A VM: what it is made of, and how its guest behaves. Memory in MiB."""

    name: str
    cluster: str
    image: str
    network: str
    vcpus: int
    memory_mib: int
    profile: Profile
    datablock: str = ""
    ignores_shutdown: bool = False


CLUSTERS = ("office", "lab")
HOSTS = (
    DemoHost("alder", "office", 16, 65536, "Skylake-Server"),
    DemoHost("birch", "office", 16, 65536, "Skylake-Server"),
    DemoHost("cedar", "office", 24, 98304, "Icelake-Server"),
    DemoHost("douglas", "office", 24, 98304, "Icelake-Server"),
    DemoHost("elm", "lab", 8, 32768, "Haswell"),
    DemoHost("fir", "lab", 8, 32768, "Broadwell"),
)
NETWORKS = (
    DemoNetwork("servers", "br-servers", "10.20.0.10", 200, "10.20.0.1"),
    DemoNetwork("dmz", "br-dmz", "10.30.0.10", 60, "10.30.0.1"),
    DemoNetwork("lab", "br-lab", "192.168.77.10", 100, "192.168.77.1", owned=True),
)
IMAGES = (
    DemoImage("debian-12", 4 * GIB),
    DemoImage("ubuntu-24.04", 5 * GIB),
    DemoImage("alma-9", 10 * GIB),
    DemoImage("windows-2022", 40 * GIB),
    DemoImage("debian-12-netinst", 700 << 20, "raw", "cdrom"),
    DemoImage("mail-data", 200 * GIB, "raw", "datablock", persistent=True),
    DemoImage("wiki-data", 50 * GIB, "qcow2", "datablock", persistent=True),
)
VMS = (
    DemoVm("web-1", "office", "debian-12", "dmz", 2, 4096, "daily"),
    DemoVm("web-2", "office", "debian-12", "dmz", 2, 4096, "daily"),
    DemoVm("web-3", "office", "debian-12", "dmz", 2, 4096, "daily"),
    DemoVm("proxy-1", "office", "debian-12", "dmz", 2, 2048, "steady"),
    DemoVm("proxy-2", "office", "debian-12", "dmz", 2, 2048, "steady"),
    DemoVm("shop-1", "office", "ubuntu-24.04", "servers", 4, 8192, "daily"),
    DemoVm("shop-2", "office", "ubuntu-24.04", "servers", 4, 8192, "daily"),
    DemoVm("shop-db", "office", "alma-9", "servers", 8, 32768, "steady"),
    DemoVm("mail", "office", "debian-12", "servers", 4, 8192, "steady", datablock="mail-data"),
    DemoVm("wiki", "office", "debian-12", "servers", 2, 4096, "daily", datablock="wiki-data"),
    DemoVm("git", "office", "debian-12", "servers", 4, 8192, "spike"),
    DemoVm("ci-1", "office", "ubuntu-24.04", "servers", 8, 16384, "spike"),
    DemoVm("ci-2", "office", "ubuntu-24.04", "servers", 8, 16384, "spike"),
    DemoVm("ci-3", "office", "ubuntu-24.04", "servers", 8, 16384, "busy"),
    DemoVm("ldap-1", "office", "alma-9", "servers", 1, 2048, "idle"),
    DemoVm("ldap-2", "office", "alma-9", "servers", 1, 2048, "idle"),
    DemoVm("metrics", "office", "debian-12", "servers", 4, 16384, "steady"),
    DemoVm("logs", "office", "debian-12", "servers", 4, 16384, "busy"),
    DemoVm("backup", "office", "debian-12", "servers", 2, 4096, "spike"),
    DemoVm("accounting", "office", "windows-2022", "servers", 4, 12288, "daily", ignores_shutdown=True),
    DemoVm("terminal", "office", "windows-2022", "servers", 8, 24576, "daily"),
    DemoVm("try-k8s-1", "lab", "ubuntu-24.04", "lab", 2, 4096, "steady"),
    DemoVm("try-k8s-2", "lab", "ubuntu-24.04", "lab", 2, 4096, "steady"),
    DemoVm("try-k8s-3", "lab", "ubuntu-24.04", "lab", 2, 4096, "steady"),
    DemoVm("anna-sandbox", "lab", "debian-12", "lab", 1, 1024, "idle"),
    DemoVm("ben-training", "lab", "alma-9", "lab", 4, 8192, "busy"),
)


def furnish(world: SimWorld) -> None:
    """Make the demo's hosts and bridges, tell its guests how to behave, and give copies and migrations a duration."""
    for host in HOSTS:
        bridges = [network.bridge for network in NETWORKS if not network.owned]
        world.hosts.add(host.name, cores=host.cores, memory_mib=host.memory_mib, cpu_model=host.cpu_model, bridges=bridges)
    for vm in VMS:
        world.guests.order(vm.name, profile=vm.profile, ignores_shutdown=vm.ignores_shutdown, shutdown_seconds=3.0)
    world.virsh.add_foreign("elm", "old-printserver", vcpus=1, memory_mib=2048)
    world.set("migration_seconds", 2.0)
    world.set("migration_mib_per_second", 1024.0)
    world.set("copy_bytes_per_second", 400.0 * (1 << 20))
    world.faults.set_latency("*", "hypervisor.start", 0.4)
