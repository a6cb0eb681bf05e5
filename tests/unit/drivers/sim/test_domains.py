from __future__ import annotations

import pytest

from nebula.drivers.sim.world import SimWorld
from nebula.errors import ConflictError, NotFoundError, UnreachableError, UsageError, WrongStateError
from nebula.model.domain import DomainState
from tests.unit.drivers.sim.lab import hypervisor, spec, uuid_of

ONE = uuid_of(1)


def test_start_is_done_once(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    for _ in range(2):
        driver.start(spec(1))
    (found,) = driver.domains()
    assert (found.state, found.reason, found.persistent, found.vm_id) == (DomainState.RUNNING, "booted", True, 1)
    assert world.double_runs() == []


def test_off_and_gone_are_fine_twice(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    driver.destroy(ONE)
    driver.start(spec(1))
    for _ in range(2):
        driver.destroy(ONE)
    found = driver.lookup(ONE)
    assert found is not None
    assert (found.state, found.reason) == (DomainState.SHUTOFF, "destroyed")
    for _ in range(2):
        driver.undefine(ONE)
    assert driver.lookup(ONE) is None
    assert world.leaks([]) == []


def test_an_off_domain_is_defined_anew(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    driver.destroy(ONE)
    driver.start(spec(1, vcpus=4))
    assert driver.statistics()[0].vcpus == 4


def test_a_running_domain_cannot_be_undefined(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    with pytest.raises(WrongStateError):
        driver.undefine(ONE)


@pytest.mark.parametrize("verb", ["shutdown", "reboot", "reset", "pause", "unpause"])
def test_verbs_need_a_running_domain(world: SimWorld, verb: str) -> None:
    driver = hypervisor(world, "one")
    with pytest.raises(NotFoundError):
        getattr(driver, verb)(ONE)
    driver.start(spec(1))
    driver.destroy(ONE)
    with pytest.raises(WrongStateError):
        getattr(driver, verb)(ONE)


def test_a_paused_guest_uses_no_time(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    world.advance(60)
    for _ in range(2):
        driver.pause(ONE)
    before = driver.statistics()[0].cpu_time_ns
    world.advance(60)
    assert driver.statistics()[0].cpu_time_ns == before > 0
    for _ in range(2):
        driver.unpause(ONE)
    world.advance(60)
    assert driver.statistics()[0].cpu_time_ns > before


def test_a_missing_bridge_or_disk_stops_the_start(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    with pytest.raises(NotFoundError, match="No such file"):
        driver.start(spec(1, disks=["/var/lib/nebula/datastores/1/vms/1/disk.0"]))
    world.hosts.add("bare")
    with pytest.raises(NotFoundError, match="br0"):
        hypervisor(world, "bare").start(spec(1))
    assert world.leaks([]) == []


def test_the_remains_of_a_migration_are_not_started(world: SimWorld) -> None:
    world.set("migration_seconds", 100)
    hypervisor(world, "one").start(spec(1))
    world.virsh("one", "migrate", ONE, to="two")
    with pytest.raises(ConflictError):
        hypervisor(world, "two").start(spec(1))
    with pytest.raises(ConflictError):
        hypervisor(world, "two").unpause(ONE)
    with pytest.raises(ConflictError):
        world.virsh("two", "migrate", ONE, to="three")
    with pytest.raises(ConflictError):
        world.virsh("one", "migrate", ONE, to="three")


def test_graphics_and_console(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    assert driver.graphics(ONE) == ("vnc", "127.0.0.1", 5901)
    first = driver.console(ONE)
    assert b"login" in first.read(1)
    first.write(b"anna\r")
    assert first.read(1) == b"anna\r\n"
    assert first.read(0) == b""
    second = driver.console(ONE)
    with pytest.raises(EOFError):
        first.read(1)
    second.read(0)
    driver.destroy(ONE)
    with pytest.raises(EOFError):
        second.read(1)


def test_the_baseline_is_what_all_can_run(world: SimWorld) -> None:
    world.hosts.add("old", cpu_model="Haswell", features=["aes"])
    driver = hypervisor(world, "one")
    cpus = [driver.facts().cpu_xml, hypervisor(world, "old").facts().cpu_xml]
    common = driver.baseline(cpus)
    assert "Haswell" in common
    assert "'aes'" in common
    assert "'avx'" not in common
    with pytest.raises(UsageError):
        driver.baseline([])


def test_a_host_that_nobody_knows_does_not_answer(world: SimWorld) -> None:
    with pytest.raises(UnreachableError):
        hypervisor(world, "nowhere").facts()
