from __future__ import annotations

from pathlib import Path

import pytest

from nebula.cancel import CancelToken
from nebula.drivers.sim.transport import SimTransport, sim
from nebula.drivers.sim.world import SimWorld
from nebula.errors import CommandError, InterruptedByUser, NotFoundError, UnreachableError, UsageError
from nebula.model.host import Finding
from tests.unit.drivers.sim.lab import handle, hypervisor, spec, uuid_of

ONE = uuid_of(1)


def test_facts_and_findings(world: SimWorld) -> None:
    world.hosts.add("big", cores=64, memory_mib=1 << 20)
    driver = hypervisor(world, "big")
    assert (driver.facts().cpu_total, driver.facts().memory_total_mib) == (6400, 1 << 20)
    assert driver.preflight() == []
    missing = Finding(check="kvm", level="error", text="no /dev/kvm", fix="modprobe kvm")
    world.hosts.set_findings("big", [missing])
    assert driver.preflight() == [missing]
    with pytest.raises(NotFoundError):
        world.hosts.set_findings("nowhere", [])


def test_a_power_cut_keeps_definitions(world: SimWorld) -> None:
    hypervisor(world, "one").start(spec(1))
    world.hosts.add_bridge("one", "onebr5", owned=True)
    world.hosts.cut_power("one")
    with pytest.raises(UnreachableError):
        hypervisor(world, "one").domains()
    world.hosts.power_on("one")
    (found,) = hypervisor(world, "one").domains()
    assert (found.state, found.reason) == ("shutoff", "unknown")
    assert world.hosts.bridges("one") == ["br0"]
    assert world.leaks([1]) == []


def test_libvirtd_down_is_not_the_host_down(world: SimWorld) -> None:
    hypervisor(world, "one").start(spec(1))
    world.hosts.set_libvirtd("one", False)
    with pytest.raises(UnreachableError, match="libvirtd"):
        hypervisor(world, "one").domains()
    handle(world, "one").transport.run(["true"])
    world.hosts.set_libvirtd("one", True)
    assert hypervisor(world, "one").domains()[0].state == "running"


def test_a_second_run_is_recorded_however_it_comes(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    world.virsh.start_copy("one", ONE, "two")
    assert len(world.double_runs()) == 1
    driver.pause(ONE)
    driver.unpause(ONE)
    assert len(world.double_runs()) == 2


def test_leaks_of_every_kind(world: SimWorld) -> None:
    hypervisor(world, "one").start(spec(1))
    world.virsh.define("two", spec(1))
    hypervisor(world, "two").start(spec(7))
    world.hosts.add_tap("three", "one-1-0")
    world.storage.add_part("three", "/var/lib/nebula/datastores/1/images/a.qcow2.part")
    handle(world, "three").transport.write_file("/var/lib/nebula/datastores/1/images/a.qcow2.staged", b"x")
    world.virsh.add_foreign("one", "printserver")
    kinds = [leak.split(" on ")[0] for leak in world.leaks([1])]
    assert kinds == [
        "domain one-1",
        "domain one-7",
        "part /var/lib/nebula/datastores/1/images/a.qcow2.part",
        "staged /var/lib/nebula/datastores/1/images/a.qcow2.staged",
        "tap one-1-0",
        "tap one-7-0",
    ]


def test_virsh_does_everything_behind_our_back(world: SimWorld) -> None:
    for verb in ("suspend", "resume", "destroy", "start", "shutdown", "undefine"):
        if verb == "suspend":
            hypervisor(world, "one").start(spec(1))
        world.virsh("one", verb, ONE)
    assert hypervisor(world, "one").domains() == []
    with pytest.raises(UsageError):
        world.virsh("one", "explode", ONE)
    foreign = world.virsh.add_foreign("one", "printserver", running=False)
    world.virsh("one", "start", foreign)
    (found,) = hypervisor(world, "one").domains()
    assert (found.vm_id, found.state) == (None, "running")


def test_files_come_and_go(world: SimWorld, tmp_path: Path) -> None:
    transport = SimTransport("one", world)
    transport.write_file("/etc/thing", b"words")
    assert transport.read_file("/etc/thing") == b"words"
    with pytest.raises(CommandError):
        transport.read_file("/etc/thing", limit=3)
    with pytest.raises(NotFoundError):
        SimTransport("two", world).read_file("/etc/thing")
    transport.run(["rm", "-f", "/etc/thing"])
    with pytest.raises(NotFoundError):
        transport.read_file("/etc/thing")
    (tmp_path / "image").write_bytes(b"a" * 100_000)
    seen: list[tuple[int, int]] = []
    transport.upload(tmp_path / "image", "/srv/image", progress=lambda *s: seen.append(s))
    assert seen == [(100_000, 100_000)]
    with pytest.raises(CommandError):
        transport.read_file("/srv/image")
    token = CancelToken()
    token.set("stop")
    with pytest.raises(InterruptedByUser):
        transport.upload(tmp_path / "image", "/srv/other", cancel=token)


def test_commands_and_tunnels_are_refused(world: SimWorld) -> None:
    transport = SimTransport("one", world)
    with pytest.raises(CommandError):
        transport.run(["uname", "-r"])
    assert transport.run(["uname", "-r"], check=False).status == 127
    with pytest.raises(CommandError):
        transport.forward_socket("/run/sock")
    with pytest.raises(CommandError):
        transport.forward_tcp("localhost", 5900)
    assert transport.alive()
    world.hosts.set_reachable("one", False)
    assert not transport.alive()
    with pytest.raises(UnreachableError):
        transport.run(["true"])


def test_settings_have_names(world: SimWorld) -> None:
    with pytest.raises(UsageError):
        world.set("speed", 1)
    assert sim(handle(world, "one")).world is world
