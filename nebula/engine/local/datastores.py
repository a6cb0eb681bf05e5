"""Datastores of the façade."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from nebula.drivers.base import Datastore, HostHandle
from nebula.drivers.registry import DATASTORES, load
from nebula.engine.api.values import Accepted, Call, Detail, Finding
from nebula.engine.attachments import DISABLED, attached, leaving
from nebula.engine.backups import server
from nebula.engine.leftovers import left_in
from nebula.engine.lifecycle.states import ImageState
from nebula.engine.local.attributes import with_attributes
from nebula.engine.local.base import Noun, free_name, resolve
from nebula.engine.local.pinning import pinned_lines
from nebula.engine.local.repositories import repository_settings
from nebula.engine.machines.disks import image_spec
from nebula.engine.machines.moving import vm_in
from nebula.engine.secrets import hide
from nebula.engine.store.rows import BackupRow, ClusterRow, DatastoreRow, HostRow, ImageRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, NebulaError, UsageError
from nebula.model.host import Finding as HostFinding
from nebula.model.server import server_of

_TYPES = ("image", "system", "file", "backup")


class LocalDatastores(Noun):
    """See nebula.engine.api.verbs.Datastores."""

    noun = "datastore"

    def show(self, ref: str) -> Detail:
        """One datastore, with what it can do in words."""
        row = resolve(self._store.read(), DatastoreRow, ref)
        body = {
            "id": row.id,
            "name": row.name,
            "type": row.type,
            "driver": row.driver,
            "settings": hide(self._settings(row)),
            **({"server": server.shown(row.body["settings"])} if row.body.get("settings", {}).get("server") else {}),
            "can": {} if row.type == "backup" else self._abilities(row),
            "attributes": hide(row.body.get("attributes", {})),
            "space_mib": {
                name: size if size >= 0 else None  # nobody looked yet
                for name, size in (("total", row.total_mib), ("used", row.used_mib), ("free", row.free_mib))
            },
            **self._pools(row),
        }
        return Detail(kind="datastore", id=row.id, name=row.name, body=body)

    def _settings(self, row: DatastoreRow) -> dict[str, Any]:
        """With a host by its name, and without what is told of a server."""
        settings = {key: value for key, value in row.body.get("settings", {}).items() if key not in server.OWN}
        if row.type == "backup" and settings.get("host"):
            host = self._store.read().first(HostRow, '"id"=?', (int(settings["host"]),))
            settings["host"] = host.name if host else settings["host"]
        return settings

    def _pools(self, row: DatastoreRow) -> dict[str, Any]:
        """What is promised and how full thin pools are, by the hosts' names, where a driver tells it."""
        told = row.body.get("pools", {})
        names = {str(host.id): host.name for host in self._store.read().select(HostRow)} if told else {}
        return {"pools": {names[host]: pool for host, pool in told.items() if host in names}} if told else {}

    def _abilities(self, row: DatastoreRow) -> dict[str, Any]:
        can = self._services.pool.datastore(row).capabilities
        return {
            "all hosts see the same files": can.shared,
            "only disks are shared": can.local_home,
            "formats": list(can.formats),
            "linked clones": can.linked_clones,
            "copy to another host while the VM runs": can.live_copy,
            "snapshots of disks": can.snapshots or can.inner_snapshots,
            "backups": can.backups,
            "images are LUNs that exist already": can.registers,
        }

    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """See Datastores.create."""
        spec = server.named_ours(spec)
        kind = str(spec.get("type") or "image")
        driver = str(spec.get("driver") or ("restic" if kind == "backup" else "ssh"))
        if kind not in _TYPES:
            raise UsageError(f"{kind[:40]!r} is no type of datastore", hint=f"one of: {', '.join(_TYPES)}")
        if kind != "backup" and driver not in DATASTORES:
            raise UsageError(f"no datastore driver is called {driver[:40]!r}", hint=f"one of: {', '.join(sorted(DATASTORES))}")
        path = str(spec.get("path") or "")
        if kind == "backup" and driver == "restic" and not path:
            raise UsageError("a datastore of backups needs the path of its repository", hint="--path /srv/backups")
        settings = self._exported(spec, driver, path) if spec.get("export") else _extra(spec)
        if driver == "shared" and not path and not settings.get("NFS_AUTO_HOST"):
            hint = "--path /srv/nebula, or --nfs-host HOST --nfs-path PATH"
            raise UsageError("a shared datastore needs the path where all hosts see it", hint=hint)
        if path and (
            not path.startswith("/") or ".." in path.split("/") or any(ord(sign) < 32 for sign in path) or len(path) > 1024
        ):
            raise UsageError(f"{path[:60]!r} is no absolute path", hint="--path /srv/nebula")

        known: dict[str, Any] = {}
        if kind != "backup":  # the driver refuses what makes no sense
            made = load("datastore", driver)(0, {**settings, **({"path": path} if path else {})})
            known["shared"] = made.capabilities.shared

        served = self._served(spec, kind)

        def work(tx: Transaction) -> Accepted:
            named = spec.get("cluster")
            kept = repository_settings(tx, spec, driver, served) if kind == "backup" else settings
            row = DatastoreRow(
                name=free_name(tx, DatastoreRow, str(spec.get("name", ""))),
                type=kind,
                driver=driver,
                cluster_id=resolve(tx, ClusterRow, str(named)).id if named else -1,
                body={"settings": {**kept, **({"path": path} if path else {})}, **known},
            )
            tx.insert(row)
            accepted = self._told(tx, row, "created", call)
            if attached(self._services, row) is None:
                return accepted
            tx.swap(row, state=DISABLED)
            job = self._file(tx, "datastore.setup", row.id, call, {})
            return msgspec.structs.replace(accepted, job_id=job.id)

        return self._change(call, work)

    def _exported(self, spec: Mapping[str, Any], driver: str, path: str) -> dict[str, str]:
        """What settings say of a datastore that this machine exports."""
        if driver != "shared" or not path:
            raise UsageError("an export is of a shared datastore at a path", hint="--driver shared --export --path /srv/nebula")
        extra = _extra(spec)
        address = extra.get("NFS_AUTO_HOST") or self._own_address()
        return {**extra, "NFS_AUTO_HOST": address, "NFS_AUTO_PATH": path, "NFS_EXPORT": "yes"}

    def _own_address(self) -> str:
        """The address of this machine's from which it reaches its first host."""
        host = self._store.read().first(HostRow, '"transport"=\'ssh\' ORDER BY "id"')
        hint = "--nfs-host ADDRESS: that of this machine, as hosts see it"
        if host is None:
            raise UsageError("there is no host yet that could tell by which address it sees this machine", hint=hint)
        try:
            family, _, _, _, where = socket.getaddrinfo(host.address, 9, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(where)  # of UDP: nothing is sent
                return str(probe.getsockname()[0])
        except OSError as error:
            raise UsageError(f"no way to host {host.name} is known", cause=str(error), hint=hint) from error

    def _served(self, spec: Mapping[str, Any], kind: str) -> dict[str, str]:
        """The settings of a server that is no host, whose key is pinned now; nothing where none is named."""
        about = {key for key in ("server", "host_keys", "fingerprint") if spec.get(key)}
        if not about:
            return {}
        if kind != "backup" or "server" not in about:
            raise UsageError(f"{min(about)} is of backups on a server", hint="--type backup --server [USER@]NAME[:PORT]")
        found = server_of(str(spec["server"]))
        keys = list(spec.get("host_keys") or ())
        if spec.get("fingerprint"):
            keys = pinned_lines(self._services, found.address, found.port, str(spec["fingerprint"]))
        return server.new_settings(str(spec.get("name", "")), found, keys)

    def put_key(self, ref: str, password: str) -> None:
        """See Datastores.put_key."""
        from nebula.transport.keys import put_key

        row = resolve(self._store.read(), DatastoreRow, ref)
        settings = row.body.get("settings", {})
        at, loop = server.account(settings, row.name), self._services.transports.loop()
        put_key(at.address, at.port, at.user, password, settings["public_key"], settings["host_keys"], loop=loop)

    def check(self, ref: str) -> list[Finding]:
        """Ask every host."""
        row = resolve(self._store.read(), DatastoreRow, ref)
        if row.type == "backup":
            at = str(row.body.get("settings", {}).get("host", ""))
            own = self._store.read().get(HostRow, int(at)) if at else None
            repository = self._services.pool.repository(row, own)
            job = f"check-{self._services.new_uuid()}"
            return self._ask_hosts(lambda host: repository.check(host, job=job), cluster=row.cluster_id)
        driver = self._services.pool.datastore(row)
        images = self._store.read().select(ImageRow, '"datastore_id"=?', (row.id,)) if driver.capabilities.registers else []

        def look(host: HostHandle) -> list[HostFinding]:
            found = [*driver.check(host), *_luns(driver, host, images)]
            sound = not any(item.level == "error" for item in found)
            return [*found, *left_in(self._store.read(), driver, host)] if sound else found

        return self._ask_hosts(look)

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Another name."""
        return self._rename(DatastoreRow, ref, name, call)

    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """See Datastores.update."""
        if not {"server", "host_keys", "fingerprint"} & set(changes):
            return self._set_attributes(DatastoreRow, ref, changes, call)
        unknown = set(changes) - {"attributes", "server", "host_keys", "fingerprint"}
        if unknown:
            raise UsageError(f"a datastore has no {min(unknown)[:60]!r} to change", hint="--set KEY=VALUE")
        moved = self._moved(ref, changes)

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, DatastoreRow, ref)
            settings = {**row.body.get("settings", {}), **moved}
            server.account(row.body.get("settings", {}), row.name)
            body = {**with_attributes(row.body, changes.get("attributes") or {}), "settings": settings}
            tx.swap(row, body=body)
            return self._told(tx, row, "updated", call, changed=sorted(changes))

        return self._change(call, work)

    def _moved(self, ref: str, changes: Mapping[str, Any]) -> dict[str, str]:
        """The settings that say where the server of an existing datastore is now, and which keys it shows."""
        row = resolve(self._store.read(), DatastoreRow, ref)
        known = server.account(row.body.get("settings", {}), row.name)
        at = server_of(str(changes["server"])) if changes.get("server") else known
        keys = list(changes.get("host_keys") or ())
        if changes.get("fingerprint"):
            keys = pinned_lines(self._services, at.address, at.port, str(changes["fingerprint"]))
        return {"server": str(at), **({"host_keys": server.pinned(keys)} if keys else {})}

    def remove(self, ref: str, call: Call) -> Accepted:
        """Only an empty one."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, DatastoreRow, ref)
            image = tx.first(ImageRow, '"datastore_id"=?', (row.id,))
            vm = vm_in(tx, row.id)
            kept = tx.first(BackupRow, '"datastore_id"=?', (row.id,))
            if kept is not None:
                raise ConflictError(
                    f"datastore {row.name} is in use", cause=f"backup {kept.id} of VM {kept.name} is in it",
                    hint="nebula backup list",
                )  # fmt: skip
            if image is not None or vm is not None:
                what = f"image {image.name}" if image else f"VM {vm.name if vm else ''}"
                raise ConflictError(f"datastore {row.name} is in use", cause=f"{what} is in it", hint="nebula image list")
            if leaving(self._services, row) is None:
                tx.delete(row)
                return self._told(tx, row, "removed", call)
            tx.swap(row, state=DISABLED)
            job = self._file(tx, "datastore.remove", row.id, call, {})
            return Accepted(kind="datastore", id=row.id, name=row.name, job_id=job.id)

        return self._change(call, work)


def _luns(driver: Datastore, host: HostHandle, images: Sequence[ImageRow]) -> Iterator[HostFinding]:
    """The LUNs that a host does not see as they should be."""
    for image in images:
        try:
            seen = driver.probe(host, driver.image_path(host, image_spec(image)))
        except NebulaError as error:
            text = f"image {image.name}: {error.message}: {error.cause}".rstrip(": ")
            yield HostFinding(check="datastore.lun", level="error", text=text, fix=error.hint)
            continue
        if image.state != ImageState.LOCKED and seen.virtual_size != image.size:
            text = f"image {image.name}: its LUN has {seen.virtual_size >> 20} MiB, and {image.size >> 20} MiB were known"
            fix = f"nebula vm disk-resize VM DISK {seen.virtual_size >> 20}M"
            yield HostFinding(check="datastore.lun", level="warning", text=text, fix=fix)


def _extra(spec: Mapping[str, Any]) -> dict[str, str]:
    """Settings that only the driver understands."""
    given = spec.get("settings") or {}
    if not isinstance(given, Mapping) or len(given) > 64:
        raise UsageError("settings must be a group of at most 64 attributes", hint="settings: {KEY: VALUE}")
    return {str(key)[:64]: str(value)[:1024] for key, value in given.items()}
