"""The hypervisor driver for libvirt; see nebula.drivers.base.Hypervisor for what each method promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, HypervisorCapabilities, MigrationProgress, MigrationRequest, Progress
from nebula.drivers.hypervisor.libvirt import baseline, domains, facts, graphics, stats
from nebula.drivers.hypervisor.libvirt.connection import Link, Session
from nebula.drivers.hypervisor.libvirt.console import LibvirtConsole
from nebula.drivers.hypervisor.libvirt.design import domain_xml
from nebula.drivers.hypervisor.libvirt.events import EventSubscription
from nebula.drivers.hypervisor.libvirt.migrate import Migration
from nebula.drivers.hypervisor.libvirt.migration_job import abort, progress_of
from nebula.drivers.hypervisor.libvirt.preflight import Preflight
from nebula.drivers.hypervisor.libvirt.reality import state_of
from nebula.errors import ConflictError
from nebula.model.domain import DomainEvent, DomainReality, DomainSpec, DomainState, DomainStats
from nebula.model.host import Finding, HostFacts

CAPABILITIES = HypervisorCapabilities(live_migration=True, storage_migration=True, events=True, console=True, graphics=True)


class LibvirtHypervisor:
    """Domains of one host. Opens nothing before the first call.

    Statistics, events and looks go over one connection, whatever may take long over another: libvirtd serves five
    requests a connection at once, and a look must never wait for a start or a migration.
    """

    def __init__(self, handle: HostHandle) -> None:
        self._handle = handle
        self._host = handle.name
        self._looks = Link(handle, "statistics")
        self._works = Link(handle, "long calls")
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
        self._works.call(
            f"starting domain {spec.name}",
            lambda session: domains.start(session, spec, xml, self._host),
            timeout=timeouts.LIBVIRT_START,
        )

    def lookup(self, uuid: str) -> DomainReality | None:
        """See Hypervisor.lookup."""
        return self._looks.call("looking for a domain", lambda session: domains.lookup(session, uuid))

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
        """See Hypervisor.migrate."""
        Migration(self._handle, request, self._looks).run(progress, cancel)

    def migration_progress(self, uuid: str) -> MigrationProgress | None:
        """See Hypervisor.migration_progress."""
        return self._looks.call("asking for a migration's progress", lambda session: progress_of(session, uuid))

    def abort_migration(self, uuid: str) -> None:
        """See Hypervisor.abort_migration."""
        self._looks.call("ending a migration", lambda session: abort(session, uuid))

    def statistics(self) -> list[DomainStats]:
        """See Hypervisor.statistics."""
        return self._looks.call("reading counters", stats.collect)

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

        return self._looks.call("looking for the graphical console", work)

    def baseline(self, cpus: Sequence[str]) -> str:
        """See Hypervisor.baseline."""
        return self._looks.call("computing a CPU baseline", lambda session: baseline.common_cpu(session, cpus))

    def close(self) -> None:
        """See Hypervisor.close."""
        self._looks.close()
        self._works.close()

    def _with_domain(self, what: str, uuid: str, work: Callable[[Any], object]) -> None:
        self._works.call(what, lambda session: work(domains.require(session, uuid, self._host)))

    @staticmethod
    def _is_paused(domain: Any) -> bool:
        return state_of(*domain.state()[:2])[0] is DomainState.PAUSED
