from __future__ import annotations

from nebula.drivers.sim import demo
from nebula.drivers.sim.world import SimWorld
from tests.unit.drivers.sim.lab import hypervisor


def test_the_demo_fits_together() -> None:
    hosts, networks = {host.name: host for host in demo.HOSTS}, {network.name for network in demo.NETWORKS}
    images = {image.name for image in demo.IMAGES}
    assert len(hosts) == 6
    assert {host.cluster for host in demo.HOSTS} == set(demo.CLUSTERS)
    assert len({vm.name for vm in demo.VMS}) == len(demo.VMS) >= 25
    for vm in demo.VMS:
        assert vm.cluster in demo.CLUSTERS
        assert vm.network in networks
        assert {vm.image, vm.datablock} <= images | {""}


def test_each_cluster_has_room_for_its_vms() -> None:
    for cluster in demo.CLUSTERS:
        members = [host for host in demo.HOSTS if host.cluster == cluster]
        vms = [vm for vm in demo.VMS if vm.cluster == cluster]
        assert sum(vm.memory_mib for vm in vms) < 0.8 * sum(host.memory_mib for host in members)
        assert sum(vm.vcpus for vm in vms) < 2 * sum(host.cores for host in members)


def test_furnishing_makes_the_hosts_once() -> None:
    world = SimWorld.in_memory()
    for _ in range(2):
        demo.furnish(world)
    assert world.hosts.names() == sorted(host.name for host in demo.HOSTS)
    assert [domain.name for domain in hypervisor(world, "elm").domains()] == ["old-printserver"]
    world.close()
