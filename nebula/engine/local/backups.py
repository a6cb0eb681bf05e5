"""Backups of the façade."""

from __future__ import annotations

import msgspec

from nebula import typed
from nebula.engine.api.values import Accepted, Call, Detail
from nebula.engine.backups.content import BackupDisk, content_of
from nebula.engine.jobs.runner import Runner
from nebula.engine.leases import Leases
from nebula.engine.lifecycle.states import ImageState
from nebula.engine.local.access import belongs
from nebula.engine.local.base import OwnedNoun, free_name, resolve
from nebula.engine.local.creation import Creation
from nebula.engine.local.images import LocalImages
from nebula.engine.local.luns import makes, require_making
from nebula.engine.local.repositories import care_host, require_ready, simulated
from nebula.engine.local.vm_saving import like
from nebula.engine.machines.machine import Machine
from nebula.engine.machines.template import regular
from nebula.engine.services import Services
from nebula.engine.store.rows import BackupRow, DatastoreRow, HostRow, ImageRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.engine.templates.restricted import require_unrestricted
from nebula.errors import ConflictError, UsageError
from nebula.model.template.values import plain
from nebula.names import check_name

_OF_THE_ONE = frozenset({"HOST", "SCHED_ACTION"})
"""Another VM is where its disks are, and is told itself what is to be done to it."""


class LocalBackups(OwnedNoun):
    """See nebula.engine.api.verbs.Backups."""

    noun = "backup"
    kind = BackupRow

    def __init__(self, services: Services, runner: Runner, leases: Leases, images: LocalImages) -> None:
        super().__init__(services, runner)
        self._leases = leases
        self._images = images

    def show(self, ref: str) -> Detail:
        """See Backups.show."""
        queries = self._store.read()
        row = resolve(queries, BackupRow, ref)
        content = content_of(row)
        body = {
            "id": row.id,
            "vm": row.name,
            "vm_id": row.vm_id,
            "datastore": queries.get(DatastoreRow, row.datastore_id).name,
            "kind": row.kind,
            "state": row.state,
            "reason": row.reason,
            "snapshot": row.snapshot,
            "created": row.created,
            "verified": row.verified or None,
            "size": row.size,
            "stored": row.stored,
            "file_systems_at_rest": content.quiet,
            "disks": [msgspec.to_builtins(disk) for disk in content.disks],
            **belongs(row),
        }
        return Detail(kind="backup", id=row.id, name=row.name, body=body)

    def restore(self, ref: str, call: Call, name: str = "", datastore: str = "", hold: bool = False) -> Accepted:
        """See Backups.restore."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, BackupRow, ref)
            called = check_name("vm", name or f"{row.name}-restored")
            home, content = self._home(tx, row, datastore), content_of(row)
            host = self._images.host_for(tx, home)
            require_ready(tx.get(DatastoreRow, row.datastore_id), host)
            images = {disk.disk_id: self._image(tx, row, disk, home, called, call) for disk in content.disks}
            machine = typed.convert(content.machine, Machine)
            template = like(machine, {disk: image.id for disk, image in images.items()})
            sizes = {"CPU": content.cpu / 100, "VCPU": content.vcpus, "MEMORY": content.memory}
            kept = {key: value for key, value in template.items() if key not in _OF_THE_ONE}
            template = {**kept, **sizes, "NAME": called}
            require_unrestricted(self.person, plain(template))
            creation = Creation(tx, self._services, self._leases, call.actor, self.person)
            vm = creation.create(regular(template), hold=hold)
            named = [{"disk": disk, "image": image.id} for disk, image in images.items()]
            args = {"images": named, "host": host.id, "datastore": row.datastore_id}
            job = self._file(tx, "backup.restore", row.id, call, args)
            would = (f"make VM {vm.name} of backup {row.id} on host {host.name}",) if call.dry_run else ()
            return Accepted(kind="vm", id=vm.id, name=vm.name, job_id=job.id, would=would)

        return self._change(call, work)

    def _home(self, tx: Transaction, row: BackupRow, datastore: str) -> DatastoreRow:
        """Where the images are to be: as asked for, or with the disks of the VM, or where images are usually."""
        if datastore:
            found = resolve(tx, DatastoreRow, datastore)
            if found.type != "image":
                raise UsageError(f"datastore {found.name} is of type {found.type}", hint="nebula datastore list type=image")
            require_making(self._services, found, "images are made of backups")
            return found
        machine = typed.convert(content_of(row).machine, Machine)
        ids = [disk.datastore_id for disk in machine.disks if disk.kind in {"clone", "persistent"}]
        own = tx.first(DatastoreRow, '"id"=? AND "type"=\'image\' AND "state"=0', (ids[0] if ids else 0,))
        usual = tx.select(DatastoreRow, '"type"=\'image\' AND "state"=0 ORDER BY "id"')
        chosen = next((store for store in (own, *usual) if store is not None and makes(self._services, store)), None)
        if chosen is None:
            raise ConflictError("there is no image datastore", hint="nebula datastore create images --type image")
        return chosen

    def _image(
        self, tx: Transaction, row: BackupRow, disk: BackupDisk, home: DatastoreRow, called: str, call: Call
    ) -> ImageRow:
        """An image that the job fills; the VM uses the image itself."""
        image = tx.insert(
            ImageRow(
                name=free_name(tx, ImageRow, f"{called}-disk-{disk.disk_id}"),
                uuid=self._services.new_uuid(),
                datastore_id=home.id,
                type="os",
                format=disk.format,
                size=disk.size,
                persistent=1,
                state=int(ImageState.LOCKED),
                **self._belongs(call),
                created=tx.now,
                body={"source": f"disk {disk.disk_id} of backup {row.id} of VM {row.name} ({row.vm_id})"},
            )
        )
        tx.event("image.created", "image", image.id, actor=call.actor, name=image.name)
        return image

    def verify(self, ref: str, call: Call) -> Accepted:
        """See Backups.verify."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, BackupRow, ref)
            host = care_host(tx, tx.get(DatastoreRow, row.datastore_id))
            scratch = self._scratch(tx, host)
            args = {"host": host.id, "datastore": row.datastore_id, "scratch": scratch.id}
            job = self._file(tx, "backup.verify", row.id, call, args)
            would = (f"restore backup {row.id} of VM {row.name} to host {host.name} and compare it",) if call.dry_run else ()
            return Accepted(kind="backup", id=row.id, name=row.name, job_id=job.id, would=would)

        return self._change(call, work)

    def _scratch(self, queries: Queries, host: HostRow) -> DatastoreRow:
        """A datastore of the host with room for files that are needed for a while."""
        where = '"type" IN (\'image\',\'system\') AND "state"=0 AND "cluster_id" IN (-1,?)'
        for row in queries.select(DatastoreRow, f'{where} AND {simulated(host.driver)} ORDER BY "id"', (host.cluster_id,)):
            if self._services.pool.datastore(row).capabilities.backups:
                return row
        raise ConflictError(
            f"no datastore of host {host.name} has room for what is restored", hint="nebula datastore list"
        )  # fmt: skip

    def remove(self, ref: str, call: Call) -> Accepted:
        """See Backups.remove."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, BackupRow, ref)
            job = self._forget(tx, tx.get(DatastoreRow, row.datastore_id), call, backups=[row.id])
            would = (f"delete backup {row.id} of VM {row.name}",) if call.dry_run else ()
            return Accepted(kind="backup", id=row.id, name=row.name, job_id=job, would=would)

        return self._change(call, work)

    def forget(self, datastore: str, call: Call) -> Accepted:
        """See Backups.forget."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, DatastoreRow, datastore)
            if row.type != "backup":
                raise UsageError(f"datastore {row.name} is of type {row.type}", hint="nebula datastore list type=backup")
            kept = tx.rows('SELECT DISTINCT "uuid" FROM "backup" WHERE "datastore_id"=? ORDER BY "uuid"', (row.id,))
            job = self._forget(tx, row, call, vms=[str(uuid) for (uuid,) in kept])
            would = (f"apply the retention of datastore {row.name} to {len(kept)} VMs",) if call.dry_run else ()
            return Accepted(kind="datastore", id=row.id, name=row.name, job_id=job, would=would)

        return self._change(call, work)

    def _forget(
        self, tx: Transaction, datastore: DatastoreRow, call: Call, *, backups: list[int] | None = None,
        vms: list[str] | None = None,
    ) -> int:  # fmt: skip
        args = {"host": care_host(tx, datastore).id, "backups": backups or [], "vms": vms or []}
        return self._file(tx, "backup.forget", datastore.id, call, args, target_kind="datastore").id
