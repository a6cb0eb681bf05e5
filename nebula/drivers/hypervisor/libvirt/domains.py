"""Domains of one host: found, defined, started, ended. Every function looks before it acts, so it may be called again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.reality import may_be_incoming, state_of
from nebula.drivers.hypervisor.libvirt.xml.metadata import NAMESPACE, vm_id_of
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.errors import ConflictError, NotFoundError
from nebula.model.domain import DomainReality, DomainSpec, DomainState

LIBVIRT_FILES = "/var/lib/libvirt/"
"""Where libvirt keeps what nobody told it where to keep."""


def find(session: Session, uuid: str) -> Any | None:
    """Libvirt's domain of that UUID, or None."""
    try:
        return session.conn.lookupByUUIDString(uuid)
    except session.lib.libvirtError as error:
        if error.get_error_code() != session.lib.VIR_ERR_NO_DOMAIN:
            raise
        return None


def require(session: Session, uuid: str, host: str) -> Any:
    """Libvirt's domain of that UUID; NotFoundError if there is none."""
    domain = find(session, uuid)
    if domain is None:
        raise NotFoundError(f"host {host} has no domain {uuid}", hint=f"nebula host show {host}")
    return domain


def lookup(session: Session, uuid: str) -> DomainReality | None:
    """The domain as it is now; None if it is not there, or vanished while we looked."""
    domain, found = find(session, uuid), None
    if domain is not None:
        with vanished(session):
            found = reality(session, domain)
    return found


class Census:
    """All domains of a host in a handful of calls; remembers which VM an UUID is, as that never changes."""

    def __init__(self) -> None:
        self._vm_ids: dict[str, int] = {}

    def take(self, session: Session) -> list[DomainReality]:
        """All domains, ours and others'."""
        lib, conn = session
        persistent = {domain.UUIDString() for domain in conn.listAllDomains(lib.VIR_CONNECT_LIST_DOMAINS_PERSISTENT)}
        records = conn.getAllDomainStats(lib.VIR_DOMAIN_STATS_STATE, lib.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)
        found = []
        saved: set[str] | None = None
        for domain, record in records:
            with vanished(session):
                numbers = record.get("state.state", 0), record.get("state.reason", 0)
                if saved is None and state_of(*numbers)[0] is DomainState.SHUTOFF:
                    with_memory = conn.listAllDomains(lib.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
                    saved = {one.UUIDString() for one in with_memory}
                found.append(self._one(session, domain, numbers, persistent, saved or set()))
        self._vm_ids = {item.uuid: item.vm_id for item in found if item.vm_id is not None}
        return found

    def _one(
        self, session: Session, domain: Any, numbers: tuple[int, int], persistent: set[str], saved: set[str]
    ) -> DomainReality:
        uuid = domain.UUIDString()
        known = self._vm_ids.get(uuid)
        return _reality(
            session,
            domain,
            numbers,
            persistent=uuid in persistent,
            vm_id=known if known is not None else _vm_id(session, domain),
            saved=uuid in saved,
        )


def reality(session: Session, domain: Any) -> DomainReality:
    """One domain as it is now."""
    state, reason, *_ = domain.state()
    return _reality(
        session,
        domain,
        (state, reason),
        persistent=bool(domain.isPersistent()),
        vm_id=_vm_id(session, domain),
        saved=state_of(state, reason)[0] is DomainState.SHUTOFF and bool(domain.hasManagedSaveImage()),
    )


def _reality(
    session: Session, domain: Any, numbers: tuple[int, int], *, persistent: bool, vm_id: int | None, saved: bool
) -> DomainReality:
    state, reason = state_of(*numbers)
    return DomainReality(
        uuid=domain.UUIDString(),
        name=domain.name(),
        state=state,
        reason=reason,
        persistent=persistent,
        vm_id=vm_id,
        incoming=may_be_incoming(state, reason) and (not persistent or _receives(session, domain)),
        saved=saved,
    )


def _receives(session: Session, domain: Any) -> bool:
    """Whether a migration into this host is under way; needed where a stale definition makes the guest persistent."""
    return bool(domain.jobStats().get("operation") == session.lib.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN)


def _vm_id(session: Session, domain: Any) -> int | None:
    try:
        text = domain.metadata(session.lib.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE)
    except session.lib.libvirtError as error:
        if error.get_error_code() != session.lib.VIR_ERR_NO_DOMAIN_METADATA:
            raise
        return None
    return vm_id_of(text)


@contextlib.contextmanager
def vanished(session: Session) -> Iterator[None]:
    """A domain that is gone by the time it is asked is no failure."""
    try:
        yield
    except session.lib.libvirtError as error:
        if error.get_error_code() != session.lib.VIR_ERR_NO_DOMAIN:
            raise


def start(session: Session, spec: DomainSpec, xml: str, host: str) -> None:
    """See Hypervisor.start; `xml` is the definition made of `spec`."""
    domain = find(session, spec.uuid)
    if domain is not None and domain.isActive():
        refuse_remains(reality(session, domain), host)
        return
    if domain is None or not domain.hasManagedSaveImage():
        domain = define(session, spec, xml, host)
    try:
        domain.create()
    except session.lib.libvirtError:
        if not domain.isActive():
            raise


def define(session: Session, spec: DomainSpec, xml: str, host: str) -> Any:
    """The domain, off, defined anew."""
    _refuse_name_taken(session, spec, host)
    domain = find(session, spec.uuid)
    if domain is not None and domain.name() != spec.name:
        domain.undefineFlags(_undefine_flags(session.lib, keep_nvram=True))
    return session.conn.defineXMLFlags(xml, session.lib.VIR_DOMAIN_DEFINE_VALIDATE if spec.raw_validate else 0)


def refuse_remains(found: DomainReality, host: str) -> None:
    """ConflictError for what a migration into the host left there."""
    if found.incoming:
        raise ConflictError(
            f"domain {found.name} on host {host} is what a migration into it left behind",
            cause=f"it is {found.state} ({found.reason})",
            hint=f"virsh destroy {found.name}   (on {host}, when the guest runs nowhere else)",
        )


def _refuse_name_taken(session: Session, spec: DomainSpec, host: str) -> None:
    try:
        other = session.conn.lookupByName(spec.name)
    except session.lib.libvirtError as error:
        if error.get_error_code() != session.lib.VIR_ERR_NO_DOMAIN:
            raise
        return
    if other.UUIDString() != spec.uuid:
        raise ConflictError(
            f"another domain is called {spec.name} on host {host}",
            cause=f"its UUID is {other.UUIDString()}, not {spec.uuid}",
            hint=f"virsh undefine {spec.name}   (on {host}, if nobody needs it)",
        )


def destroy(session: Session, uuid: str) -> None:
    """Off, hard. Off already, or not there: nothing."""
    domain = find(session, uuid)
    if domain is None:
        return
    with vanished(session):
        if domain.isActive():
            _destroy(session, domain)


def _destroy(session: Session, domain: Any) -> None:
    try:
        domain.destroy()
    except session.lib.libvirtError:
        if domain.isActive():
            raise


def undefine(session: Session, uuid: str, host: str) -> None:
    """Forget a domain that is off. Not there: nothing; ConflictError if it runs."""
    domain = find(session, uuid)
    if domain is None:
        return
    if domain.isActive():
        raise ConflictError(
            f"domain {domain.name()} on host {host} cannot be forgotten",
            cause="it is not off",
            hint=f"virsh domstate --reason {domain.name()}   (on {host})",
        )
    with vanished(session):
        domain.undefineFlags(_undefine_flags(session.lib, keep_nvram=_has_own_nvram(domain)))


def _has_own_nvram(domain: Any) -> bool:
    """Whether its UEFI variables lie beside its disks: then they are the datastore's, and another host may use them by now."""
    path = parse(domain.XMLDesc(), "a domain's definition").findtext("os/nvram", "")
    return bool(path) and not path.startswith(LIBVIRT_FILES)


def _undefine_flags(lib: Any, *, keep_nvram: bool = False) -> int:
    nvram = lib.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM if keep_nvram else lib.VIR_DOMAIN_UNDEFINE_NVRAM
    return int(
        lib.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | lib.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | lib.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | nvram
    )
