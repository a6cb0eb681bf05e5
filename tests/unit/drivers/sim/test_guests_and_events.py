from __future__ import annotations

from pathlib import Path

import pytest

from nebula.drivers.sim.clock import real_sleep
from nebula.drivers.sim.world import SimWorld
from nebula.errors import NotFoundError, UsageError
from nebula.model.domain import DomainEvent
from tests.unit.drivers.sim.lab import hypervisor, request, spec, uuid_of

ONE = uuid_of(1)


def state(world: SimWorld, host: str = "one") -> tuple[str, str]:
    found = hypervisor(world, host).lookup(ONE)
    assert found is not None
    return found.state.value, found.reason


def test_a_willing_guest_shuts_down_at_once(world: SimWorld) -> None:
    hypervisor(world, "one").start(spec(1))
    hypervisor(world, "one").shutdown(ONE)
    assert state(world) == ("shutoff", "shutdown")


def test_a_slow_guest_takes_its_time_and_its_time_alone(world: SimWorld) -> None:
    world.guests.order("vm-1", shutdown_seconds=30)
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    driver.shutdown(ONE)
    world.advance(20)
    driver.shutdown(ONE)
    assert state(world) == ("running", "booted")
    world.advance(11)
    assert state(world) == ("shutoff", "shutdown")


def test_a_stubborn_guest_ignores_it(world: SimWorld) -> None:
    world.guests.order("*", shutdown_seconds=5)
    world.guests.order("vm-1", shutdown_seconds=6)
    world.guests.order(ONE, ignores_shutdown=True)
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    driver.shutdown(ONE)
    world.advance(1000)
    assert state(world) == ("running", "booted")


@pytest.mark.parametrize(("order", "reason"), [({"stops_after": 60}, "shutdown"), ({"crashes_after": 60}, "crashed")])
def test_a_guest_stops_by_itself_also_where_it_was_moved(world: SimWorld, order: dict[str, float], reason: str) -> None:
    world.guests.order(ONE, **order)  # type: ignore[arg-type]
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    world.advance(30)
    driver.migrate(request(world, "two"), progress=None, cancel=None)
    world.advance(29)
    assert state(world, "two") == ("running", "migrated")
    world.advance(2)
    assert state(world, "two") == ("shutoff", reason)


def test_a_new_start_is_a_new_life(world: SimWorld) -> None:
    world.guests.order(ONE, stops_after=60)
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    driver.destroy(ONE)
    world.advance(50)
    driver.start(spec(1))
    world.advance(50)
    assert state(world) == ("running", "booted")


def test_a_profile_changes_under_way(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    world.advance(100)
    idle = driver.statistics()[0].cpu_time_ns
    world.guests.order(ONE, profile="busy")
    assert driver.statistics()[0].cpu_time_ns == idle
    world.advance(100)
    assert driver.statistics()[0].cpu_time_ns - idle > 10 * idle


def test_a_guest_that_runs_nowhere(world: SimWorld) -> None:
    with pytest.raises(NotFoundError):
        world.guests.crash(ONE)
    with pytest.raises(UsageError):
        world.guests.order(ONE, profile="wild")  # type: ignore[arg-type]


def test_events_tell_the_story(world: SimWorld) -> None:
    seen: list[DomainEvent] = []
    driver = hypervisor(world, "one")
    driver.start(spec(2))
    subscription = driver.subscribe(seen.append)
    driver.start(spec(1))
    driver.pause(ONE)
    driver.unpause(ONE)
    world.guests.io_error(ONE, "/disk")
    world.virsh("one", "resume", ONE)
    world.guests.crash(ONE)
    world.virsh("one", "undefine", ONE)
    world.follower.deliver()
    assert subscription.alive()
    assert [(event.kind, event.reason) for event in seen] == [
        ("defined", "added"),
        ("started", "booted"),
        ("suspended", "paused"),
        ("resumed", "unpaused"),
        ("suspended", "io_error"),
        ("io_error", "io_error"),
        ("resumed", "unpaused"),
        ("stopped", "crashed"),
        ("undefined", "removed"),
    ]
    assert seen[5].detail == "/disk enospc"
    assert {(event.host, event.uuid) for event in seen} == {("one", ONE)}
    for _ in range(2):
        subscription.close()
    assert not subscription.alive()


def test_a_migration_is_told_on_both_sides(world: SimWorld) -> None:
    here: list[str] = []
    there: list[str] = []
    hypervisor(world, "one").start(spec(1))
    hypervisor(world, "one").subscribe(lambda event: here.append(f"{event.kind} {event.reason}"))
    hypervisor(world, "two").subscribe(lambda event: there.append(f"{event.kind} {event.reason}"))
    hypervisor(world, "one").migrate(request(world, "two"), progress=None, cancel=None)
    world.follower.deliver()
    assert here == ["stopped migrated", "undefined removed"]
    assert there == ["started migrated", "suspended paused", "defined added", "resumed migrated"]


@pytest.mark.parametrize("loss", ["set_reachable", "set_libvirtd", "cut_power"])
def test_what_a_host_loses_ends_its_subscriptions(world: SimWorld, loss: str) -> None:
    seen: list[str] = []
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    subscription = driver.subscribe(lambda event: seen.append(event.kind))
    other = hypervisor(world, "two").subscribe(lambda _event: None)
    getattr(world.hosts, loss)("one", *([] if loss == "cut_power" else [False]))
    if loss != "cut_power":
        world.virsh("one", "destroy", ONE)
    world.follower.deliver()
    assert not subscription.alive()
    assert other.alive()
    assert seen == []


def test_a_failing_subscriber_is_forgotten_alone(world: SimWorld) -> None:
    seen: list[str] = []

    def failing(_event: DomainEvent) -> None:
        raise ValueError

    bad = hypervisor(world, "one").subscribe(failing)
    good = hypervisor(world, "one").subscribe(lambda event: seen.append(event.kind))
    hypervisor(world, "one").start(spec(1))
    world.follower.deliver()
    assert (bad.alive(), good.alive()) == (False, True)
    assert seen == ["defined", "started"]


def test_the_thread_tells_what_another_connection_did(tmp_path: Path) -> None:
    world, other = SimWorld(tmp_path / "world.db"), SimWorld(tmp_path / "world.db")
    world.hosts.add("one", bridges=["br0"])
    seen: list[str] = []
    subscription = hypervisor(world, "one").subscribe(lambda event: seen.append(event.kind))
    hypervisor(other, "one").start(spec(1))
    for _ in range(600):
        if len(seen) == 2:
            break
        real_sleep(0.05, None)
    assert seen == ["defined", "started"]
    subscription.close()
    world.close()
    other.close()
