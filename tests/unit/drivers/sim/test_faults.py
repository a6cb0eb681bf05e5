from __future__ import annotations

import threading
from pathlib import Path

import pytest

from nebula.cancel import CancelToken
from nebula.drivers.sim.clock import real_sleep
from nebula.drivers.sim.operations import OPERATIONS
from nebula.drivers.sim.world import SimWorld
from nebula.errors import (
    CommandError,
    InterruptedByUser,
    TimedOutError,
    UnreachableError,
    UsageError,
    all_errors,
)
from tests.unit.drivers.sim.lab import hypervisor, request, spec, uuid_of

ONE = uuid_of(1)


@pytest.mark.parametrize("code", sorted(all_errors()))
def test_any_error_can_be_ordered_and_changes_nothing(world: SimWorld, code: str) -> None:
    world.order_fault("one", "hypervisor.start", code)
    driver = hypervisor(world, "one")
    with pytest.raises(all_errors()[code]):
        driver.start(spec(1))
    assert driver.lookup(ONE) is None
    driver.start(spec(1))
    assert world.faults.pending() == 0


def test_times_after_and_subject(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    world.order_fault("*", "hypervisor.*", "command", 2, after=1, subject=ONE)
    driver.start(spec(2))
    driver.start(spec(1))
    for _ in range(2):
        with pytest.raises(CommandError) as caught:
            driver.pause(ONE)
        assert (caught.value.status, caught.value.stderr) == (1, "ordered fault")
    driver.pause(ONE)


def test_only_an_error_strikes_halfway(world: SimWorld) -> None:
    """An order for any operation is not used up where it cannot be carried out."""
    for host in ("one", "two"):
        world.faults.hang(host, "*", seconds=60.0)
    assert world.faults.strike("one", "hypervisor.migrate.halfway", ONE) is None
    assert world.faults.pending() == 2
    world.faults.error("one", "hypervisor.*", "command")
    struck = world.faults.strike("one", "hypervisor.migrate.halfway", ONE)
    assert struck is not None
    assert struck.code == "command"


def test_a_fault_for_ever_ends_when_released(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    order = world.order_fault("one", "*", "unreachable", -1)
    for _ in range(5):
        with pytest.raises(UnreachableError):
            driver.facts()
    world.faults.release(order)
    driver.facts()


def test_a_lost_answer_is_work_done(world: SimWorld) -> None:
    world.faults.lost_answer("one", "hypervisor.start")
    driver = hypervisor(world, "one")
    with pytest.raises(UnreachableError):
        driver.start(spec(1))
    assert driver.lookup(ONE) is not None
    assert world.audit.operations("hypervisor.start", "one", ONE) == 1


@pytest.mark.parametrize(("when", "done"), [("before", False), ("after", True)])
def test_a_hang_times_out_by_the_clock(world: SimWorld, when: str, done: bool) -> None:
    world.faults.hang("one", "hypervisor.start", when)  # type: ignore[arg-type]
    driver = hypervisor(world, "one")
    began = world.now()
    with pytest.raises(TimedOutError):
        driver.start(spec(1))
    assert world.now() - began >= 120
    assert (driver.lookup(ONE) is not None) == done
    assert world.faults.hanging() == []


def test_a_hang_ends_by_the_drivers_close(world: SimWorld) -> None:
    world.faults.hang("one", "hypervisor.facts")
    driver = hypervisor(world, "one")
    driver.close()
    with pytest.raises(UnreachableError):
        driver.facts()


@pytest.fixture
def real(tmp_path: Path) -> SimWorld:
    made = SimWorld(tmp_path / "world.db", sleep=real_sleep)
    for name in ("one", "two"):
        made.hosts.add(name, bridges=["br0"])
    return made


def test_a_hang_lasts_until_another_connection_releases_it(real: SimWorld) -> None:
    other = SimWorld(real.path)
    other.faults.hang("one", "hypervisor.start", times=2)
    done: list[int] = []

    def start(vm_id: int) -> None:
        hypervisor(real, "one").start(spec(vm_id))
        done.append(vm_id)

    threads = [threading.Thread(target=start, args=(vm_id,)) for vm_id in (1, 2)]
    for thread in threads:
        thread.start()
    while len(other.faults.hanging()) < 2:
        real_sleep(0.01, None)
    assert done == []
    assert {operation for _, operation, _ in other.faults.hanging()} == {"hypervisor.start"}
    other.faults.release()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == [1, 2]
    real.close()
    other.close()


def test_a_hanging_migration_is_cancelled(real: SimWorld) -> None:
    real.faults.hang("one", "hypervisor.migrate")
    driver, token = hypervisor(real, "one"), CancelToken()
    driver.start(spec(1))
    timer = threading.Timer(0.1, token.set, ["cancelled by anna"])
    timer.start()
    with pytest.raises(InterruptedByUser):
        driver.migrate(request(real, "two"), progress=None, cancel=token)
    timer.join()
    assert real.audit.operations("hypervisor.migrate") == 0
    real.close()


def test_the_most_exact_latency_counts(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    for host, operation, seconds in (("*", "*", 1), ("*", "hypervisor.facts", 5), ("one", "hypervisor.*", 20)):
        world.faults.set_latency(host, operation, seconds)
        before = world.now()
        driver.facts()
        assert world.now() - before == pytest.approx(seconds)
    world.faults.set_latency("one", "hypervisor.*", 0)
    assert world.faults.latency("one", "hypervisor.facts") == 5


def test_a_host_may_vanish_while_a_call_takes_its_time(world: SimWorld) -> None:
    world.faults.set_latency("one", "hypervisor.start", 10)
    sleep = world.gate.sleep

    def cut_meanwhile(seconds: float, cancel: CancelToken | None) -> None:
        sleep(seconds, cancel)
        world.hosts.set_reachable("one", False)

    world.gate.sleep = cut_meanwhile
    with pytest.raises(UnreachableError):
        hypervisor(world, "one").start(spec(1))
    world.hosts.set_reachable("one", True)
    world.faults.set_latency("one", "hypervisor.start", 0)
    assert hypervisor(world, "one").lookup(ONE) is None


def test_orders_that_could_never_strike_are_refused(world: SimWorld) -> None:
    with pytest.raises(UsageError):
        world.order_fault("one", "hypervisor.begin", "command")
    with pytest.raises(UsageError):
        world.order_fault("one", "hypervisor.start", "no-such-code")
    with pytest.raises(UsageError):
        world.faults.hang("one", "hypervisor.migrate.halfway")


def test_every_method_has_an_operation() -> None:
    assert len(OPERATIONS) == len(set(OPERATIONS))
    assert {"hypervisor.start", "datastore.move_vm", "network.prepare", "monitor.sample", "transport.run"} <= set(OPERATIONS)
