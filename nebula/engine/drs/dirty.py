"""How fast VMs write to their memory, measured where it decides something: of those that a plan would move."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from nebula.engine.store.rows import HostRow, VmRow
from nebula.errors import NebulaError

if TYPE_CHECKING:
    from nebula.engine.drs.values import DrsPlan, DrsSnapshot
    from nebula.engine.services import Services

_log = logging.getLogger(__name__)
_FRESH = 900.0
"""Seconds for which a rate is believed."""
_SOON = 60.0
"""Seconds after which a VM is asked again of which nothing was learned: a busy host measures late, which is no rate of 0."""
_AT_ONCE = 16
"""Hosts that are asked at once; each takes a second or two."""


class _Rate(NamedTuple):
    at: float
    mib: float | None

    def until(self) -> float:
        """When the VM is asked again."""
        return self.at + (_SOON if self.mib is None else _FRESH)


class DirtyRates:
    """What was measured, VM by VM. Not for concurrent use of one plan; harmless if two plans measure the same."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: dict[int, _Rate] = {}

    def known(self) -> dict[int, float]:
        """VM id -> MiB/s of those that were measured lately."""
        now = self._services.clock.now()
        self._known = {vm: rate for vm, rate in self._known.items() if rate.until() > now}
        return {vm: rate.mib for vm, rate in self._known.items() if rate.mib is not None}

    def measure(self, plan: DrsPlan) -> bool:
        """Measure the VMs that the plan would move and that were not asked lately; whether any has a rate worth a thought."""
        asked = {move.vm_id: move.source_id for move in reversed(plan.moves) if move.vm_id not in self._known}
        hosts: dict[int, list[int]] = {}
        for vm, host in asked.items():
            hosts.setdefault(host, []).append(vm)
        if not hosts:
            return False
        with ThreadPoolExecutor(min(_AT_ONCE, len(hosts))) as threads:
            found = {vm: rate for rates in threads.map(self._of_host, hosts, hosts.values()) for vm, rate in rates.items()}
        now = self._services.clock.now()
        self._known.update({vm: _Rate(now, found.get(vm)) for vm in asked})
        return any(found.values())

    def _of_host(self, host: int, vms: Collection[int]) -> Mapping[int, float]:
        """Of some of its VMs; none where it does not answer."""
        queries = self._services.store.read()
        rows = [queries.first(VmRow, '"id"=?', (vm,)) for vm in vms]
        uuids = {row.uuid: row.id for row in rows if row is not None}
        try:
            driver = self._services.pool.hypervisor(queries.get(HostRow, host))
            rates = driver.dirty_rates([*uuids]) if driver.capabilities.dirty_rates else {}
        except NebulaError as error:
            _log.debug("dirty rates of host %s: %s", host, error)
            return {}
        return {uuids[uuid]: rate for uuid, rate in rates.items()}


def with_rates(snapshot: DrsSnapshot, rates: Mapping[int, float]) -> DrsSnapshot:
    """The same, with what is known of its VMs."""
    replace = msgspec.structs.replace
    vms = tuple(replace(vm, dirty_mib=rates[vm.id]) if vm.id in rates else vm for vm in snapshot.vms)
    return replace(snapshot, vms=vms)
