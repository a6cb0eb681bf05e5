"""Datastores that hosts reach by something that we make: mounts, exports of this machine, and keys that they are given.

Hosts are told at their setup, when a datastore is created, and whenever a driver finds that something is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from nebula.engine.identity import identity
from nebula.engine.store.rows import DatastoreRow, HostRow

if TYPE_CHECKING:
    from nebula.drivers.base import Attached, Detachable
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.store.transaction import Queries

DISABLED = 1
"""State of a datastore that hosts do not reach yet, or do not any more."""
_EXPORTS = "exports"


def attached(services: Services, row: DatastoreRow) -> Attached | None:
    """The driver, if something on hosts leads to its datastore."""
    if row.type == "backup":
        return None
    driver = services.pool.datastore(row)
    return cast("Attached", driver) if driver.capabilities.attached else None


def leaving(services: Services, row: DatastoreRow) -> Detachable | None:
    """The driver, if hosts have something of its datastore's that goes with it."""
    if row.type == "backup":
        return None
    driver = services.pool.datastore(row)
    can = driver.capabilities
    return cast("Detachable", driver) if can.attached or can.gives_keys else None


def left_by(services: Services, host: HostRow) -> list[tuple[DatastoreRow, Detachable]]:
    """Those of a host's datastores."""
    return [(row, driver) for row in _of(services, host) if (driver := leaving(services, row)) is not None]


def attached_to(services: Services, host: HostRow) -> list[tuple[DatastoreRow, Attached]]:
    """Those of a host's datastores."""
    return [(row, driver) for row in _of(services, host) if (driver := attached(services, row)) is not None]


def _of(services: Services, host: HostRow) -> list[DatastoreRow]:
    rows = services.store.read().select(DatastoreRow, '"cluster_id" IN (-1,?) ORDER BY "id"', (host.cluster_id,))
    return [row for row in rows if _alike(row, host)]


def hosts_of(queries: Queries, row: DatastoreRow) -> list[HostRow]:
    """The hosts that may use a datastore."""
    hosts = queries.select(HostRow, '1=1 ORDER BY "id"')
    return [host for host in hosts if row.cluster_id in (-1, host.cluster_id) and _alike(row, host)]


def _alike(row: DatastoreRow, host: HostRow) -> bool:
    """What is simulated goes with what is."""
    return (row.driver == "sim") == (host.driver == "sim")


def is_exported(row: DatastoreRow) -> bool:
    """Whether the datastore is an export of this machine."""
    return str(row.body.get("settings", {}).get("NFS_EXPORT", "")).lower() == "yes"


def export(context: JobContext, row: DatastoreRow, *, leaving: int = -1) -> None:
    """Export the datastore by this machine to the hosts that there are now, but the one that is leaving."""
    from nebula.drivers.datastore import nfsexport
    from nebula.transport.local import LocalTransport

    with context.hold(_EXPORTS):
        queries = context.services.store.read()
        hosts = [host for host in hosts_of(queries, row) if host.transport == "ssh" and host.id != leaving]
        path = str(row.body["settings"]["NFS_AUTO_PATH"])
        nfsexport.export(LocalTransport("this machine"), _name(queries, row), path, [host.address for host in hosts])


def take_back(context: JobContext, row: DatastoreRow) -> None:
    """Export it no more."""
    from nebula.drivers.datastore import nfsexport
    from nebula.transport.local import LocalTransport

    with context.hold(_EXPORTS):
        nfsexport.take_back(LocalTransport("this machine"), _name(context.services.store.read(), row))


def _name(queries: Queries, row: DatastoreRow) -> str:
    return f"{identity(queries)[:8]}-{row.id}"
