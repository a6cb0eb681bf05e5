"""image.create: fetch, bring to a host, probe, take in. image.remove: its file goes from every host."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nebula.drivers.base import Datastore, HostHandle
from nebula.engine.context import MAX_ISO
from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations.image_copies import SHARED_COPY, add_copy
from nebula.engine.jobs.operations.luns import register
from nebula.engine.lifecycle.moves import move
from nebula.engine.lifecycle.states import ImageState, VmState
from nebula.engine.lifecycle.table import CLONING_FAILURE, HOLD, PENDING
from nebula.engine.machines.disks import image_spec, rounded
from nebula.engine.machines.machine import body_of, machine_of
from nebula.engine.store.rows import DatastoreRow, ImageCopyRow, ImageRow, VmRow
from nebula.errors import NotFoundError
from nebula.model.storage import FILES, Format, ImageSpec

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


_LIMITS = {"context": MAX_ISO, "kernel": 4 << 30, "ramdisk": 4 << 30}
"""Bytes: a CD's, and what a machine has below 4 GiB."""


def parts(context: JobContext) -> tuple[ImageRow, Datastore, HostHandle]:
    """The job's image, its datastore, and the host on which its file is made."""
    read = context.services.store.read()
    image = read.get(ImageRow, context.job.target_id)
    driver = context.services.pool.datastore(read.get(DatastoreRow, image.datastore_id))
    return image, driver, context.handle(context.job.args["host"])


def _staging(context: JobContext) -> Path:
    folder = context.services.home / "staging"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"image-{context.job.target_id}"


def _fetch(context: JobContext) -> None:
    args = context.job.args
    if not (args.get("path") or args.get("url")):
        return
    from nebula.images.fetch import LIMIT, fetch

    kind = context.services.store.read().get(ImageRow, context.job.target_id).type
    fetched = fetch(
        args.get("path") or args["url"],
        _staging(context),
        checksum=args.get("checksum", ""),
        checksum_url=args.get("checksum_url", ""),
        limit=_LIMITS.get(kind, LIMIT),
        packed=kind in FILES,
        progress=context.report,
        cancel=context.cancel,
    )
    context.save(fetched=str(fetched.path))


def _unfetch(context: JobContext) -> None:
    folder = _staging(context).parent
    for leftover in folder.glob(f"image-{context.job.target_id}*"):
        leftover.unlink(missing_ok=True)


def _bring(context: JobContext) -> None:
    image, driver, host = parts(context)
    spec = image_spec(image)
    if driver.capabilities.registers:
        _register(context, image, driver, host)
        return
    if context.facts.get("probed") and driver.has_image(host, _whole(context, spec)):
        driver.abandon(host, context.work_name)
        return
    if not (context.job.args.get("path") or context.job.args.get("url")):
        made = msgspec.structs.replace(spec, format=_kept_as(driver, spec.format))
        driver.create_empty(host, made)
        context.save(size=rounded(image.size, driver.capabilities.unit), format=made.format, probed=True)
        return
    staged = _upload(context, driver, host, spec)
    if image.type in FILES:  # nobody ever takes it for a disk: what is in it is the guest's own affair
        context.save(size=Path(context.facts["fetched"]).stat().st_size, format="raw", probed=True)
    else:
        probe = driver.probe(host, staged, str(context.job.args.get("format", "")))
        context.save(
            size=rounded(probe.virtual_size, driver.capabilities.unit), format=_kept_as(driver, probe.format), probed=True
        )
    driver.take_in(host, _whole(context, spec), staged, job=context.work_name, progress=context.report, cancel=context.cancel)


def _upload(context: JobContext, driver: Datastore, host: HostHandle, spec: ImageSpec) -> str:
    staged = driver.staging_path(host, spec)
    host.transport.upload(Path(context.facts["fetched"]), staged, progress=context.report, cancel=context.cancel, root=True)
    return staged


def _register(context: JobContext, image: ImageRow, driver: Datastore, host: HostHandle) -> None:
    """The image is its LUN, into which what was fetched is written; that is done anew where it may have been cut off."""
    whole = register(context, image, driver, host)
    if context.facts.get("fetched") and not context.facts.get("probed"):
        staged = _upload(context, driver, host, whole)
        driver.probe(host, staged, str(context.job.args.get("format", "")))
        driver.take_in(host, whole, staged, job=context.work_name, progress=context.report, cancel=context.cancel)
    context.save(size=whole.size, format=whole.format, probed=True)


def _kept_as(driver: Datastore, form: Format) -> Format:
    """The format in which the datastore keeps what comes, or is asked for, in that format."""
    formats = driver.capabilities.formats
    return form if form in formats else formats[0]


def _unbring(context: JobContext) -> None:
    image, driver, host = parts(context)
    spec = image_spec(image)
    driver.abandon(host, context.work_name)
    for known in {spec, _whole(context, spec)}:
        driver.remove_image(host, known)


def _whole(context: JobContext, spec: ImageSpec) -> ImageSpec:
    """The image as it was found to be, once it was looked at."""
    facts = context.facts
    return msgspec.structs.replace(spec, size=facts.get("size", spec.size), format=facts.get("format", spec.format))


def _tidy(context: JobContext) -> None:
    _unfetch(context)


class Create:
    """LOCKED until it ends in READY, or in ERROR with the reason."""

    kind = "image.create"
    steps = (Step("fetch", _fetch, _unfetch), Step("bring to host", _bring, _unbring), Step("tidy up", _tidy))

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The image; copies per host."""
        return Lock(f"image:{job.target_id}", 1), Lock(f"host:{job.args['host']}:copy", settings.copies_per_host)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """READY; VMs that waited for it go on."""
        image = transaction.get(ImageRow, job.target_id)
        datastore = transaction.get(DatastoreRow, image.datastore_id)
        shared = services.pool.datastore(datastore).capabilities.shared
        add_copy(transaction, image.id, SHARED_COPY if shared else job.args["host"])
        mark_ready(transaction, image, job, size=job.facts["size"], format=job.facts["format"])

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """ERROR."""
        mark_failed(transaction, job, message)


def mark_ready(tx: Transaction, image: ImageRow, job: JobRow, **facts: Any) -> None:
    """READY, or in use by the VMs that waited for it and go on now."""
    used = ImageState.USED_PERS if image.persistent else ImageState.USED
    state = used if image.running_vms else ImageState.READY
    tx.swap(image, state=int(state), error="", **facts)
    tx.event("image.state", "image", image.id, actor=job.actor, name=image.name, after=state.name)
    wake_waiting(tx, image, good=True)


def mark_failed(tx: Transaction, job: JobRow, message: str, image_id: int = 0) -> None:
    """ERROR, with the reason; so are VMs that waited for it. `image_id` 0: the image that the job is about."""
    image = tx.first(ImageRow, '"id"=?', (image_id or job.target_id,))
    if image is None:
        return
    text = f"{message}: {job.error.get('cause', '')}".rstrip(": ")
    tx.swap(image, state=int(ImageState.ERROR), error=text[:1000])
    tx.event("image.state", "image", image.id, actor=job.actor, name=image.name, after="ERROR", error=text[:500])
    wake_waiting(tx, image, good=False)


def wake_waiting(tx: Transaction, image: ImageRow, *, good: bool) -> None:
    """VMs in CLONING whose last missing image this was become PENDING (or HOLD), or CLONING_FAILURE."""
    for vm in tx.select(VmRow, '"state"=?', (int(VmState.CLONING),)):
        machine = machine_of(vm)
        if all(disk.image_id != image.id for disk in machine.disks):
            continue
        if not good:
            move(tx, vm, CLONING_FAILURE, reason=f"image {image.name} is in ERROR")
            continue
        for disk in machine.disks:
            if disk.image_id == image.id:
                disk.image = image_spec(image)
                disk.format = image.format
        tx.swap(vm, body=body_of(machine))
        if not _missing(tx, [disk.image_id for disk in machine.disks if disk.image_id > 0]):
            move(tx, vm, HOLD if machine.hold else PENDING)


def _missing(tx: Transaction, ids: list[int]) -> bool:
    return any(tx.get(ImageRow, number).state == ImageState.LOCKED for number in ids)


def _remove(context: JobContext) -> None:
    read = context.services.store.read()
    try:
        image = read.get(ImageRow, context.job.target_id)
    except NotFoundError:
        return
    driver = context.services.pool.datastore(read.get(DatastoreRow, image.datastore_id))
    for copy in read.select(ImageCopyRow, '"image_id"=?', (image.id,)):
        host_id = context.job.args["host"] if copy.host_id == SHARED_COPY else copy.host_id
        driver.remove_image(context.handle(host_id), image_spec(image))
        context.services.store.write(partial(_forget_copy, copy))


def _forget_copy(copy: ImageCopyRow, tx: Transaction) -> None:
    tx.delete(copy)


class Remove:
    """The row goes when no host has the file any more."""

    kind = "image.remove"
    steps = (Step("remove files", _remove),)

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The image."""
        return (Lock(f"image:{job.target_id}", 1),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Gone."""
        try:
            image = transaction.get(ImageRow, job.target_id)
        except NotFoundError:
            return
        transaction.delete(image)
        transaction.event("image.removed", "image", image.id, actor=job.actor, name=image.name)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """ERROR: it can be removed again."""
        image = transaction.first(ImageRow, '"id"=?', (job.target_id,))
        if image is None:
            return
        transaction.swap(image, state=int(ImageState.ERROR), error=message[:1000])


CREATE = Create()
REMOVE = Remove()
