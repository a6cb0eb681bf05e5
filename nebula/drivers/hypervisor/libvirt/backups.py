"""Backups of running domains: QEMU copies the disks as they are at one moment, and remembers what is written from then on.

libvirt's backup job goes on without us. That a checkpoint of the backup's name is there means that it was begun. Where a
checkpoint's record was lost (the guest came from another host) its bitmaps may be left in the disks: the record is made anew to
delete them with it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Progress
from nebula.drivers.hypervisor.libvirt import domains
from nebula.drivers.hypervisor.libvirt.connection import Lanes, Session
from nebula.drivers.hypervisor.libvirt.xml.tree import node, parse, write
from nebula.errors import ConflictError, InterruptedByUser, NotFoundError, TimedOutError
from nebula.model.backup import BackupRequest

PREFIX = "nebula-"
"""What checkpoints of ours are called."""
_POLL = 0.5
_REMOVE = '''qemu-img info -U -f qcow2 --output=json -- "$1" 2>/dev/null | grep -qF "\\"name\\": \\"$2\\"" || exit 0
exec qemu-img bitmap --remove -f qcow2 -- "$1" "$2"'''


def begin(session: Session, request: BackupRequest, host: str) -> bool:
    """See Hypervisor.begin_backup."""
    domain = domains.require(session, request.uuid, host)
    if not domain.isActive():
        raise ConflictError(f"domain {domain.name()} on host {host} is off: QEMU copies nothing of it")
    _thaw(session, domain)  # an engine may have died before it could
    if _under_way(session, domain) or (request.checkpoint and request.checkpoint in _checkpoints(domain)):
        return False
    if request.since and request.since not in _checkpoints(domain):
        raise NotFoundError(f"domain {domain.name()} on host {host} has no checkpoint {request.since}")
    quiet = request.freeze and _freeze(session, domain)
    try:
        domain.backupBegin(_backup(domain, request), _checkpoint(domain, request) if request.checkpoint else None, 0)
    finally:
        if quiet:
            _thaw(session, domain)
    return quiet


def _backup(domain: Any, request: BackupRequest) -> str:
    wanted, disks = dict(request.targets), node("disks")
    for name in _disk_names(domain):
        if name in wanted:
            file, driver = node("target", file=wanted[name]), node("driver", type_="qcow2")
            disks.append(node("disk", file, driver, name=name, backup="yes", type_="file"))
        else:
            disks.append(node("disk", name=name, backup="no"))
    since = [node("incremental", text=request.since)] if request.since else []
    return write(node("domainbackup", *since, disks, mode="push"))


def _checkpoint(domain: Any, request: BackupRequest, created: str = "") -> str:
    wanted, disks = dict(request.targets), node("disks")
    for name in _disk_names(domain):
        if name in wanted:
            disks.append(node("disk", name=name, checkpoint="bitmap", bitmap=request.checkpoint))
        else:
            disks.append(node("disk", name=name, checkpoint="no"))
    when = [node("creationTime", text=created)] if created else []
    return write(node("domaincheckpoint", node("name", text=request.checkpoint), *when, disks))


def _disk_names(domain: Any) -> list[str]:
    live = parse(domain.XMLDesc(0), "a domain's definition")
    return [target.get("dev", "") for target in live.iterfind("devices/disk/target")]


class Following:
    """A backup job, watched until its end."""

    def __init__(self, looks: Lanes, uuid: str, host: str) -> None:
        self._looks, self._uuid, self._host = looks, uuid, host

    def run(self, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.follow_backup."""
        end = time.monotonic() + timeouts.BACKUP
        while not self._looks.call("asking for a backup's progress", lambda session: self._ended(session, progress)):
            if cancel is not None and cancel.is_set():
                raise InterruptedByUser(cancel.reason or "cancelled")
            if time.monotonic() > end:
                raise TimedOutError(f"the backup did not end within {timeouts.BACKUP:.0f} s")
            time.sleep(_POLL)

    def _ended(self, session: Session, progress: Progress | None) -> bool:
        domain = domains.require(session, self._uuid, self._host)
        lib = session.lib
        if _under_way(session, domain):
            job = domain.jobStats()
            if progress is not None and job.get("disk_total"):
                progress(int(job.get("disk_processed", 0)), int(job["disk_total"]))
            return False
        flags = lib.VIR_DOMAIN_JOB_STATS_COMPLETED | lib.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
        done = domain.jobStats(flags) if domain.isActive() else {}
        if done.get("operation") == lib.VIR_DOMAIN_JOB_OPERATION_BACKUP and done.get("success"):
            return True
        why = str(
            done.get("errmsg") or ("the guest was ended" if not domain.isActive() else "libvirt knows nothing of its end")
        )
        raise ConflictError(f"the disks of domain {domain.name()} on host {self._host} were not copied whole", cause=why)


def end(session: Session, uuid: str, checkpoint: str) -> list[str]:
    """See Hypervisor.end_backup. Deleting the last checkpoint gives what it knows to the one before. Returns as `forget`."""
    domain = domains.find(session, uuid)
    if domain is None:
        return []
    if domain.isActive():
        _thaw(session, domain)
        patience = time.monotonic() + timeouts.LIBVIRT_CALL / 2
        while _under_way(session, domain) and time.monotonic() < patience:
            with contextlib.suppress(session.lib.libvirtError):  # it ended meanwhile
                domain.abortJob()
            time.sleep(0.1)
    return forget(session, uuid, checkpoint) if checkpoint else []


def forget(session: Session, uuid: str, checkpoint: str) -> list[str]:
    """See Hypervisor.forget_checkpoint. Returns the disks of a guest that is off: at its end QEMU wrote bitmaps into them."""
    domain, lib = domains.find(session, uuid), session.lib
    if domain is None:
        return []
    known = checkpoint in _checkpoints(domain)
    if not domain.isActive():
        if known:
            domain.checkpointLookupByName(checkpoint).delete(lib.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY)
        return _qcow2_files(domain)
    if not known and not _record_again(session, domain, checkpoint):
        return []
    found = domain.checkpointLookupByName(checkpoint)
    try:
        found.delete(0)
    except lib.libvirtError:  # its bitmaps are gone
        found.delete(lib.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY)
    return []


def remove_bitmaps(handle: HostHandle, checkpoint: str, files: Sequence[str]) -> None:
    """Take a checkpoint's bitmaps out of the disks of a guest that is off. One that stays does no harm: it is no failure."""
    for file in files:
        handle.transport.run(["sh", "-c", _REMOVE, "nebula-bitmap", file, checkpoint], root=True, check=False)


def _qcow2_files(domain: Any) -> list[str]:
    defined = parse(domain.XMLDesc(0), "a domain's definition")
    sources = [
        disk.find("source") for disk in defined.iterfind("devices/disk") if disk.find("driver[@type='qcow2']") is not None
    ]
    return [source.get("file", "") for source in sources if source is not None and source.get("file")]


def forget_of(session: Session, uuid: str) -> None:
    """The same for a guest that is about to leave, unless it does already."""
    domain = domains.find(session, uuid)
    if domain is not None and domain.isActive() and domain.jobInfo()[0] == session.lib.VIR_DOMAIN_JOB_NONE:
        forget_all(session, domain)


def forget_all(session: Session, domain: Any) -> None:
    """QEMU goes back to no snapshot while it remembers what is written: the next backup is a full one."""
    for name in _checkpoints(domain):
        if name.startswith(PREFIX):
            forget(session, domain.UUIDString(), name)


def _record_again(session: Session, domain: Any, checkpoint: str) -> bool:
    """Whether there is something to forget of a checkpoint of which libvirt has no record."""
    disks = parse(domain.XMLDesc(0), "a domain's definition").iterfind("devices/disk")
    names = [
        disk.find("target").get("dev", "")  # type: ignore[union-attr]
        for disk in disks
        if disk.find("driver[@type='qcow2']") is not None and disk.find("readonly") is None
    ]
    lib = session.lib
    flags = lib.VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE | lib.VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE
    for chosen in (names, *([name] for name in names)):
        request = BackupRequest(uuid="", targets=tuple((name, "") for name in chosen), checkpoint=checkpoint)
        with contextlib.suppress(lib.libvirtError):  # that disk has no such bitmap
            domain.checkpointCreateXML(_checkpoint(domain, request, created="1"), flags)
            return True
    return False


def _checkpoints(domain: Any) -> list[str]:
    return [one.getName() for one in domain.listAllCheckpoints(0)]


def _under_way(session: Session, domain: Any) -> bool:
    if not domain.isActive():
        return False
    job = domain.jobStats()
    busy = job.get("type") in (session.lib.VIR_DOMAIN_JOB_BOUNDED, session.lib.VIR_DOMAIN_JOB_UNBOUNDED)
    return busy and job.get("operation") == session.lib.VIR_DOMAIN_JOB_OPERATION_BACKUP


def _agent(domain: Any) -> bool:
    live = parse(domain.XMLDesc(0), "a domain's definition")
    return live.find("devices/channel/target[@name='org.qemu.guest_agent.0'][@state='connected']") is not None


def _freeze(session: Session, domain: Any) -> bool:
    """Whether the agent did; one that cannot leaves the disks as after a power cut."""
    if not _agent(domain):
        return False
    try:
        domain.fsFreeze()
    except session.lib.libvirtError:
        _thaw(session, domain)
        return False
    return True


def _thaw(session: Session, domain: Any) -> None:
    if _agent(domain):
        with contextlib.suppress(session.lib.libvirtError):  # it does nothing where nothing is frozen
            domain.fsThaw()
