"""Images of the façade."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from nebula.engine.api.values import Accepted, Call, CatalogueEntry, Detail
from nebula.engine.context import file_references
from nebula.engine.jobs.operations.image_copies import SHARED_COPY
from nebula.engine.lifecycle.states import ImageState
from nebula.engine.local.access import belongs
from nebula.engine.local.attributes import with_attributes
from nebula.engine.local.base import OwnedNoun, free_name, resolve
from nebula.engine.local.luns import DISKS, lun_named, makes, require_making
from nebula.engine.machines.hardware.system import boot_files
from nebula.engine.machines.machine import machine_of
from nebula.engine.secrets import hide
from nebula.engine.store.rows import DatastoreRow, HostRow, ImageCopyRow, ImageRow, JobRow, VmRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import ConflictError, UsageError
from nebula.model.storage import BOOTED, FILES
from nebula.units import parse_size

if TYPE_CHECKING:
    from pathlib import Path

_TYPES = ("os", "datablock", "cdrom", "context", "kernel", "ramdisk")
MAX_SIZE = 64 << 40
_WHOLE = (ImageState.READY, ImageState.USED, ImageState.USED_PERS)


class LocalImages(OwnedNoun):
    """See nebula.engine.api.verbs.Images."""

    noun = "image"
    kind = ImageRow

    def show(self, ref: str) -> Detail:
        """One image, and which hosts have its file."""
        queries = self._store.read()
        row = resolve(queries, ImageRow, ref)
        datastore = queries.get(DatastoreRow, row.datastore_id)
        copies = queries.select(ImageCopyRow, '"image_id"=?', (row.id,))
        names = {host.id: host.name for host in queries.select(HostRow)}
        body = {
            "id": row.id,
            "name": row.name,
            "uuid": row.uuid,
            "state": ImageState(row.state).name,
            "error": row.error,
            "type": row.type,
            "format": row.format,
            "size": row.size,
            "persistent": bool(row.persistent),
            "datastore": datastore.name,
            "vms": row.running_vms,
            **belongs(row),
            "created": row.created,
            "copies_on": [names.get(copy.host_id, "shared storage") for copy in copies],
            **hide(row.body),
        }
        return Detail(kind="image", id=row.id, name=row.name, body=body)

    def catalogue(self) -> list[CatalogueEntry]:
        """Images that anybody can fetch by name."""
        from nebula.images.catalogue import catalogue
        from nebula.images.mirrors import Mirrors

        at = Mirrors.load(self._services.home).place_of
        return [
            CatalogueEntry(name=item.name, description=item.description, url=at(item.url), user=item.user, arch=item.arch)
            for item in catalogue()
        ]

    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """See Images.create."""
        kind = str(spec.get("type") or "os").lower()
        if kind not in _TYPES:
            raise UsageError(f"{kind[:40]!r} is no type of image", hint=f"one of: {', '.join(_TYPES)}")
        content = _source(spec, self._services.home)
        if kind in FILES:
            _check_file(spec, kind)

        def work(tx: Transaction) -> Accepted:
            datastore = self._datastore(tx, spec)
            lun = lun_named(tx, self._services, datastore, spec, self.person)
            if kind in BOOTED:
                self._require_plain_files(datastore, kind)
            host = self._host(tx, spec, datastore)
            row = tx.insert(
                ImageRow(
                    name=free_name(tx, ImageRow, str(spec.get("name", ""))),
                    uuid=self._services.new_uuid(),
                    datastore_id=datastore.id,
                    type=kind,
                    format="raw" if lun else _format(spec, kind),
                    size=int(content.get("size", 0)),
                    state=int(ImageState.LOCKED),
                    persistent=int(bool(lun or spec.get("persistent"))),
                    **self._belongs(call),
                    created=tx.now,
                    body={
                        "source": content.get("path") or without_login(str(content.get("url", ""))) or lun or "empty",
                        "description": str(spec.get("description") or ""),
                        "user": content.get("user", ""),
                        **({"lun": lun} if lun else {}),
                        **(with_attributes({}, spec["attributes"]) if spec.get("attributes") else {}),
                    },
                )
            )
            tx.event("image.created", "image", row.id, actor=call.actor, name=row.name)
            args = {**content, "host": host.id, "format": str(spec.get("format") or "")}
            job = self._file(tx, "image.create", row.id, call, args)
            what = f"make LUN {lun} image {row.name} of" if lun else f"bring image {row.name} to"
            would = (f"{what} datastore {datastore.name} on host {host.name}",) if call.dry_run else ()
            return Accepted(kind="image", id=row.id, name=row.name, job_id=job.id, would=would)

        return self._change(call, work)

    def _require_plain_files(self, datastore: DatastoreRow, kind: str) -> None:
        driver = self._services.pool.datastore(datastore)
        if not driver.capabilities.plain_files:
            raise ConflictError(
                f"datastore {datastore.name} has no files, and QEMU reads a {kind} as one",
                cause=f"its images are devices (driver {datastore.driver})",
                hint="nebula datastore create files --type file, then --datastore files",
            )

    def clone(self, ref: str, name: str, call: Call, datastore: str = "", source: str = "") -> Accepted:
        """See Images.clone."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, ImageRow, ref)
            place = self._datastore(tx, {"datastore": datastore}) if datastore else tx.get(DatastoreRow, row.datastore_id)
            if place.id == row.datastore_id:
                require_making(self._services, place, "LUN is cloned")
            lun = lun_named(tx, self._services, place, {"source": source, "type": row.type}, self.person)
            copy, job = self.clone_in(tx, row, name, call, place=place, lun=lun)
            would = (f"copy image {row.name} to {copy.name}",) if call.dry_run else ()
            return Accepted(kind="image", id=copy.id, name=copy.name, job_id=job.id, would=would)

        return self._change(call, work)

    def clone_in(
        self,
        tx: Transaction,
        row: ImageRow,
        name: str,
        call: Call,
        *,
        persistent: bool = False,
        place: DatastoreRow | None = None,
        lun: str = "",
    ) -> tuple[ImageRow, JobRow]:
        """The copy and its job, in a transaction that is open already (a template is copied with its images). `place`: another
        datastore; `lun`: the LUN there that the copy is.
        """
        if row.state not in _WHOLE:
            raise ConflictError(f"image {row.name} is {ImageState(row.state).name}", hint=f"nebula image show {row.id}")
        if row.persistent and row.running_vms:
            raise ConflictError(
                f"image {row.name} is persistent and a VM writes to it",
                cause="a copy of it would be of no one moment",
                hint="nebula vm list",
            )
        host, place = self._host_of_copy(tx, row), place or tx.get(DatastoreRow, row.datastore_id)
        form = row.format if place.id == row.datastore_id else self._format_there(row, place, host)
        if not lun:
            require_making(self._services, place, "LUN is cloned")
        copy = tx.insert(
            ImageRow(
                name=free_name(tx, ImageRow, name),
                uuid=self._services.new_uuid(),
                datastore_id=place.id,
                type=row.type,
                format=form,
                size=row.size,
                state=int(ImageState.LOCKED),
                persistent=int(bool(lun) or persistent),
                **self._belongs(call),
                created=tx.now,
                body={
                    **{key: value for key, value in row.body.items() if key not in {"lun", "lun_id"}},
                    "source": f"image {row.name} ({row.id})",
                    **({"lun": lun} if lun else {}),
                },
            )
        )
        if row.persistent:
            tx.swap(row, state=int(ImageState.LOCKED))
        tx.event("image.created", "image", copy.id, actor=call.actor, name=copy.name)
        return copy, self._file(tx, "image.clone", copy.id, call, {"source": row.id, "host": host.id}, target_kind="image")

    def _format_there(self, row: ImageRow, place: DatastoreRow, host: HostRow) -> str:
        """The format of an image's copy in another datastore, which the host that copies must reach."""
        if row.type not in DISKS:
            raise ConflictError(
                f"image {row.name} is of type {row.type}: only disks are copied to another datastore",
                hint=f"nebula image create NAME --type {row.type} --path FILE --datastore {place.name}",
            )
        if place.cluster_id > 0 and place.cluster_id != host.cluster_id:
            raise ConflictError(
                f"datastore {place.name} is in another cluster than host {host.name}, which has image {row.name}",
                hint="nebula datastore list",
            )
        return self._services.pool.datastore(place).capabilities.formats[0]

    def _host_of_copy(self, tx: Transaction, row: ImageRow) -> HostRow:
        """A host that has the image and can be used."""
        copies = [copy.host_id for copy in tx.select(ImageCopyRow, '"image_id"=? ORDER BY "id"', (row.id,))]
        if SHARED_COPY in copies:
            return self._host(tx, {}, tx.get(DatastoreRow, row.datastore_id))
        usable = (tx.first(HostRow, '"id"=? AND "state" IN (2,4)', (number,)) for number in copies)
        found = next((host for host in usable if host is not None), None)
        if found is None:
            raise ConflictError(
                f"no host that has image {row.name} can be used now", hint=f"nebula image show {row.id}; nebula host list"
            )
        return found

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Another name; files are named by UUID."""
        _require_unasked(self._store.read(), resolve(self._store.read(), ImageRow, ref))
        return self._rename(ImageRow, ref, name, call)

    def persistent(self, ref: str, persistent: bool, call: Call) -> Accepted:
        """One VM writes the image itself, or each gets a copy of its own."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, ImageRow, ref)
            copies = tx.count(ImageCopyRow, '"image_id"=?', (row.id,))
            if not persistent:
                require_making(self._services, tx.get(DatastoreRow, row.datastore_id), "VM gets a copy of its own")
            if row.running_vms:
                raise ConflictError(f"image {row.name} is in use by {row.running_vms} VMs", hint="nebula vm list")
            if persistent and copies > 1:
                raise ConflictError(
                    f"image {row.name} is on {copies} hosts: a persistent image has one place",
                    hint=f"create it anew: nebula image create NAME --persistent (copies: nebula image show {row.id})",
                )
            tx.swap(row, persistent=int(persistent))
            return self._told(tx, row, "updated", call)

        return self._change(call, work)

    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """See Images.update."""
        settings = {"description": str(changes["description"] or "")} if "description" in changes else {}
        return self._set_attributes(ImageRow, ref, changes, call, settings=settings)

    def enable(self, ref: str, call: Call) -> Accepted:
        """See Images.enable."""
        return self._switch(ref, call, ImageState.READY)

    def disable(self, ref: str, call: Call) -> Accepted:
        """See Images.disable."""
        return self._switch(ref, call, ImageState.DISABLED)

    def _switch(self, ref: str, call: Call, state: ImageState) -> Accepted:
        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, ImageRow, ref)
            if row.state not in {ImageState.READY, ImageState.DISABLED}:
                used = f"{row.running_vms} VMs use it" if row.running_vms else row.error
                raise ConflictError(
                    f"image {row.name} is {ImageState(row.state).name}", cause=used, hint=f"nebula image show {row.id}"
                )
            tx.swap(row, state=int(state))
            return self._told(tx, row, "enabled" if state is ImageState.READY else "disabled", call)

        return self._change(call, work)

    def chtype(self, ref: str, kind: str, call: Call) -> Accepted:
        """See Images.chtype."""
        wanted = kind.strip().lower()

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, ImageRow, ref)
            if not {wanted, row.type} <= {*DISKS, "cdrom"}:
                raise UsageError(
                    f"image {row.name} cannot become {kind[:40]!r}",
                    cause=f"it is of type {row.type}; os, datablock and cdrom become each other",
                    hint=f"nebula image create NAME --type {wanted if wanted in _TYPES else 'TYPE'}",
                )
            if row.running_vms or row.state not in {ImageState.READY, ImageState.DISABLED}:
                raise ConflictError(
                    f"image {row.name} is {ImageState(row.state).name}", cause="VMs have it as what it is",
                    hint=f"nebula image show {row.id}",
                )  # fmt: skip
            if wanted == "cdrom" and (row.format != "raw" or row.persistent):
                why = "VMs write it (it is persistent)" if row.persistent else f"it is of format {row.format}"
                raise ConflictError(f"image {row.name} cannot be a CD", cause=why, hint="a CD is raw, and read by any number")
            tx.swap(row, type=wanted)
            return self._told(tx, row, "updated", call, changed=["type"])

        return self._change(call, work)

    def remove(self, ref: str, call: Call) -> Accepted:
        """Refused while a VM uses it."""

        def work(tx: Transaction) -> Accepted:
            return self.remove_in(tx, resolve(tx, ImageRow, ref), call)

        return self._change(call, work)

    def remove_in(self, tx: Transaction, row: ImageRow, call: Call) -> Accepted:
        """A removal inside a transaction that is open already (a template goes with its images)."""
        if row.running_vms:
            raise ConflictError(f"image {row.name} is in use by {row.running_vms} VMs", hint="nebula vm list")
        if row.state == ImageState.LOCKED:
            raise ConflictError(f"image {row.name} is being brought in", hint="nebula job list state=running")
        _require_unasked(tx, row)
        host = self._host(tx, {}, tx.get(DatastoreRow, row.datastore_id), needed=False)
        tx.swap(row, state=int(ImageState.DELETE))
        job = self._file(tx, "image.remove", row.id, call, {"host": host.id if host else -1}, target_kind="image")
        return Accepted(kind="image", id=row.id, name=row.name, job_id=job.id)

    def _datastore(self, tx: Transaction, spec: Mapping[str, Any]) -> DatastoreRow:
        if spec.get("datastore"):
            row = resolve(tx, DatastoreRow, str(spec["datastore"]))
            if row.type not in {"image", "file"}:
                raise UsageError(f"datastore {row.name} is of type {row.type}", hint="nebula datastore list type=image")
            return row
        wanted = '"type"=? AND "state"=0 ORDER BY "id"'
        of_files = tx.first(DatastoreRow, wanted, ("file",)) if str(spec.get("type") or "").lower() in FILES else None
        usual = (
            row for row in tx.select(DatastoreRow, wanted, ("image",)) if makes(self._services, row) != bool(spec.get("source"))
        )
        found = of_files or next(usual, None)
        if found is None and spec.get("source"):
            raise ConflictError("there is no datastore of LUNs", hint="nebula datastore create san --driver dev")
        if found is None:
            raise ConflictError("there is no image datastore", hint="nebula datastore create images --type image")
        return found

    def host_for(self, tx: Transaction, datastore: DatastoreRow) -> HostRow:
        """The host to which a new image of the datastore comes first."""
        return self._host(tx, {}, datastore)

    def _host(self, tx: Transaction, spec: Mapping[str, Any], datastore: DatastoreRow, *, needed: bool = True) -> HostRow:
        if spec.get("host"):
            return resolve(tx, HostRow, str(spec["host"]))
        where = '"state" IN (2,4)'
        if datastore.cluster_id > 0:
            where += f' AND "cluster_id"={int(datastore.cluster_id)}'
        found = tx.select(HostRow, f'{where} ORDER BY "id"')
        local = [row for row in found if row.transport == "local"]
        if found:
            return (local or found)[0]
        if needed:
            raise ConflictError("no host is there to take the image", hint="nebula host add NAME --address ADDRESS")
        return HostRow(id=-1, name="", cluster_id=-1, state=0)


def _require_unasked(queries: Queries, row: ImageRow) -> None:
    """ConflictError for a file that VMs ask for by its name: each start of theirs reads it anew."""
    if row.type not in FILES:
        return
    names = {row.name, str(row.id)}
    for vm in queries.select(VmRow, '"state"<>6'):
        machine = machine_of(vm)
        if row.type != "context" and boot_files(machine.template).get(row.type) in names:
            raise ConflictError(
                f"VM {vm.name} ({vm.id}) boots from image {row.name}",
                hint=f"nebula vm terminate {vm.id}, or give it another one while it is off: nebula vm update {vm.id} -f FILE",
            )
        asked = machine.context.get("FILES_DS", "") if row.type == "context" else ""
        if asked and names & set(file_references(asked)):
            raise ConflictError(
                f"image {row.name} goes on the context CD of VM {vm.name} ({vm.id})",
                hint=f"nebula vm update {vm.id} --context FILES_DS=   (then the file is free)",
            )


def _check_file(spec: Mapping[str, Any], kind: str) -> None:
    """UsageError for a file that makes no sense."""
    if spec.get("persistent"):
        raise UsageError(f"an image of type {kind} is a file, and never persistent", hint="leave --persistent out")
    if not (spec.get("path") or spec.get("url")):
        raise UsageError(f"an image of type {kind} comes from a path or a URL", hint=f"--type {kind} --path FILE")
    if spec.get("format") not in (None, "", "raw"):
        raise UsageError(f"an image of type {kind} stays as it is", hint="leave --format out")


def _format(spec: Mapping[str, Any], kind: str) -> str:
    text = str(spec.get("format") or ("raw" if kind in {"cdrom", *FILES} else "qcow2")).lower()
    if text not in {"qcow2", "raw"}:
        raise UsageError(f"{text[:40]!r} is no format", hint="qcow2 or raw; convert others with qemu-img convert")
    return text


def without_login(url: str) -> str:
    """Without login and query, which may be secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _catalogued(name: str, home: Path) -> dict[str, Any]:
    """Image and list of checksums, both from the mirror if the home names one."""
    from nebula.images.catalogue import lookup
    from nebula.images.mirrors import Mirrors

    entry, at = lookup(name), Mirrors.load(home).place_of
    return {"url": at(entry.url), "checksum_url": at(entry.checksum_url), "user": entry.user}


def _source(spec: Mapping[str, Any], home: Path) -> dict[str, Any]:
    given = [name for name in ("path", "url", "catalogue", "size") if spec.get(name)]
    if spec.get("source") and not given:
        return {}
    if spec.get("source") and given == ["size"]:
        raise UsageError("a LUN is as large as it is on the SAN", hint="leave --size out")
    if not given and spec.get("size") == 0:
        given = ["size"]
    if len(given) != 1:
        raise UsageError(
            "an image comes from one of path, url, catalogue or size", cause=f"given: {', '.join(given) or 'none'}",
            hint="nebula image create NAME --path FILE",
        )  # fmt: skip
    checksum = str(spec.get("checksum") or "")
    if checksum:
        from nebula.images.checksum import Checksum

        Checksum.parse(checksum)
    if given == ["size"]:
        size = spec["size"] if isinstance(spec["size"], int) else parse_size(str(spec["size"]))
        if not 1 << 20 <= size <= MAX_SIZE:
            raise UsageError("an image's size must be between 1 MiB and 64 TiB", cause=f"got {size} bytes", hint="--size 10G")
        return {"size": size}
    if given == ["catalogue"]:
        return {**_catalogued(str(spec["catalogue"]), home), "checksum": checksum}
    if given == ["url"]:
        url = str(spec["url"])
        if not url.startswith(("http://", "https://")) or len(url) > 2000:
            raise UsageError(f"{url[:60]!r} is no http or https URL", hint="--path FILE for a file on this machine")
        return {"url": url, "checksum": checksum, "checksum_url": str(spec.get("checksum_url") or "")}
    return {"path": _path(str(spec["path"])), "checksum": checksum}


def _path(text: str) -> str:
    from nebula.errors import NotFoundError

    if "\0" in text or not text.startswith("/"):
        raise UsageError(f"{text[:60]!r} is no absolute path", hint="--path /full/path/to/image.qcow2")
    if not os.path.isfile(text):  # noqa: PTH113 - of a name that cannot be, pathlib raises
        raise NotFoundError(f"there is no file {text[:200]} on the engine's machine", hint=f"ls -l {text[:200]}")
    return text
