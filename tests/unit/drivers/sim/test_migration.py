from __future__ import annotations

import pytest

from nebula.cancel import CancelToken
from nebula.drivers.sim.world import SimWorld
from nebula.errors import ConflictError, InterruptedByUser, NebulaError, NotFoundError, UnreachableError, WrongStateError
from nebula.model.domain import DomainState
from tests.unit.drivers.sim.lab import hypervisor, request, spec, uuid_of

ONE = uuid_of(1)


@pytest.fixture
def slow(world: SimWorld) -> SimWorld:
    world.set("migration_seconds", 100)
    hypervisor(world, "one").start(spec(1))
    return world


def where(world: SimWorld) -> dict[str, tuple[str, str, bool]]:
    found = {name: hypervisor(world, name).lookup(ONE) for name in ("one", "two")}
    return {name: (seen.state.value, seen.reason, seen.incoming) for name, seen in found.items() if seen is not None}


def test_the_guest_is_at_the_target_and_gone_here(slow: SimWorld) -> None:
    seen: list[tuple[int, int]] = []
    hypervisor(slow, "one").migrate(request(slow, "two"), progress=lambda done, total: seen.append((done, total)), cancel=None)
    assert where(slow) == {"two": ("running", "migrated", False)}
    assert seen == sorted(seen)
    assert seen[-1] == (1 << 30, 1 << 30)
    assert slow.leaks([1]) == []
    assert slow.double_runs() == []


def test_half_way_it_is_paused_at_the_target(slow: SimWorld) -> None:
    slow.virsh("one", "migrate", ONE, to="two")
    slow.advance(25)
    assert where(slow) == {"one": ("running", "booted", False), "two": ("paused", "migration", True)}
    progress = hypervisor(slow, "one").migration_progress(ONE)
    assert progress is not None
    assert progress.done == progress.total // 4
    assert progress.done + progress.remaining == progress.total


def test_one_under_way_is_followed(slow: SimWorld) -> None:
    slow.virsh("one", "migrate", ONE, to="two")
    hypervisor(slow, "one").migrate(request(slow, "two"), progress=None, cancel=None)
    assert list(where(slow)) == ["two"]
    hypervisor(slow, "one").migrate(request(slow, "two"), progress=None, cancel=None)
    assert list(where(slow)) == ["two"]


def test_a_set_token_aborts_it(slow: SimWorld) -> None:
    token = CancelToken()

    def progress(done: int, total: int) -> None:
        if done > total // 2:
            token.set("cancelled by anna")

    with pytest.raises(InterruptedByUser, match="anna"):
        hypervisor(slow, "one").migrate(request(slow, "two"), progress=progress, cancel=token)
    assert where(slow) == {"one": ("running", "booted", False)}


def test_an_abort_by_somebody_else_fails_it(slow: SimWorld) -> None:
    driver = hypervisor(slow, "one")
    driver.abort_migration(ONE)
    aborted: list[bool] = []

    def progress(done: int, total: int) -> None:
        if done and not aborted:
            aborted.append(True)
            driver.abort_migration(ONE)

    with pytest.raises(NebulaError, match="aborted"):
        driver.migrate(request(slow, "two"), progress=progress, cancel=None)
    assert where(slow) == {"one": ("running", "booted", False)}
    assert driver.migration_progress(ONE) is None


def test_a_failure_half_way_leaves_nothing(slow: SimWorld) -> None:
    slow.order_fault("one", "hypervisor.migrate.halfway", "command")
    with pytest.raises(NebulaError) as caught:
        hypervisor(slow, "one").migrate(request(slow, "two"), progress=None, cancel=None)
    assert caught.value.code == "command"
    assert where(slow) == {"one": ("running", "booted", False)}
    assert slow.leaks([1]) == []
    hypervisor(slow, "one").migrate(request(slow, "two"), progress=None, cancel=None)
    assert list(where(slow)) == ["two"]


@pytest.mark.parametrize("lost", ["one", "two"])
def test_a_power_cut_ends_it(slow: SimWorld, lost: str) -> None:
    slow.virsh("one", "migrate", ONE, to="two")
    slow.advance(10)
    slow.hosts.cut_power(lost)
    slow.advance(200)
    slow.hosts.power_on(lost)
    expected = ("shutoff", "unknown", False) if lost == "one" else ("running", "booted", False)
    assert where(slow) == {"one": expected}


def test_a_source_out_of_sight_goes_on(slow: SimWorld) -> None:
    def progress(done: int, total: int) -> None:
        if done:
            slow.hosts.set_reachable("one", False)

    with pytest.raises(UnreachableError):
        hypervisor(slow, "one").migrate(request(slow, "two"), progress=progress, cancel=None)
    slow.advance(200)
    slow.hosts.set_reachable("one", True)
    assert where(slow) == {"two": ("running", "migrated", False)}


def test_the_guest_may_die_on_the_way(slow: SimWorld) -> None:
    slow.virsh("one", "migrate", ONE, to="two")
    slow.guests.crash(ONE)
    assert where(slow) == {"one": ("shutoff", "crashed", False)}


def test_a_paused_guest_stays_paused(slow: SimWorld) -> None:
    hypervisor(slow, "one").pause(ONE)
    hypervisor(slow, "one").migrate(request(slow, "two"), progress=None, cancel=None)
    assert where(slow) == {"two": ("paused", "user", False)}


def test_what_cannot_be_migrated(slow: SimWorld) -> None:
    with pytest.raises(NotFoundError):
        hypervisor(slow, "one").migrate(request(slow, "two", 9), progress=None, cancel=None)
    slow.hosts.set_libvirtd("two", False)
    with pytest.raises(UnreachableError):
        hypervisor(slow, "one").migrate(request(slow, "two"), progress=None, cancel=None)
    slow.hosts.set_libvirtd("two", True)
    slow.virsh.start_copy("one", ONE, "two")
    with pytest.raises(ConflictError):
        hypervisor(slow, "one").migrate(request(slow, "two"), progress=None, cancel=None)
    assert len(slow.double_runs()) == 1
    hypervisor(slow, "one").destroy(ONE)
    with pytest.raises(WrongStateError):
        hypervisor(slow, "one").migrate(request(slow, "three"), progress=None, cancel=None)


def test_a_stale_definition_at_the_target_is_replaced(slow: SimWorld) -> None:
    slow.virsh.define("two", spec(1, vcpus=7))
    hypervisor(slow, "one").migrate(request(slow, "two"), progress=None, cancel=None)
    assert where(slow) == {"two": (DomainState.RUNNING.value, "migrated", False)}
