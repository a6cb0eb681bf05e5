"""The hypervisor driver for libvirt; see nebula.drivers.base.Hypervisor for what each method promises."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.drivers.base import (
    DiskCopyRequest,
    HostHandle,
    HypervisorCapabilities,
    MigrationProgress,
    MigrationRequest,
    Progress,
)
from nebula.drivers.hypervisor.libvirt import (
    backups,
    baseline,
    dirtyrate,
    diskcopy,
    domains,
    facts,
    found,
    graphics,
    guest,
    hotplug,
    layers,
    media,
    resizing,
    stats,
    system_snapshots,
)
from nebula.drivers.hypervisor.libvirt.connection import Lanes, Link, Session
from nebula.drivers.hypervisor.libvirt.console import LibvirtConsole
from nebula.drivers.hypervisor.libvirt.design import domain_xml
from nebula.drivers.hypervisor.libvirt.events import EventSubscription
from nebula.drivers.hypervisor.libvirt.jobs import abort, progress_of
from nebula.drivers.hypervisor.libvirt.migrate import Migration
from nebula.drivers.hypervisor.libvirt.ownership import leaves_owners, with_owners
from nebula.drivers.hypervisor.libvirt.preflight import Preflight
from nebula.drivers.hypervisor.libvirt.reality import state_of
from nebula.drivers.hypervisor.libvirt.saving import Saving, restore
from nebula.errors import ConflictError
from nebula.model.backup import BackupRequest
from nebula.model.domain import DomainEvent, DomainReality, DomainSpec, DomainState, DomainStats
from nebula.model.found import FoundDomain
from nebula.model.guest import GuestAddress, Picture
from nebula.model.host import Finding, HostFacts

CAPABILITIES = HypervisorCapabilities(
    live_migration=True,
    storage_migration=True,
    events=True,
    console=True,
    graphics=True,
    saves_memory=True,
    hot_buses=("virtio", "scsi"),
    hot_cards=True,
    hot_resize=True,
    dirty_rates=True,
    agent=True,
    screenshots=True,
    media=True,
    disk_layers=True,
    snapshots=True,
    backups=True,
    copies_disks=True,
)
_LANES = 5
"""Starts and other long calls that a host does at once."""
_AGAIN = 0.2
"""Seconds between two looks whether a measurement has ended."""
_QUESTIONS = 3
"""Single domains that are asked for at once."""
_GUESTS = 2
"""Guests that are asked at once; one without an agent lets us wait."""
_MARGIN = 10.0
"""Seconds that libvirt has to say that a guest did not answer in time."""


class LibvirtHypervisor:
    """Domains of one host. Opens nothing before the first call.

    Statistics, events and looks go over one connection, questions about a domain and whatever may take long over others: a
    look must never wait for a start or a migration, nor for a domain that does not answer.
    """

    def __init__(self, handle: HostHandle) -> None:
        self._handle = handle
        self._host = handle.name
        self._looks = Link(handle, "statistics")
        self._questions = Lanes(handle, "questions", _QUESTIONS)
        self._works = Lanes(handle, "long calls", _LANES)
        self._guests = Lanes(handle, "guests", _GUESTS)
        self._census = domains.Census()

    @property
    def capabilities(self) -> HypervisorCapabilities:
        """See Hypervisor.capabilities."""
        return CAPABILITIES

    def facts(self) -> HostFacts:
        """See Hypervisor.facts."""
        machine = facts.look(self._handle.transport)
        return self._looks.call("asking for its facts", lambda session: facts.read(session, machine))

    def preflight(self) -> list[Finding]:
        """See Hypervisor.preflight."""
        return Preflight(self._handle, self._looks).findings()

    def start(self, spec: DomainSpec) -> None:
        """See Hypervisor.start."""
        xml = domain_xml(spec)

        def work(session: Session) -> None:
            domains.start(session, spec, with_owners(xml, leaves_owners(session)), self._host)

        self._works.call(f"starting domain {spec.name}", work, timeout=timeouts.LIBVIRT_START)

    def lookup(self, uuid: str) -> DomainReality | None:
        """See Hypervisor.lookup."""
        return self._questions.call("looking for a domain", lambda session: domains.lookup(session, uuid))

    def domains(self) -> list[DomainReality]:
        """See Hypervisor.domains."""
        return self._looks.call("listing domains", self._census.take)

    def shutdown(self, uuid: str) -> None:
        """See Hypervisor.shutdown."""

        def work(domain: Any) -> None:
            if domain.isActive():
                domain.shutdown()

        self._with_domain("asking the guest to power off", uuid, work)

    def destroy(self, uuid: str) -> None:
        """See Hypervisor.destroy."""
        self._works.call("ending a domain", lambda session: domains.destroy(session, uuid))

    def undefine(self, uuid: str) -> None:
        """See Hypervisor.undefine."""
        self._works.call("forgetting a domain", lambda session: domains.undefine(session, uuid, self._host))

    def inspect(self, uuid: str) -> FoundDomain:
        """See Hypervisor.inspect."""
        return self._questions.call("reading a domain", lambda session: found.inspect(session, uuid, self._host))

    def definition(self, uuid: str) -> str:
        """See Hypervisor.definition: without VIR_DOMAIN_XML_SECURE libvirt leaves passwords out."""

        def work(session: Session) -> str:
            return str(domains.require(session, uuid, self._host).XMLDesc(0))

        return self._questions.call("reading a domain", work)

    def start_defined(self, uuid: str) -> None:
        """See Hypervisor.start_defined."""

        def work(session: Session) -> None:
            found.start_defined(session, uuid, self._host)

        self._works.call("starting a domain as it is defined", work, timeout=timeouts.LIBVIRT_START)

    def delete_files(self, paths: Sequence[str]) -> None:
        """See Hypervisor.delete_files."""
        found.delete_files(self._handle, paths, self._works.call("looking who uses files", found.files))

    def save(self, uuid: str, path: str = "", *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.save."""
        Saving(self._handle, uuid, path, self._questions).run(progress, cancel)

    def restore(self, spec: DomainSpec, path: str = "", *, paused: bool = False) -> None:
        """See Hypervisor.restore."""
        xml = domain_xml(spec)

        def work(session: Session) -> None:
            restore(session, spec, with_owners(xml, leaves_owners(session)), path, self._host, paused=paused)

        self._works.call(f"letting domain {spec.name} go on from its memory", work, timeout=timeouts.MEMORY)

    def attach_disk(self, spec: DomainSpec, disk_id: int) -> None:
        """See Hypervisor.attach_disk."""
        self._works.call("plugging a disk", lambda session: hotplug.attach_disk(session, spec, disk_id, self._host))

    def detach_disk(self, uuid: str, target: str) -> bool:
        """See Hypervisor.detach_disk."""
        return self._works.call("unplugging a disk", lambda session: hotplug.detach_disk(session, uuid, target, self._host))

    def load_cd(self, uuid: str, target: str, path: str) -> None:
        """See Hypervisor.load_cd."""
        self._works.call("changing a CD", lambda session: hotplug.load_cd(session, uuid, target, path, self._host))

    def attach_card(self, spec: DomainSpec, nic_id: int) -> None:
        """See Hypervisor.attach_card."""
        self._works.call("plugging a card", lambda session: hotplug.attach_card(session, spec, nic_id, self._host))

    def detach_card(self, uuid: str, mac: str) -> bool:
        """See Hypervisor.detach_card."""
        return self._works.call("unplugging a card", lambda session: hotplug.detach_card(session, uuid, mac, self._host))

    def update_card(self, spec: DomainSpec, nic_id: int) -> None:
        """See Hypervisor.update_card."""
        self._works.call("changing a card", lambda session: hotplug.update_card(session, spec, nic_id, self._host))

    def resize(self, uuid: str, *, vcpus: int, memory_mib: int, cpu_share: int) -> None:
        """See Hypervisor.resize."""
        size = resizing.Size(vcpus=vcpus, memory_mib=memory_mib, cpu_share=cpu_share)
        self._works.call("resizing a domain", lambda session: resizing.resize(session, uuid, size, self._host))

    def resize_disk(self, uuid: str, target: str, size: int) -> None:
        """See Hypervisor.resize_disk."""
        self._works.call("growing a disk", lambda session: hotplug.resize_disk(session, uuid, target, size, self._host))

    def reboot(self, uuid: str) -> None:
        """See Hypervisor.reboot."""
        self._with_domain("asking the guest to reboot", uuid, lambda domain: domain.reboot())

    def reset(self, uuid: str) -> None:
        """See Hypervisor.reset."""
        self._with_domain("resetting a domain", uuid, lambda domain: domain.reset())

    def pause(self, uuid: str) -> None:
        """See Hypervisor.pause."""

        def work(domain: Any) -> None:
            if not self._is_paused(domain):
                domain.suspend()

        self._with_domain("pausing a domain", uuid, work)

    def unpause(self, uuid: str) -> None:
        """See Hypervisor.unpause."""

        def work(domain: Any) -> None:
            if self._is_paused(domain):
                domain.resume()
            elif not domain.isActive():
                raise ConflictError(f"domain {domain.name()} on host {self._host} is off: it cannot go on")

        self._with_domain("letting a domain go on", uuid, work)

    def migrate(self, request: MigrationRequest, *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.migrate. What QEMU remembers for backups stays behind: the next one is a full one, at the target."""
        self._works.call("forgetting checkpoints", lambda session: backups.forget_of(session, request.uuid))
        Migration(self._handle, request, self._questions).run(progress, cancel)

    def migration_progress(self, uuid: str) -> MigrationProgress | None:
        """See Hypervisor.migration_progress."""
        return self._questions.call("asking for a migration's progress", lambda session: progress_of(session, uuid))

    def abort_migration(self, uuid: str) -> None:
        """See Hypervisor.abort_migration."""
        self._questions.call("ending a migration", lambda session: abort(session, uuid))

    def statistics(self) -> list[DomainStats]:
        """See Hypervisor.statistics."""
        return self._looks.call("reading counters", stats.collect)

    def dirty_rates(self, uuids: Sequence[str]) -> dict[str, float]:
        """See Hypervisor.dirty_rates."""
        begun = self._questions.call("measuring dirty rates", lambda session: dirtyrate.begin(session, uuids))
        found: dict[str, float] = {}
        end = time.monotonic() + dirtyrate.PATIENCE
        time.sleep(dirtyrate.SECONDS if begun else 0)
        while len(found) < len(begun) and time.monotonic() < end:
            found = self._questions.call("reading dirty rates", lambda session: dirtyrate.read(session, begun))
            time.sleep(0 if len(found) == len(begun) else _AGAIN)
        return found

    def subscribe(self, callback: Callable[[DomainEvent], None]) -> EventSubscription:
        """See Hypervisor.subscribe."""
        return EventSubscription(self._looks, self._host, callback)

    def console(self, uuid: str) -> LibvirtConsole:
        """See Hypervisor.console."""
        return LibvirtConsole(self._handle, uuid)

    def graphics(self, uuid: str) -> tuple[str, str, int]:
        """See Hypervisor.graphics."""

        def work(session: Session) -> tuple[str, str, int]:
            return graphics.address_of(domains.require(session, uuid, self._host), self._host)

        return self._questions.call("looking for the graphical console", work)

    def ask_agent(self, uuid: str, command: str, arguments: Mapping[str, Any], *, timeout: float) -> Any:
        """See Hypervisor.ask_agent."""

        def work(session: Session) -> Any:
            return guest.ask(session, self._running(session, uuid), self._host, command, arguments, timeout)

        return self._guests.call(f"asking a guest's agent for {command}", work, timeout=timeout + _MARGIN)

    def addresses(self, uuid: str) -> list[GuestAddress]:
        """See Hypervisor.addresses."""
        return self._guests.call(
            "looking for a guest's addresses", lambda session: guest.addresses(session, self._running(session, uuid))
        )

    def screenshot(self, uuid: str) -> Picture:
        """See Hypervisor.screenshot."""
        return self._guests.call(
            "looking at a screen", lambda session: guest.screenshot(session, self._running(session, uuid), self._host)
        )

    def renew_medium(self, uuid: str, path: str) -> bool:
        """See Hypervisor.renew_medium."""
        return self._works.call(
            "changing a CD", lambda session: media.renew(session, domains.require(session, uuid, self._host), path)
        )

    def snapshot(self, uuid: str, name: str) -> None:
        """See Hypervisor.snapshot."""

        def work(session: Session) -> None:
            system_snapshots.snapshot(session, uuid, name, self._host)

        self._works.call("keeping a domain's memory and disks", work, timeout=timeouts.MEMORY)

    def revert(self, uuid: str, name: str) -> None:
        """See Hypervisor.revert."""

        def work(session: Session) -> None:
            system_snapshots.revert(session, uuid, name, self._host)

        self._works.call("letting a domain go back", work, timeout=timeouts.MEMORY)

    def delete_snapshot(self, uuid: str, name: str) -> None:
        """See Hypervisor.delete_snapshot."""

        def work(session: Session) -> None:
            system_snapshots.delete(session, uuid, name)

        self._works.call("deleting a domain's snapshot", work, timeout=timeouts.MEMORY)

    def disk_source(self, uuid: str, target: str) -> str:
        """See Hypervisor.disk_source."""
        return self._questions.call("looking for a disk's file", lambda session: layers.source(session, uuid, target))

    def switch_disk(self, uuid: str, target: str, path: str) -> None:
        """See Hypervisor.switch_disk."""
        what = "letting a guest go on in another layer"
        self._works.call(what, lambda session: layers.switch(session, uuid, target, path, self._host))

    def pull_disk(
        self, uuid: str, target: str, gone: str, base: str, *, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """See Hypervisor.pull_disk."""
        layers.Pull(self._questions, uuid, target, self._host).run(gone, base, progress, cancel)

    def uses_disk(self, uuid: str, target: str, path: str) -> bool:
        """See Hypervisor.uses_disk."""
        return self._questions.call("looking where a disk is", lambda session: diskcopy.uses(session, uuid, target, path))

    def copy_disk(self, request: DiskCopyRequest, *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.copy_disk."""
        diskcopy.Copy(self._questions, request, self._host).run(progress, cancel)

    def take_copy(self, request: DiskCopyRequest) -> None:
        """See Hypervisor.take_copy."""
        what = "letting a guest go on at a disk's copy"
        self._works.call(what, lambda session: diskcopy.take(session, request, self._host), timeout=timeouts.LIBVIRT_START)

    def drop_copy(self, uuid: str, target: str) -> None:
        """See Hypervisor.drop_copy."""
        self._works.call("ending a disk's copy", lambda session: diskcopy.drop(session, uuid, target))

    def name_disk(self, request: DiskCopyRequest) -> None:
        """See Hypervisor.name_disk."""
        self._works.call("changing a definition", lambda session: diskcopy.name(session, request, self._host))

    def begin_backup(self, request: BackupRequest) -> bool:
        """See Hypervisor.begin_backup."""
        what = "beginning a backup"
        return self._works.call(
            what, lambda session: backups.begin(session, request, self._host), timeout=timeouts.LIBVIRT_START
        )  # fmt: skip

    def follow_backup(self, uuid: str, *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.follow_backup."""
        backups.Following(self._questions, uuid, self._host).run(progress, cancel)

    def end_backup(self, uuid: str, checkpoint: str) -> None:
        """See Hypervisor.end_backup."""
        left = self._works.call(
            "ending a backup", lambda session: backups.end(session, uuid, checkpoint), timeout=timeouts.LIBVIRT_START
        )  # fmt: skip
        backups.remove_bitmaps(self._handle, checkpoint, left)

    def forget_checkpoint(self, uuid: str, checkpoint: str) -> None:
        """See Hypervisor.forget_checkpoint."""
        left = self._works.call("forgetting a checkpoint", lambda session: backups.forget(session, uuid, checkpoint))
        backups.remove_bitmaps(self._handle, checkpoint, left)

    def baseline(self, cpus: Sequence[str]) -> str:
        """See Hypervisor.baseline."""
        return self._looks.call("computing a CPU baseline", lambda session: baseline.common_cpu(session, cpus))

    def close(self) -> None:
        """See Hypervisor.close."""
        self._looks.close()
        self._questions.close()
        self._works.close()
        self._guests.close()

    def _with_domain(self, what: str, uuid: str, work: Callable[[Any], object]) -> None:
        self._works.call(what, lambda session: work(domains.require(session, uuid, self._host)))

    def _running(self, session: Session, uuid: str) -> Any:
        return guest.require_on(domains.require(session, uuid, self._host), self._host)

    @staticmethod
    def _is_paused(domain: Any) -> bool:
        return state_of(*domain.state()[:2])[0] is DomainState.PAUSED
