"""Space under the datastores: asked of a host now and then, kept per host, summed for people."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from nebula.engine.services import Services
from nebula.engine.store.rows import DatastoreRow, HostRow, ImageRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import NebulaError
from nebula.model.storage import DatastoreUsage

_log = logging.getLogger(__name__)


def measure(services: Services, host: HostRow) -> None:
    """Ask the host about every datastore that it can reach, and write down what changed."""
    found: dict[int, tuple[DatastoreUsage, bool]] = {}
    rows = services.store.read().select(
        DatastoreRow, '"state"=0 AND "type"<>\'backup\' AND "cluster_id" IN (-1,?)', (host.cluster_id,)
    )
    for row in rows:
        if (row.driver == "sim") != (host.driver == "sim"):
            continue
        driver = services.pool.datastore(row)
        if driver.capabilities.registers:
            services.store.write(partial(_write_luns, row.id))
            continue
        try:
            found[row.id] = driver.usage(services.pool.handle(host)), driver.capabilities.shared
        except NebulaError as error:
            _log.info("host %s tells no space of datastore %s: %s", host.name, row.name, error)
    if found:
        services.store.write(lambda tx: _write(tx, host.id, found))


def _write_luns(datastore_id: int, tx: Transaction) -> None:
    """A datastore of LUNs has what its images have, and nothing free: no host knows more of a SAN."""
    row = tx.first(DatastoreRow, '"id"=?', (datastore_id,))
    whole = sum(image.size for image in tx.select(ImageRow, '"datastore_id"=?', (datastore_id,))) >> 20
    if row is not None and (row.total_mib, row.used_mib, row.free_mib) != (whole, whole, 0):
        tx.swap(row, total_mib=whole, used_mib=whole, free_mib=0)


def _write(tx: Transaction, host_id: int, found: dict[int, tuple[DatastoreUsage, bool]]) -> None:
    for datastore_id, (usage, shared) in found.items():
        row = tx.first(DatastoreRow, '"id"=?', (datastore_id,))
        if row is None:
            continue
        known: dict[str, Any] = {} if shared else dict(row.body.get("space", {}))
        known[str(host_id)] = [usage.total >> 20, usage.used >> 20, usage.free >> 20]
        total, used, free = (sum(item[part] for item in known.values()) for part in range(3))
        told = _pools(row, host_id, usage, shared)
        same = (row.total_mib, row.used_mib, row.free_mib) == (total, used, free) and row.body.get("shared") == shared
        if not same or told != row.body.get("pools", {}):
            body = {**row.body, "space": known, "shared": shared, **({"pools": told} if told else {})}
            tx.swap(row, total_mib=total, used_mib=used, free_mib=free, body=body)


def _pools(row: DatastoreRow, host_id: int, usage: DatastoreUsage, shared: bool) -> dict[str, dict[str, int]]:
    """What is promised, and how full thin pools are, by host."""
    known: dict[str, dict[str, int]] = {} if shared else dict(row.body.get("pools", {}))
    told = {"promised_mib": usage.promised >> 20} if usage.promised else {}
    if usage.data_percent >= 0:
        told |= {"data_percent": round(usage.data_percent), "metadata_percent": round(usage.metadata_percent)}
    if told:
        known[str(host_id)] = told
    return known
