"""What every hypervisor driver keeps. A test module imports the tests and gives the fixtures `subject` and `pair`."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import pytest

from nebula.cancel import CancelToken
from nebula.drivers.base import DiskCopyRequest, HostHandle, Hypervisor, MigrationRequest
from nebula.engine.guest.png import png_of
from nebula.errors import ConflictError, InterruptedByUser, NebulaError, NotFoundError
from nebula.model.backup import BackupRequest
from nebula.model.domain import (
    DomainBandwidth,
    DomainDisk,
    DomainEvent,
    DomainGraphics,
    DomainInterface,
    DomainSpec,
    DomainState,
)

NOBODY = "99999999-0000-4000-8000-000000000000"
OFF = {DomainState.SHUTOFF, DomainState.CRASHED}


def wait_for(met: Callable[[], bool], what: str) -> None:
    """Look again and again, at most for a minute."""
    end = time.monotonic() + 60
    while not met():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)


class HypervisorSubject(msgspec.Struct, frozen=True):
    """A driver on a host without domains, with a bridge br0 and a raw `file` that disks can be made of, and `copy`, another one
    of the same size. `spec(vm_id)` can be started there; `eventually(met, what)` waits.
    """

    driver: Hypervisor
    spec: Callable[[int], DomainSpec]
    file: str
    copy: str
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


def test_a_domain_says_what_it_is_made_of(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    found = subject.driver.inspect(spec.uuid)
    assert (found.name, found.uuid, found.state, found.persistent) == (spec.name, spec.uuid, DomainState.RUNNING, True)
    assert (found.memory_mib, found.vcpus) == (spec.memory_mib, spec.vcpus)
    assert {disk.path for disk in found.disks} == {disk.path for disk in spec.disks}
    assert {card.mac for card in found.cards} == {card.mac for card in spec.interfaces}
    with pytest.raises(NotFoundError):
        subject.driver.inspect(NOBODY)


def test_a_domain_starts_as_it_is_defined(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    before = subject.driver.inspect(spec.uuid)
    subject.driver.destroy(spec.uuid)
    for _ in range(2):
        subject.driver.start_defined(spec.uuid)
    assert state(subject.driver, spec.uuid) is DomainState.RUNNING
    assert subject.driver.inspect(spec.uuid) == before
    with pytest.raises(NotFoundError):
        subject.driver.start_defined(NOBODY)


def test_files_are_deleted_unless_a_domain_has_one_and_those_that_are_not_there_are_so_already(
    subject: HypervisorSubject,
) -> None:
    files = ["/var/lib/libvirt/images/there is no such disk.qcow2", subject.file]
    disk = DomainDisk(disk_id=0, path=subject.file, target="vda", format="raw")
    spec = started(subject.driver, msgspec.structs.replace(subject.spec(1), disks=(disk,)))
    with pytest.raises(ConflictError):
        subject.driver.delete_files(files)
    subject.driver.destroy(spec.uuid)
    with pytest.raises(ConflictError):
        subject.driver.delete_files(files)
    subject.driver.undefine(spec.uuid)
    subject.driver.delete_files([])
    for _ in range(2):
        subject.driver.delete_files(files)


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


MEMORY = "/var/lib/nebula/contract-memory.save"


def test_a_saved_domain_is_off_and_goes_on_when_it_is_restored(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    for _ in range(2):
        subject.driver.save(spec.uuid, progress=None, cancel=None)
        found = subject.driver.lookup(spec.uuid)
        assert found is not None
        assert (found.state, found.reason, found.saved, found.persistent) == (DomainState.SHUTOFF, "saved", True, True)
        assert [item.saved for item in subject.driver.domains()] == [True]
    for _ in range(2):
        subject.driver.restore(spec, paused=True)
        found = subject.driver.lookup(spec.uuid)
        assert found is not None
        assert (found.state, found.saved, found.incoming) == (DomainState.PAUSED, False, False)
    subject.driver.save(spec.uuid, progress=None, cancel=None)
    subject.driver.start(spec)
    found = subject.driver.lookup(spec.uuid)
    assert found is not None
    assert (found.state, found.saved) == (DomainState.RUNNING, False)


def test_memory_in_a_file_is_found_there_by_a_host_that_knows_no_such_domain(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    for _ in range(2):
        subject.driver.save(spec.uuid, MEMORY, progress=None, cancel=None)
        found = subject.driver.lookup(spec.uuid)
        assert found is not None
        assert (found.state, found.saved) == (DomainState.SHUTOFF, False)
    subject.driver.undefine(spec.uuid)
    for _ in range(2):
        subject.driver.restore(spec, MEMORY)
        found = subject.driver.lookup(spec.uuid)
        assert found is not None
        assert (found.state, found.persistent) == (DomainState.RUNNING, True)


def test_a_memory_that_the_host_kept_goes_into_a_file(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    subject.driver.save(spec.uuid, progress=None, cancel=None)
    subject.driver.save(spec.uuid, MEMORY, progress=None, cancel=None)
    found = subject.driver.lookup(spec.uuid)
    assert found is not None
    assert (found.state, found.saved) == (DomainState.SHUTOFF, False)
    subject.driver.restore(spec, MEMORY)
    assert state(subject.driver, spec.uuid) is DomainState.RUNNING


def test_a_domain_that_is_off_has_no_memory(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    subject.driver.destroy(spec.uuid)
    for path in ("", f"{MEMORY}.none"):
        with pytest.raises(ConflictError):
            subject.driver.save(spec.uuid, path, progress=None, cancel=None)
        with pytest.raises(ConflictError):
            subject.driver.restore(spec, path)
    with pytest.raises(NotFoundError):
        subject.driver.save(NOBODY, progress=None, cancel=None)


def test_a_save_that_is_cancelled_before_it_begins_leaves_the_domain_alone(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    token = CancelToken()
    token.set("cancelled by a test")
    with pytest.raises(InterruptedByUser):
        subject.driver.save(spec.uuid, progress=None, cancel=token)
    assert state(subject.driver, spec.uuid) is DomainState.RUNNING


def with_disk(spec: DomainSpec, path: str) -> DomainSpec:
    return msgspec.structs.replace(
        spec, disks=(*spec.disks, DomainDisk(disk_id=7, path=path, target="sdg", bus="scsi", format="raw"))
    )


def with_card(spec: DomainSpec, **more: object) -> DomainSpec:
    card = DomainInterface(nic_id=7, mac="02:00:00:00:77:07", bridge="br0", tap="one-1-7", **more)  # type: ignore[arg-type]
    return msgspec.structs.replace(spec, interfaces=(*spec.interfaces, card))


def test_a_disk_is_plugged_once(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    larger = with_disk(spec, subject.file)
    for _ in range(2):
        subject.driver.attach_disk(larger, 7)
    for _ in range(2):
        subject.driver.resize_disk(spec.uuid, "sdg", 16 << 20)
    assert subject.driver.detach_disk(spec.uuid, "sdz")
    subject.driver.destroy(spec.uuid)
    with pytest.raises(ConflictError):
        subject.driver.attach_disk(larger, 7)
    for _ in range(2):
        assert subject.driver.detach_disk(spec.uuid, "sdg"), "a domain that is off has nobody who holds it"


def test_a_drive_holds_what_was_put_into_it(subject: HypervisorSubject) -> None:
    drive = DomainDisk(disk_id=8, path="", target="sdh", bus="sata", format="raw", device="cdrom", readonly=True)
    spec = subject.spec(1)
    started(subject.driver, msgspec.structs.replace(spec, disks=(*spec.disks, drive)))
    for path in (subject.file, subject.file, "", ""):
        subject.driver.load_cd(spec.uuid, "sdh", path)
    subject.driver.load_cd(spec.uuid, "sdh", subject.file)
    assert subject.driver.renew_medium(spec.uuid, subject.file)
    assert not subject.driver.renew_medium(spec.uuid, f"{subject.file}.none")


def test_a_card_is_plugged_once_and_changed(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    larger = with_card(spec)
    for _ in range(2):
        subject.driver.attach_card(larger, 7)
    wide = with_card(spec, outbound=DomainBandwidth(average=1000))
    for changed in (wide, wide, larger):
        try:
            subject.driver.update_card(changed, 7)
        except NebulaError as refused:
            if "police" not in refused.cause:  # a kernel that cannot limit what a card sends
                raise
    assert subject.driver.detach_card(spec.uuid, "02:00:00:00:99:99")
    subject.driver.destroy(spec.uuid)
    for _ in range(2):
        assert subject.driver.detach_card(spec.uuid, "02:00:00:00:77:07")


def test_a_running_domain_has_a_largest_size(subject: HypervisorSubject) -> None:
    spec = msgspec.structs.replace(subject.spec(1), vcpus=1, vcpus_max=2, memory_mib=48, memory_max_mib=64, memory_balloon=True)
    started(subject.driver, spec)
    for _ in range(2):
        subject.driver.resize(spec.uuid, vcpus=2, memory_mib=64, cpu_share=200)
    for vcpus, memory in ((3, 64), (2, 65)):
        with pytest.raises(ConflictError):
            subject.driver.resize(spec.uuid, vcpus=vcpus, memory_mib=memory, cpu_share=200)
    subject.driver.resize(spec.uuid, vcpus=2, memory_mib=48, cpu_share=100)


def test_counters_are_those_of_running_domains(subject: HypervisorSubject) -> None:
    spec, off = started(subject.driver, subject.spec(1)), started(subject.driver, subject.spec(2))
    subject.driver.destroy(off.uuid)
    (found,) = subject.driver.statistics()
    assert (found.uuid, found.state, found.vcpus) == (spec.uuid, DomainState.RUNNING, spec.vcpus)
    assert found.memory_max_kib == spec.memory_mib << 10


def test_dirty_rates_are_those_of_running_domains(subject: HypervisorSubject) -> None:
    spec, off = started(subject.driver, subject.spec(1)), started(subject.driver, subject.spec(2))
    subject.driver.destroy(off.uuid)
    found = subject.driver.dirty_rates([spec.uuid, off.uuid, "9a1b3c5d-0000-4000-8000-000000000000"])
    assert found.keys() <= {spec.uuid}
    assert all(rate >= 0 for rate in found.values())
    assert subject.driver.dirty_rates([]) == {}


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


def test_a_definition_tells_no_password(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, msgspec.structs.replace(subject.spec(1), graphics=DomainGraphics(password="swordfis")))
    text = subject.driver.definition(spec.uuid)
    assert f"<uuid>{spec.uuid}</uuid>" in text
    assert f"<name>{spec.name}</name>" in text
    assert "type='vnc'" in text.replace('"', "'")
    assert "swordfis" not in text
    subject.driver.destroy(spec.uuid)
    assert f"<uuid>{spec.uuid}</uuid>" in subject.driver.definition(spec.uuid)
    with pytest.raises(NotFoundError):
        subject.driver.definition(NOBODY)


def test_a_screen_is_shown_where_there_is_one(subject: HypervisorSubject) -> None:
    shown = started(subject.driver, msgspec.structs.replace(subject.spec(1), graphics=DomainGraphics()))
    blind = started(subject.driver, msgspec.structs.replace(subject.spec(2), graphics=None))
    assert png_of(subject.driver.screenshot(shown.uuid)).startswith(b"\x89PNG")
    for uuid in (blind.uuid, NOBODY):
        with pytest.raises(NotFoundError):
            subject.driver.screenshot(uuid)


def test_a_guest_without_an_agent_is_a_conflict(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, msgspec.structs.replace(subject.spec(1), guest_agent=False))
    with pytest.raises(ConflictError) as caught:
        subject.driver.ask_agent(spec.uuid, "guest-ping", {}, timeout=1.0)
    assert "qemu-guest-agent" in caught.value.hint
    subject.driver.destroy(spec.uuid)
    with pytest.raises(ConflictError):
        subject.driver.ask_agent(spec.uuid, "guest-ping", {}, timeout=1.0)
    with pytest.raises(NotFoundError):
        subject.driver.ask_agent(NOBODY, "guest-ping", {}, timeout=1.0)


def test_addresses_are_those_of_its_cards_and_what_is_off_has_none_and_no_media(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    assert {found.mac for found in subject.driver.addresses(spec.uuid)} <= {card.mac for card in spec.interfaces}
    assert not subject.driver.renew_medium(spec.uuid, "/nowhere/context.iso")
    subject.driver.destroy(spec.uuid)
    assert not subject.driver.renew_medium(spec.uuid, "/nowhere/context.iso")
    with pytest.raises(ConflictError):
        subject.driver.addresses(spec.uuid)
    with pytest.raises(NotFoundError):
        subject.driver.renew_medium(NOBODY, "/nowhere/context.iso")


def test_a_console_can_be_let_go_of_and_taken_again(subject: HypervisorSubject) -> None:
    spec = started(subject.driver, subject.spec(1))
    for _ in range(2):
        console = subject.driver.console(spec.uuid)
        console.write(b"\r")
        said = console.read(0.1)
        assert isinstance(said, bytes)
        console.close()
        with pytest.raises(EOFError):
            console.read(0.1)


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


def test_what_is_off_or_not_there_has_nothing_to_keep_or_merge(subject: HypervisorSubject) -> None:
    driver = subject.driver
    driver.delete_snapshot(NOBODY, "snap-1")
    assert driver.disk_source(NOBODY, "vda") == ""
    for verb in (driver.snapshot, driver.revert):
        with pytest.raises(NotFoundError):
            verb(NOBODY, "snap-1")
    with pytest.raises(NotFoundError):
        driver.switch_disk(NOBODY, "vda", "/srv/other")
    spec = started(driver, subject.spec(1))
    driver.destroy(spec.uuid)
    with pytest.raises(ConflictError):
        driver.snapshot(spec.uuid, "snap-1")
    with pytest.raises(ConflictError):
        driver.pull_disk(spec.uuid, "vda", "/srv/gone", "", progress=None, cancel=None)
    with pytest.raises(NotFoundError):
        driver.revert(spec.uuid, "snap-1")
    with pytest.raises(ConflictError):
        driver.switch_disk(spec.uuid, "vdz", "/srv/other")
    driver.delete_snapshot(spec.uuid, "snap-1")


def test_what_is_off_or_not_there_is_not_copied(subject: HypervisorSubject) -> None:
    driver = subject.driver
    assert driver.capabilities.backups
    driver.end_backup(NOBODY, "nebula-1")
    driver.forget_checkpoint(NOBODY, "nebula-1")
    with pytest.raises(NotFoundError):
        driver.begin_backup(BackupRequest(uuid=NOBODY, targets=()))
    spec = started(driver, subject.spec(1))
    with pytest.raises(NotFoundError):
        driver.begin_backup(BackupRequest(uuid=spec.uuid, targets=(), checkpoint="nebula-2", since="nebula-1"))
    driver.end_backup(spec.uuid, "nebula-2")
    assert state(driver, spec.uuid) is DomainState.RUNNING
    driver.destroy(spec.uuid)
    with pytest.raises(ConflictError):
        driver.begin_backup(BackupRequest(uuid=spec.uuid, targets=()))
    with pytest.raises(ConflictError):
        driver.follow_backup(spec.uuid, progress=None, cancel=None)
    driver.end_backup(spec.uuid, "nebula-2")
    driver.forget_checkpoint(spec.uuid, "nebula-1")


def plugged(subject: HypervisorSubject) -> DiskCopyRequest:
    """A domain runs with the file as its disk; what lets it go on at the copy."""
    spec = started(subject.driver, subject.spec(1))
    subject.driver.attach_disk(with_disk(spec, subject.file), 7)
    return DiskCopyRequest(uuid=spec.uuid, target="sdg", path=subject.copy, format="raw")


def test_a_guest_goes_on_at_the_copy_of_its_disk(subject: HypervisorSubject) -> None:
    driver, request = subject.driver, plugged(subject)
    assert driver.capabilities.copies_disks
    told: list[tuple[int, int]] = []
    for _ in range(2):
        driver.copy_disk(request, progress=lambda done, total: told.append((done, total)), cancel=None)
        assert driver.uses_disk(request.uuid, "sdg", subject.file)
    assert all(0 <= done <= total for done, total in told)
    for _ in range(2):
        driver.take_copy(request)
        assert driver.uses_disk(request.uuid, "sdg", subject.copy)
        assert state(driver, request.uuid) is DomainState.RUNNING
    driver.copy_disk(request, progress=None, cancel=None)
    driver.drop_copy(request.uuid, "sdg")
    driver.destroy(request.uuid)
    assert driver.uses_disk(request.uuid, "sdg", subject.copy), "its definition names what it had before"
    back = msgspec.structs.replace(request, path=subject.file)
    for _ in range(2):
        driver.name_disk(back)
        assert driver.uses_disk(request.uuid, "sdg", subject.file)
    driver.start_defined(request.uuid)
    with pytest.raises(ConflictError):
        driver.name_disk(request)


def test_a_copy_of_a_disk_that_is_dropped_leaves_the_guest_where_it_was(subject: HypervisorSubject) -> None:
    driver, request = subject.driver, plugged(subject)
    driver.copy_disk(request, progress=None, cancel=None)
    for _ in range(2):
        driver.drop_copy(request.uuid, "sdg")
    with pytest.raises(ConflictError):
        driver.take_copy(request)
    assert driver.uses_disk(request.uuid, "sdg", subject.file)
    driver.copy_disk(request, progress=None, cancel=None)
    driver.destroy(request.uuid)
    for verb in (driver.take_copy, lambda asked: driver.copy_disk(asked, progress=None, cancel=None)):
        with pytest.raises(ConflictError):
            verb(request)
    driver.drop_copy(request.uuid, "sdg")
    assert driver.uses_disk(request.uuid, "sdg", subject.file)


def test_what_is_not_there_has_no_disk_to_copy(subject: HypervisorSubject) -> None:
    driver = subject.driver
    nobodys = DiskCopyRequest(uuid=NOBODY, target="sdg", path=subject.copy, format="raw")
    driver.drop_copy(NOBODY, "sdg")
    driver.name_disk(nobodys)
    assert not driver.uses_disk(NOBODY, "sdg", subject.copy)
    for verb in (driver.take_copy, lambda asked: driver.copy_disk(asked, progress=None, cancel=None)):
        with pytest.raises(NotFoundError):
            verb(nobodys)
    spec = started(driver, subject.spec(1))
    with pytest.raises(ConflictError):
        driver.copy_disk(msgspec.structs.replace(nobodys, uuid=spec.uuid), progress=None, cancel=None)


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
