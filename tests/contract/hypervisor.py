"""What every hypervisor driver keeps. A test module imports the tests and gives the fixtures `subject` and `pair`."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import pytest

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Hypervisor, MigrationRequest
from nebula.errors import ConflictError, InterruptedByUser, NotFoundError
from nebula.model.domain import DomainEvent, DomainGraphics, DomainSpec, DomainState

NOBODY = "99999999-0000-4000-8000-000000000000"
OFF = {DomainState.SHUTOFF, DomainState.CRASHED}


def wait_for(met: Callable[[], bool], what: str) -> None:
    """Look again and again, at most for a minute."""
    end = time.monotonic() + 60
    while not met():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)


class HypervisorSubject(msgspec.Struct, frozen=True):
    """A driver on a host without domains. `spec(vm_id)` can be started there; `eventually(met, what)` waits."""

    driver: Hypervisor
    spec: Callable[[int], DomainSpec]
    eventually: Callable[[Callable[[], bool], str], None] = wait_for


class HypervisorPair(msgspec.Struct, frozen=True):
    """Two hosts between which a domain of `spec` can be migrated without copying; `target` is the second one's handle."""

    source: Hypervisor
    destination: Hypervisor
    target: HostHandle
    spec: Callable[[int], DomainSpec]

    def request(self, uuid: str) -> MigrationRequest:
        return MigrationRequest(uuid=uuid, target=self.target, shared_unsafe=True)


def started(driver: Hypervisor, spec: DomainSpec) -> DomainSpec:
    driver.start(spec)
    return spec


def state(driver: Hypervisor, uuid: str) -> DomainState | None:
    found = driver.lookup(uuid)
    return None if found is None else found.state


def test_a_started_domain_runs_once_and_is_ours(subject: HypervisorSubject) -> None:
    spec = subject.spec(1)
    for _ in range(2):
        subject.driver.start(spec)
    found = subject.driver.lookup(spec.uuid)
    assert found is not None
    assert (found.name, found.vm_id, found.persistent, found.incoming) == (spec.name, 1, True, False)
    assert (found.state, found.reason) == (DomainState.RUNNING, "booted")
    assert [item.uuid for item in subject.driver.domains()] == [spec.uuid]
    assert subject.driver.domains()[0].vm_id == 1


def test_what_is_not_there_is_none_or_not_found_or_nothing(subject: HypervisorSubject) -> None:
    driver = subject.driver
    assert driver.lookup(NOBODY) is None
    for nothing in (driver.destroy, driver.undefine, driver.abort_migration):
        nothing(NOBODY)
    assert driver.migration_progress(NOBODY) is None
    for verb in (driver.shutdown, driver.reboot, driver.reset, driver.pause, driver.unpause, driver.console, driver.graphics):
        with pytest.raises(NotFoundError):
            verb(NOBODY)


def test_a_destroyed_domain_is_off_says_why_and_starts_again(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    for _ in range(2):
        subject.driver.destroy(spec.uuid)
        found = subject.driver.lookup(spec.uuid)
        assert found is not None
        assert (found.state, found.reason) == (DomainState.SHUTOFF, "destroyed")
    subject.driver.start(msgspec.structs.replace(spec, memory_mib=spec.memory_mib + 8))
    assert state(subject.driver, spec.uuid) is DomainState.RUNNING


def test_only_a_domain_that_is_off_is_forgotten(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    with pytest.raises(ConflictError):
        subject.driver.undefine(spec.uuid)
    subject.driver.destroy(spec.uuid)
    for _ in range(2):
        subject.driver.undefine(spec.uuid)
        assert subject.driver.lookup(spec.uuid) is None


def test_a_name_belongs_to_one_domain(subject: HypervisorSubject) -> None:
    first = started(subject.driver, subject.spec(1))
    with pytest.raises(ConflictError):
        subject.driver.start(msgspec.structs.replace(subject.spec(2), name=first.name))
    assert [item.uuid for item in subject.driver.domains()] == [first.uuid]


def test_pausing_and_going_on_twice_is_fine(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    for _ in range(2):
        subject.driver.pause(spec.uuid)
        found = subject.driver.lookup(spec.uuid)
        assert found is not None
        assert (found.state, found.reason) == (DomainState.PAUSED, "user")
    for _ in range(2):
        subject.driver.unpause(spec.uuid)
        assert state(subject.driver, spec.uuid) is DomainState.RUNNING


def test_counters_are_those_of_running_domains(subject: HypervisorSubject) -> None:
    spec, off = started(subject.driver, subject.spec(1)), started(subject.driver, subject.spec(2))
    subject.driver.destroy(off.uuid)
    (found,) = subject.driver.statistics()
    assert (found.uuid, found.state, found.vcpus) == (spec.uuid, DomainState.RUNNING, spec.vcpus)
    assert found.memory_max_kib == spec.memory_mib << 10


def test_what_happens_is_pushed_until_the_subscription_is_closed(subject: HypervisorSubject) -> None:
    heard: list[DomainEvent] = []
    subscription = subject.driver.subscribe(heard.append)
    assert subscription.alive()
    spec = started(subject.driver, subject.spec(1))
    subject.driver.destroy(spec.uuid)
    subject.eventually(
        lambda: {("started", "booted"), ("stopped", "destroyed")} <= {(item.kind, item.reason) for item in heard}, "the events"
    )
    assert {item.uuid for item in heard} == {spec.uuid}
    for _ in range(2):
        subscription.close()
        assert not subscription.alive()
    before = len(heard)
    subject.driver.undefine(spec.uuid)
    subject.driver.domains()
    assert len(heard) == before


def test_a_screen_is_found_where_there_is_one(subject: HypervisorSubject) -> None:
    shown = started(subject.driver, msgspec.structs.replace(subject.spec(1), graphics=DomainGraphics()))
    blind = started(subject.driver, msgspec.structs.replace(subject.spec(2), graphics=None))
    kind, address, port = subject.driver.graphics(shown.uuid)
    assert (kind, address) == ("vnc", "127.0.0.1")
    assert port > 0
    with pytest.raises(NotFoundError):
        subject.driver.graphics(blind.uuid)


def test_a_console_can_be_let_go_of_and_taken_again(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    for _ in range(2):
        console = subject.driver.console(spec.uuid)
        console.write(b"\r")
        console.read(0.1)
        console.close()


def test_a_host_has_a_capacity_and_a_cpu(subject: HypervisorSubject) -> None:
    facts = subject.driver.facts()
    assert facts.cpu_total >= 100
    assert facts.cpu_total % 100 == 0
    assert facts.memory_total_mib > 0
    assert facts.virt_types
    cpus = [facts.cpu_xml] * 2
    assert subject.driver.baseline(cpus).lstrip().startswith("<cpu")


def test_findings_that_are_errors_say_what_to_do(subject: HypervisorSubject) -> None:
    findings = subject.driver.preflight()
    assert all(finding.fix for finding in findings if finding.level == "error")
    assert not [finding for finding in findings if finding.level == "error"]


def test_a_migrated_guest_runs_there_and_is_gone_here(pair: HypervisorPair) -> None:
    spec = started(pair.source, pair.spec(1))
    for _ in range(2):
        pair.source.migrate(pair.request(spec.uuid), progress=None, cancel=None)
        assert pair.source.lookup(spec.uuid) is None
        found = pair.destination.lookup(spec.uuid)
        assert found is not None
        assert (found.state, found.persistent, found.incoming, found.vm_id) == (DomainState.RUNNING, True, False, 1)


def test_a_cancelled_migration_leaves_the_guest_where_it_was(pair: HypervisorPair) -> None:
    spec = started(pair.source, pair.spec(1))
    token = CancelToken()
    token.set("cancelled by a test")
    with pytest.raises(InterruptedByUser):
        pair.source.migrate(pair.request(spec.uuid), progress=None, cancel=token)
    assert state(pair.source, spec.uuid) is DomainState.RUNNING
    assert pair.destination.lookup(spec.uuid) is None
    assert pair.source.migration_progress(spec.uuid) is None


def test_what_does_not_run_is_not_migrated(pair: HypervisorPair) -> None:
    with pytest.raises(NotFoundError):
        pair.source.migrate(pair.request(NOBODY), progress=None, cancel=None)
    spec = started(pair.source, pair.spec(1))
    pair.source.destroy(spec.uuid)
    with pytest.raises(ConflictError):
        pair.source.migrate(pair.request(spec.uuid), progress=None, cancel=None)
    assert pair.destination.lookup(spec.uuid) is None
