"""Clusters of the façade."""

from __future__ import annotations

from nebula.engine.api.values import Accepted, Call, Detail
from nebula.engine.local.base import Noun, free_name, resolve
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
        }
        return Detail(kind="cluster", id=row.id, name=row.name, body=body)

    def create(self, name: str, call: Call) -> Accepted:
        """An empty cluster."""

        def work(tx: Transaction) -> Accepted:
            row = tx.insert(ClusterRow(name=free_name(tx, ClusterRow, name)))
            tx.event("cluster.created", "cluster", row.id, actor=call.actor, name=row.name)
            return Accepted(kind="cluster", id=row.id, name=row.name)

        return self._change(call, work)

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Another name."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, ClusterRow, ref)
            tx.swap(row, name=free_name(tx, ClusterRow, name, but=row.id))
            tx.event("cluster.renamed", "cluster", row.id, actor=call.actor, name=row.name)
            return Accepted(kind="cluster", id=row.id, name=row.name)

        return self._change(call, work)

    def remove(self, ref: str, call: Call) -> Accepted:
        """Only an empty one."""

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
            tx.delete(row)
            tx.event("cluster.removed", "cluster", row.id, actor=call.actor, name=row.name)
            return Accepted(kind="cluster", id=row.id, name=row.name)

        return self._change(call, work)
