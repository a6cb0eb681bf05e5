"""A domain's memory in a file, and the domain that goes on from there.

libvirt keeps a memory itself (a managed save, which the domain's next start takes up), or writes it where it is told. The
domain's disks are not in it: whoever restores sees to it that nobody wrote to them meanwhile.
"""

from __future__ import annotations

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Progress
from nebula.drivers.hypervisor.libvirt import domains
from nebula.drivers.hypervisor.libvirt.connection import Lanes, Link, Session
from nebula.drivers.hypervisor.libvirt.migration_xml import Booted, with_booted, with_paths
from nebula.drivers.hypervisor.libvirt.ownership import leaves_owners, with_owners
from nebula.drivers.hypervisor.libvirt.watching import Watch, perform
from nebula.errors import ConflictError, UnreachableError
from nebula.model.domain import DomainSpec


class Saving:
    """One save, to libvirt's own place (`path` "") or to a file."""

    def __init__(self, handle: HostHandle, uuid: str, path: str, looks: Lanes) -> None:
        self._handle, self._uuid, self._path, self._looks = handle, uuid, path, looks

    def run(self, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.save."""
        watch = Watch(self._looks, self._uuid, "SAVE", timeouts.MEMORY, progress, cancel)
        failure: Exception | None = None
        if watch.look() is not None:
            watch.until(lambda: watch.look() is None)
        elif not self._saved():
            watch.check()
            failure = perform(Link(self._handle, "memory"), "saving a domain's memory", self._save, watch)
            if isinstance(failure, UnreachableError):
                watch.until(lambda: watch.look() is None)
        if self._saved():
            return
        raise failure or watch.interruption() or self._off()

    def _save(self, session: Session) -> None:
        domain = domains.require(session, self._uuid, self._handle.name)
        if not domain.isActive():
            if not domain.hasManagedSaveImage():
                raise self._off()
            domain.createWithFlags(session.lib.VIR_DOMAIN_START_PAUSED)
        if self._path:
            domain.saveFlags(self._path, None, session.lib.VIR_DOMAIN_SAVE_RUNNING)
        else:
            domain.managedSave(session.lib.VIR_DOMAIN_SAVE_RUNNING)

    def _saved(self) -> bool:
        return self._looks.call("looking for a domain's memory", self._is_saved)

    def _is_saved(self, session: Session) -> bool:
        domain = domains.require(session, self._uuid, self._handle.name)
        if domain.isActive():
            return False
        kept = bool(domain.hasManagedSaveImage())
        return kept if not self._path else not kept and whole(session, self._path)

    def _off(self) -> ConflictError:
        return ConflictError(
            f"domain {self._uuid} on host {self._handle.name} has no memory that could be saved", cause="it is off"
        )


def whole(session: Session, path: str) -> bool:
    """Whether the file holds a memory that was written to its end."""
    try:
        session.conn.saveImageGetXMLDesc(path)
    except session.lib.libvirtError:
        if not session.alive():
            raise
        return False
    return True


def restore(session: Session, spec: DomainSpec, xml: str, path: str, host: str, *, paused: bool) -> None:
    """See Hypervisor.restore; `xml` is the definition made of `spec`."""
    domain = domains.find(session, spec.uuid)
    if domain is not None and domain.isActive():
        return
    if path:
        _restore_from(session, spec, xml, path, host, paused=paused)
    elif domain is not None and domain.hasManagedSaveImage():
        domain.createWithFlags(session.lib.VIR_DOMAIN_START_PAUSED if paused else 0)
    else:
        raise _no_memory(spec, host)


def _restore_from(session: Session, spec: DomainSpec, xml: str, path: str, host: str, *, paused: bool) -> None:
    if not whole(session, path):
        raise _no_memory(spec, host, path)
    lib, conn = session
    saved = conn.saveImageGetXMLDesc(path, lib.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE)
    moved = with_paths(saved, {disk.target: disk.path for disk in spec.disks})
    here = with_owners(with_booted(moved, Booted(spec.kernel, spec.initrd)), leaves_owners(session))
    domains.define(session, spec, xml, host)
    conn.restoreFlags(path, here, lib.VIR_DOMAIN_SAVE_PAUSED if paused else lib.VIR_DOMAIN_SAVE_RUNNING)


def _no_memory(spec: DomainSpec, host: str, path: str = "") -> ConflictError:
    cause = f"{path} is missing, or was not written to its end" if path else "the host keeps none for it"
    return ConflictError(f"domain {spec.name} on host {host} has no memory to go on from", cause=cause)
