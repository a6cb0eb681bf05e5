"""DHCP and DNS that ended on a host although its guests want it are put back by a job."""

from __future__ import annotations

import logging

from nebula.engine.jobs.follow import follow
from nebula.engine.services import Services
from nebula.engine.serving import KIND, runs_on, wants
from nebula.engine.store.rows import HostRow, NetworkRow
from nebula.errors import NebulaError

_log = logging.getLogger(__name__)


def put_back(services: Services, host: HostRow) -> None:
    """Ask the host, if it carries a network that has some; file what is missing."""
    read = services.store.read()
    rows = read.select(NetworkRow, '"owned"=1 AND "parent_id"<=0 AND "state"=1')
    carried = [row for row in rows if wants(row) and runs_on(read, row, host.id)]
    if not carried:
        return
    try:
        missing = _missing(services, host, carried)
    except NebulaError as error:
        _log.warning("whether host %s serves its networks is not known: %s", host.name, error)
        return
    if missing:
        services.store.write(lambda tx: [follow(tx, services, KIND, ("network", row.id), "") for row in missing])


def _missing(services: Services, host: HostRow, carried: list[NetworkRow]) -> list[NetworkRow]:
    handle, drivers = services.pool.handle(host), {row.driver for row in carried}
    there = {name: services.pool.network(name).serving(handle) for name in drivers}
    return [row for row in carried if row.id not in there[row.driver]]
