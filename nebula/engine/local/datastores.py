"""Datastores of the façade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nebula.drivers.registry import DATASTORES
from nebula.engine.api.values import Accepted, Call, Detail, Finding
from nebula.engine.lifecycle.states import HostState
from nebula.engine.local.base import Noun, free_name, resolve
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, ImageRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, NebulaError, UsageError

_TYPES = ("image", "system", "file")


class LocalDatastores(Noun):
    """See nebula.engine.api.verbs.Datastores."""

    noun = "datastore"

    def show(self, ref: str) -> Detail:
        """One datastore, with what it can do in words."""
        row = resolve(self._store.read(), DatastoreRow, ref)
        can = self._services.pool.datastore(row).capabilities
        body = {
            "id": row.id,
            "name": row.name,
            "type": row.type,
            "driver": row.driver,
            "settings": row.body.get("settings", {}),
            "can": {
                "all hosts see the same files": can.shared,
                "formats": list(can.formats),
                "linked clones": can.linked_clones,
                "copy to another host while the VM runs": can.live_copy,
            },
            "space_mib": {"total": row.total_mib, "used": row.used_mib, "free": row.free_mib},
        }
        return Detail(kind="datastore", id=row.id, name=row.name, body=body)

    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """See Datastores.create."""
        kind, driver = str(spec.get("type") or "image"), str(spec.get("driver") or "ssh")
        if kind not in _TYPES:
            raise UsageError(f"{kind[:40]!r} is no type of datastore", hint=f"one of: {', '.join(_TYPES)}")
        if driver not in DATASTORES:
            raise UsageError(f"no datastore driver is called {driver[:40]!r}", hint=f"one of: {', '.join(sorted(DATASTORES))}")
        path = str(spec.get("path") or "")
        if driver == "shared" and not path:
            raise UsageError("a shared datastore needs the path where all hosts see it", hint="--path /srv/nebula")
        if path and (
            not path.startswith("/") or ".." in path.split("/") or any(ord(sign) < 32 for sign in path) or len(path) > 1024
        ):
            raise UsageError(f"{path[:60]!r} is no absolute path", hint="--path /srv/nebula")

        def work(tx: Transaction) -> Accepted:
            named = spec.get("cluster")
            row = DatastoreRow(
                name=free_name(tx, DatastoreRow, str(spec.get("name", ""))),
                type=kind,
                driver=driver,
                cluster_id=resolve(tx, ClusterRow, str(named)).id if named else -1,
                body={"settings": {**_extra(spec), **({"path": path} if path else {})}},
            )
            tx.insert(row)
            tx.event("datastore.created", "datastore", row.id, actor=call.actor, name=row.name)
            return Accepted(kind="datastore", id=row.id, name=row.name)

        return self._change(call, work)

    def check(self, ref: str) -> list[Finding]:
        """Ask every host."""
        row = resolve(self._store.read(), DatastoreRow, ref)
        driver = self._services.pool.datastore(row)
        found: list[Finding] = []
        for host in self._store.read().select(HostRow, '"state"=? ORDER BY "id"', (int(HostState.MONITORED),)):
            try:
                seen = driver.check(self._services.pool.handle(host))
            except NebulaError as error:
                found.append(Finding(where=host.name, check="datastore", level="error", text=str(error), fix=error.hint))
                continue
            found.extend(Finding(where=host.name, **msgspec.to_builtins(item)) for item in seen)
        return found

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Another name."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, DatastoreRow, ref)
            tx.swap(row, name=free_name(tx, DatastoreRow, name, but=row.id))
            tx.event("datastore.renamed", "datastore", row.id, actor=call.actor, name=row.name)
            return Accepted(kind="datastore", id=row.id, name=row.name)

        return self._change(call, work)

    def remove(self, ref: str, call: Call) -> Accepted:
        """Only an empty one."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, DatastoreRow, ref)
            image = tx.first(ImageRow, '"datastore_id"=?', (row.id,))
            vm = tx.first(VmRow, '"datastore_id"=? AND "state"<>6', (row.id,))
            if image is not None or vm is not None:
                what = f"image {image.name}" if image else f"VM {vm.name if vm else ''}"
                raise ConflictError(f"datastore {row.name} is in use", cause=f"{what} is in it", hint="nebula image list")
            tx.delete(row)
            tx.event("datastore.removed", "datastore", row.id, actor=call.actor, name=row.name)
            return Accepted(kind="datastore", id=row.id, name=row.name)

        return self._change(call, work)


def _extra(spec: Mapping[str, Any]) -> dict[str, str]:
    """Settings that only the driver understands."""
    given = spec.get("settings") or {}
    if not isinstance(given, Mapping) or len(given) > 64:
        raise UsageError("settings must be a group of at most 64 attributes", hint="settings: {KEY: VALUE}")
    return {str(key)[:64]: str(value)[:1024] for key, value in given.items()}
