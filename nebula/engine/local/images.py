"""Images of the façade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.api.values import Accepted, Call, CatalogueEntry, Detail
from nebula.engine.lifecycle.states import ImageState
from nebula.engine.local.base import Noun, free_name, resolve
from nebula.engine.store.rows import DatastoreRow, HostRow, ImageCopyRow, ImageRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, UsageError
from nebula.units import parse_size

_TYPES = ("os", "datablock", "cdrom")
MAX_SIZE = 64 << 40


class LocalImages(Noun):
    """See nebula.engine.api.verbs.Images."""

    noun = "image"

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
            "owner": row.owner,
            "created": row.created,
            "copies_on": [names.get(copy.host_id, "shared storage") for copy in copies],
            **row.body,
        }
        return Detail(kind="image", id=row.id, name=row.name, body=body)

    def catalogue(self) -> list[CatalogueEntry]:
        """Images that anybody can fetch by name."""
        from nebula.images.catalogue import catalogue

        return [
            CatalogueEntry(name=item.name, description=item.description, url=item.url, user=item.user, arch=item.arch)
            for item in catalogue()
        ]

    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """See Images.create."""
        kind = str(spec.get("type") or "os").lower()
        if kind not in _TYPES:
            raise UsageError(f"{kind[:40]!r} is no type of image", hint=f"one of: {', '.join(_TYPES)}")
        source = _source(spec)

        def work(tx: Transaction) -> Accepted:
            datastore = self._datastore(tx, spec)
            host = self._host(tx, spec, datastore)
            row = tx.insert(
                ImageRow(
                    name=free_name(tx, ImageRow, str(spec.get("name", ""))),
                    uuid=self._services.new_uuid(),
                    datastore_id=datastore.id,
                    type=kind,
                    format=_format(spec, kind),
                    size=int(source.get("size", 0)),
                    state=int(ImageState.LOCKED),
                    persistent=int(bool(spec.get("persistent"))),
                    owner=call.actor,
                    created=tx.now,
                    body={
                        "source": source.get("path") or source.get("url") or "empty",
                        "description": str(spec.get("description") or ""),
                        "user": source.get("user", ""),
                    },
                )
            )
            tx.event("image.created", "image", row.id, actor=call.actor, name=row.name)
            args = {**source, "host": host.id, "format": str(spec.get("format") or "")}
            job = self._file(tx, "image.create", row.id, call, args)
            would = (f"bring image {row.name} to datastore {datastore.name} on host {host.name}",) if call.dry_run else ()
            return Accepted(kind="image", id=row.id, name=row.name, job_id=job.id, would=would)

        return self._change(call, work)

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Another name; files are named by UUID."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, ImageRow, ref)
            tx.swap(row, name=free_name(tx, ImageRow, name, but=row.id))
            tx.event("image.renamed", "image", row.id, actor=call.actor, name=row.name)
            return Accepted(kind="image", id=row.id, name=row.name)

        return self._change(call, work)

    def persistent(self, ref: str, persistent: bool, call: Call) -> Accepted:
        """One VM writes the image itself, or each gets a copy of its own."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, ImageRow, ref)
            copies = tx.count(ImageCopyRow, '"image_id"=?', (row.id,))
            if row.running_vms:
                raise ConflictError(f"image {row.name} is in use by {row.running_vms} VMs", hint="nebula vm list")
            if persistent and copies > 1:
                raise ConflictError(
                    f"image {row.name} is on {copies} hosts: a persistent image has one place",
                    hint=f"create it anew: nebula image create NAME --persistent (copies: nebula image show {row.id})",
                )
            tx.swap(row, persistent=int(persistent))
            tx.event("image.updated", "image", row.id, actor=call.actor, name=row.name)
            return Accepted(kind="image", id=row.id, name=row.name)

        return self._change(call, work)

    def remove(self, ref: str, call: Call) -> Accepted:
        """Refused while a VM uses it."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, ImageRow, ref)
            if row.running_vms:
                raise ConflictError(f"image {row.name} is in use by {row.running_vms} VMs", hint="nebula vm list")
            if row.state == ImageState.LOCKED:
                raise ConflictError(f"image {row.name} is being brought in", hint="nebula job list state=running")
            host = self._host(tx, {}, tx.get(DatastoreRow, row.datastore_id), needed=False)
            tx.swap(row, state=int(ImageState.DELETE))
            job = self._file(tx, "image.remove", row.id, call, {"host": host.id if host else -1})
            return Accepted(kind="image", id=row.id, name=row.name, job_id=job.id)

        return self._change(call, work)

    def _datastore(self, tx: Transaction, spec: Mapping[str, Any]) -> DatastoreRow:
        if spec.get("datastore"):
            row = resolve(tx, DatastoreRow, str(spec["datastore"]))
            if row.type not in {"image", "file"}:
                raise UsageError(f"datastore {row.name} is of type {row.type}", hint="nebula datastore list type=image")
            return row
        found = tx.first(DatastoreRow, '"type"=\'image\' AND "state"=0 ORDER BY "id"')
        if found is None:
            raise ConflictError("there is no image datastore", hint="nebula datastore create images --type image")
        return found

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


def _format(spec: Mapping[str, Any], kind: str) -> str:
    text = str(spec.get("format") or ("raw" if kind == "cdrom" else "qcow2")).lower()
    if text not in {"qcow2", "raw"}:
        raise UsageError(f"{text[:40]!r} is no format", hint="qcow2 or raw; convert others with qemu-img convert")
    return text


def _source(spec: Mapping[str, Any]) -> dict[str, Any]:
    given = [name for name in ("path", "url", "catalogue", "size") if spec.get(name)]
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
        from nebula.images.catalogue import lookup

        entry = lookup(str(spec["catalogue"]))
        return {"url": entry.url, "checksum": checksum, "checksum_url": entry.checksum_url, "user": entry.user}
    if given == ["url"]:
        url = str(spec["url"])
        if not url.startswith(("http://", "https://")) or len(url) > 2000:
            raise UsageError(f"{url[:60]!r} is no http or https URL", hint="--path FILE for a file on this machine")
        return {"url": url, "checksum": checksum, "checksum_url": str(spec.get("checksum_url") or "")}
    return {"path": _path(str(spec["path"])), "checksum": checksum}


def _path(text: str) -> str:
    from pathlib import Path

    from nebula.errors import NotFoundError

    path = Path(text)
    if "\0" in text or not path.is_absolute():
        raise UsageError(f"{text[:60]!r} is no absolute path", hint="--path /full/path/to/image.qcow2")
    if not path.is_file():
        raise NotFoundError(f"there is no file {text[:200]} on the engine's machine", hint=f"ls -l {text[:200]}")
    return text
