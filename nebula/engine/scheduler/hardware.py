"""Hosts' own hardware in a plan, and as it is read from the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nebula import typed
from nebula.cpusets import cpus_of
from nebula.engine.machines.held import Held
from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.scheduler.stock import HardwareView, Stock
from nebula.engine.scheduler.values import HostView, VmView
from nebula.engine.store.rows import HardwareRow, HostRow
from nebula.engine.store.transaction import Queries
from nebula.model.host import HostHardware

PIN_POLICY, ISOLATED, SHARING, OFFERED = "PIN_POLICY", "ISOLCPUS", "VMS_THREAD", "PCI_FILTER"
"""Attributes of a host, as OpenNebula has them (PCI_FILTER: in a file of its own)."""
_HERE = '("vm"."host_id"="reservation"."host_id" OR "vm"."target_host"="reservation"."host_id")'


class Hardware:
    """All hosts of a plan. A host's stock is made when a VM asks for it."""

    def __init__(self, hosts: Iterable[HostView]) -> None:
        self._views = {host.id: host.hardware for host in hosts}
        self._stocks: dict[int, Stock] = {}
        self._given: dict[int, Held] = {}
        """VM id -> what it has in the plan."""

    def fit(self, vm: VmView, host_id: int) -> Held | Refusal:
        """What the VM would get there."""
        return self._stock(host_id).fit(vm.needs) if vm.needs else Held()

    def take(self, vm: VmView, host_id: int) -> None:
        """The VM comes to the host."""
        found = self.fit(vm, host_id)
        if isinstance(found, Held):
            self._given[vm.id] = found
            self._stock(host_id).take(found)

    def give(self, vm: VmView, host_id: int) -> None:
        """It leaves again."""
        found = self._given.pop(vm.id, None)
        if found is not None:
            self._stock(host_id).give(found)

    def _stock(self, host_id: int) -> Stock:
        if host_id not in self._stocks:
            self._stocks[host_id] = Stock(self._views.get(host_id) or HardwareView())
        return self._stocks[host_id]


def pins_vms(row: HostRow) -> bool:
    """Whether a person keeps the host for VMs that have CPUs of their own."""
    return _said(row, PIN_POLICY).upper() == "PINNED"


def processor(row: HostRow) -> dict[str, frozenset[str]]:
    """The fields of HostView that say what guests' CPUs may be there; nothing where guests are emulated, which is slower but
    can do more.
    """
    facts: Mapping[str, Any] = row.body.get("facts") or {}
    encryption = frozenset(map(str, facts.get("memory_encryption") or ()))
    if row.virt != "kvm":
        return {"encryption": encryption}
    models, features = (frozenset(map(str, facts.get(name) or ())) for name in ("cpu_models", "cpu_features"))
    return {"cpu_models": models, "cpu_features": features, "encryption": encryption}


def hardware_views(queries: Queries, rows: Iterable[HostRow], *, but: int = 0) -> dict[int, HardwareView]:
    """Host id -> its hardware; what VM `but` has counts as free."""
    seen = {row.host_id: typed.convert(row.body, HostHardware) for row in queries.select(HardwareRow)}
    held = held_by_host(queries, but=but)
    return {
        row.id: HardwareView(
            hardware=seen.get(row.id),
            held=tuple(held.get(row.id, {}).values()),
            isolated=frozenset(cpus_of(_said(row, ISOLATED))),
            sharing=int(_said(row, SHARING)) if _said(row, SHARING).isdecimal() else 0,
            offered=tuple(word.strip() for word in _said(row, OFFERED).split(",") if word.strip()),
        )
        for row in rows
    }


def held_by_host(queries: Queries, *, host: int = 0, but: int = 0) -> dict[int, dict[int, Held]]:
    """Host id -> VM id -> what it has there; of one host or, 0, of all."""
    rows = queries.rows(
        'SELECT "reservation"."host_id", "reservation"."vm_id", "reservation"."body" FROM "reservation" '
        f'JOIN "vm" ON "vm"."id"="reservation"."vm_id" WHERE "vm"."state"<>6 AND {_HERE} AND "vm"."id"<>? '
        + ('AND "reservation"."host_id"=? ' if host else "")
        + 'ORDER BY "reservation"."id"',
        (but, host) if host else (but,),
    )
    found: dict[int, dict[int, Held]] = {}
    for host_id, vm_id, body in rows:
        found.setdefault(int(host_id), {})[int(vm_id)] = typed.decoder(Held)(body)
    return found


def _said(row: HostRow, name: str) -> str:
    attributes: Mapping[str, Any] = row.body.get("attributes") or {}
    return str(attributes.get(name) or "")
