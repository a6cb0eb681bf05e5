"""A live migration, peer to peer: started or followed, watched, and settled with both hosts asked.

libvirt's call blocks until the end, in a thread and over a connection of its own; this thread watches over another one.
If the engine dies, the two libvirtds go on by themselves; the next engine finds the job, or its outcome.
"""

from __future__ import annotations

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, MigrationRequest, Progress
from nebula.drivers.hypervisor.libvirt import domains
from nebula.drivers.hypervisor.libvirt.connection import Lanes, Link, Session
from nebula.drivers.hypervisor.libvirt.migration_outcome import Outcome
from nebula.drivers.hypervisor.libvirt.migration_route import Route, plan, taken
from nebula.drivers.hypervisor.libvirt.migration_xml import Booted, There, moved_definitions
from nebula.drivers.hypervisor.libvirt.ownership import ROOT, given, leaves_owners
from nebula.drivers.hypervisor.libvirt.watching import Watch, perform
from nebula.errors import UnreachableError

TURNS = 3
"""How often ports are tried that turn out to be taken at the target."""


class Migration:
    """One request, from this host (`handle`, asked over `looks`)."""

    def __init__(self, handle: HostHandle, request: MigrationRequest, looks: Lanes) -> None:
        self._handle, self._request, self._looks = handle, request, looks
        self._target = Link(request.target, "migration's target")
        self._outcome = Outcome(handle.name, request, looks, self._target)

    def run(self, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.migrate."""
        try:
            self._run(Watch(self._looks, self._request.uuid, "MIGRATION_OUT", timeouts.MIGRATION, progress, cancel))
            self._give_back()
        finally:
            self._target.close()

    def _run(self, watch: Watch) -> None:
        if watch.look() is not None:
            watch.until(lambda: watch.look() is None)
            self._outcome.settle(None, watch.interruption())
            return
        if self._outcome.arrived():
            return
        watch.check()
        failure = self._attempted(watch)
        if isinstance(failure, UnreachableError):
            watch.until(lambda: watch.look() is None)
        self._outcome.settle(failure, watch.interruption())

    def _attempted(self, watch: Watch) -> Exception | None:
        """The call, by other ports as long as those are taken at the target; how it failed, or None."""
        failure: Exception | None = None
        for turn in range(TURNS):
            self._outcome.clear_way()
            failure = self._perform(plan(self._handle, self._request, self._target.socket(), turn), watch)
            if not taken(failure) or watch.interruption() is not None:
                break
        return failure

    def _give_back(self) -> None:
        """See ownership.py: files that this host's libvirt took when the guest left belong to the QEMU that has it now."""
        if not self._looks.call("asking who its QEMU is", leaves_owners):
            return
        owner, files = self._target.call("asking what a guest has", lambda session: given(session, self._request.uuid))
        if files:
            self._request.target.transport.run(["chown", f"--from={ROOT}", owner, "--", *files], root=True)

    def _perform(self, route: Route, watch: Watch) -> Exception | None:
        """The call; how it failed, or None."""
        leave = self._target.call("asking who its QEMU is", leaves_owners)
        return perform(
            Link(self._handle, "migration"),
            f"migrating a domain to host {self._request.target.name}",
            lambda session: self._call(session, route, leave),
            watch,
        )

    def _call(self, session: Session, route: Route, leave_owners: bool) -> None:
        domain = domains.require(session, self._request.uuid, self._handle.name)
        parameters = route.typed(session.lib)
        asked = self._request
        there = There(
            paths=dict(asked.disk_paths), booted=Booted(asked.kernel, asked.initrd), leave_owners=leave_owners,
            pins=asked.pins, host_nodes=asked.host_nodes,
        )  # fmt: skip
        for name, xml in moved_definitions(session.lib, domain, there).items():
            parameters[getattr(session.lib, name)] = xml
        domain.migrateToURI3(route.uri, parameters, route.flag_bits(session.lib))
