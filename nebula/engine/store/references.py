"""Whether rows can be read, which of them speak of which others, and those that speak of one that is not there."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from nebula.engine.store.mapping import mapping
from nebula.engine.store.rows import (
    ALL,
    AddressRangeRow,
    BackupRow,
    ClusterRow,
    DatastoreRow,
    HardwareRow,
    HistoryRow,
    HostRow,
    ImageCopyRow,
    ImageRow,
    JobLogRow,
    JobRow,
    LeaseRow,
    NetworkRow,
    PlanRow,
    ReservationRow,
    VmRow,
)
from nebula.engine.store.rows.base import Row
from nebula.engine.store.transaction import Queries

_MOST = 20
"""Rows that are named for each kind of reference."""


class Reference(NamedTuple):
    """A column that holds an id of another table; ids below 1 mean none. `where` narrows down who must hold a good one."""

    kind: type[Row]
    column: str
    target: type[Row]
    where: str = "1=1"


_ALIVE = '"a"."state"<>6'
_OPEN = "\"a\".\"state\" IN ('ready','running','waiting')"
REFERENCES = (
    Reference(HostRow, "cluster_id", ClusterRow),
    Reference(DatastoreRow, "cluster_id", ClusterRow),
    Reference(NetworkRow, "cluster_id", ClusterRow),
    Reference(PlanRow, "cluster_id", ClusterRow),
    Reference(NetworkRow, "parent_id", NetworkRow),
    Reference(AddressRangeRow, "network_id", NetworkRow),
    Reference(LeaseRow, "network_id", NetworkRow),
    Reference(LeaseRow, "range_id", AddressRangeRow),
    Reference(LeaseRow, "vm_id", VmRow),
    Reference(ImageRow, "datastore_id", DatastoreRow),
    Reference(ImageCopyRow, "image_id", ImageRow),
    Reference(ImageCopyRow, "host_id", HostRow),
    Reference(VmRow, "host_id", HostRow, _ALIVE),
    Reference(VmRow, "target_host", HostRow, _ALIVE),
    Reference(VmRow, "kept_on", HostRow, _ALIVE),
    Reference(VmRow, "cluster_id", ClusterRow, _ALIVE),
    Reference(VmRow, "datastore_id", DatastoreRow, _ALIVE),
    Reference(VmRow, "job_id", JobRow),
    Reference(HistoryRow, "vm_id", VmRow),
    Reference(JobRow, "parent_id", JobRow, _OPEN),
    Reference(JobLogRow, "job_id", JobRow),
    Reference(HardwareRow, "host_id", HostRow),
    Reference(ReservationRow, "vm_id", VmRow),
    Reference(BackupRow, "datastore_id", DatastoreRow),
)
"""What is history may speak of what is gone: a stay's host, a job's target, a job that has ended, a VM that is DONE."""


def dangling(queries: Queries) -> list[str]:
    """Rows whose reference leads nowhere, in words."""
    return [words for reference in REFERENCES for words in _broken(queries, reference)]


def unreadable(queries: Queries) -> list[str]:
    """Rows that are no rows of ours any more: bits that flipped inside a value, where the database itself sees nothing."""
    found: list[str] = []
    for kind in ALL:
        table = mapping(kind)
        for values in queries.execute(table.select):
            try:
                table.load(values)
            except (msgspec.MsgspecError, UnicodeError) as error:
                found.append(f"{kind._table.replace('_', ' ')} {values[table.columns.index('id')]} cannot be read: {error}")
    return found[:_MOST]


def _broken(queries: Queries, reference: Reference) -> list[str]:
    table, column, target = reference.kind._table, reference.column, reference.target._table
    rows = queries.rows(
        f'SELECT "a"."id", "a"."{column}" FROM "{table}" AS "a" LEFT JOIN "{target}" AS "b" ON "b"."id"="a"."{column}" '
        f'WHERE "a"."{column}">0 AND "b"."id" IS NULL AND {reference.where} ORDER BY "a"."id" LIMIT {_MOST}'
    )
    noun, other = table.replace("_", " "), target.replace("_", " ")
    return [f"{noun} {row_id}: its {column} is {number}, and there is no such {other}" for row_id, number in rows]
