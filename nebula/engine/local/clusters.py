"""Clusters of the façade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nebula.engine.api.values import Accepted, Call, Detail
from nebula.engine.drs.plans import applying
from nebula.engine.local.base import Noun, free_name, resolve
from nebula.engine.machines.migration import chosen, travel
from nebula.engine.scheduler.cluster_rules import check_cluster
from nebula.engine.secrets import hide
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, NetworkRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError


class LocalClusters(Noun):
    """See nebula.engine.api.verbs.Clusters."""

    noun = "cluster"

    def show(self, ref: str) -> Detail:
        """One cluster with what is in it."""
        queries = self._store.read()
        row = resolve(queries, ClusterRow, ref)
        body = {
            "id": row.id,
            "name": row.name,
            "cpu_baseline": row.baseline or None,
            "hosts": [host.name for host in queries.select(HostRow, '"cluster_id"=? ORDER BY "id"', (row.id,))],
            "datastores": [
                item.name for item in queries.select(DatastoreRow, '"cluster_id" IN (?,-1) ORDER BY "id"', (row.id,))
            ],
            "networks": [item.name for item in queries.select(NetworkRow, '"cluster_id" IN (?,-1) ORDER BY "id"', (row.id,))],
            "migration": msgspec.to_builtins(travel(row)),
            "attributes": hide(row.body.get("attributes", {})),
        }
        return Detail(kind="cluster", id=row.id, name=row.name, body=body)

    def create(self, name: str, call: Call) -> Accepted:
        """An empty cluster."""

        def work(tx: Transaction) -> Accepted:
            row = tx.insert(ClusterRow(name=free_name(tx, ClusterRow, name)))
            return self._told(tx, row, "created", call)

        return self._change(call, work)

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Another name."""
        return self._rename(ClusterRow, ref, name, call)

    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """See Clusters.update."""
        return self._set_attributes(ClusterRow, ref, changes, call, check=check_cluster, settings=chosen(changes))

    def remove(self, ref: str, call: Call) -> Accepted:
        """Only an empty one, in which no plan of DRS is being carried out; its plans go with it."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, ClusterRow, ref)
            for kind in (HostRow, DatastoreRow, NetworkRow):
                inside = tx.first(kind, '"cluster_id"=?', (row.id,))
                if inside is not None:
                    raise ConflictError(
                        f"cluster {row.name} is not empty",
                        cause=f"{kind._table} {getattr(inside, 'name', '')} is in it",
                        hint=f"nebula cluster show {row.id}",
                    )
            if tx.count(ClusterRow) == 1:
                raise ConflictError("the last cluster cannot be removed", hint=f"nebula cluster rename {row.id} NAME")
            busy = applying(tx, row.id)
            if busy is not None:
                raise ConflictError(f"plan {busy.id} of cluster {row.name} is under way", hint=f"nebula job wait {busy.job_id}")
            tx.execute('DELETE FROM "plan" WHERE "cluster_id"=?', (row.id,))
            tx.delete(row)
            return self._told(tx, row, "removed", call)

        return self._change(call, work)
