"""Filters of cards on hosts: set before a card is there, again when it is, and anew when rules change.

Each time they are read afresh while nobody else of ours sets any on that host. So a change that comes while a VM starts or
moves reaches it by one way or the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nebula.engine.firewall.filters import Filters
from nebula.engine.leftovers import given
from nebula.engine.machines.machine import Nic, machine_of
from nebula.engine.machines.networks import network_spec, nic_spec
from nebula.engine.store.rows import HostRow, NetworkRow, VmRow
from nebula.engine.store.transaction import Queries
from nebula.model.network import NetworkSpec, NicSpec

if TYPE_CHECKING:
    from nebula.drivers.base import Network
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services

ByDriver = dict[str, list[NicSpec]]


def cards(queries: Queries, vm_id: int, nics: Iterable[Nic]) -> ByDriver:
    """The cards with what may pass them now, by the driver of their network."""
    filters, networks = Filters(queries).of_vm(vm_id), _networks(queries, nics)
    found: ByDriver = {}
    for nic in nics:
        network = networks[nic.network_id]
        found.setdefault(network.driver, []).append(nic_spec(vm_id, nic, network, filters.get(nic.nic_id)))
    return found


def set_filters(context: JobContext, host_id: int, vm_id: int, nics: Iterable[Nic]) -> None:
    """The VM's cards pass on that host what they should. Where that is what this run of the job has told it already, or
    nothing was ever asked for, the host is left alone.
    """
    told: dict[tuple[int, str], NicSpec] = context.cache.setdefault("filters", {})
    read = context.services.store.read()
    if not told and all(spec.filter is None for specs in cards(read, vm_id, nics).values() for spec in specs):
        return
    with context.hold(f"filters:{host_id}"):
        for driver, specs in cards(read, vm_id, nics).items():
            network = context.services.pool.network(driver)
            fresh = [spec for spec in specs if told.get((host_id, spec.tap), _unfiltered(spec)) != spec]
            if fresh:
                network.set_filters(context.handle(host_id), fresh)
                told.update({(host_id, spec.tap): spec for spec in fresh})


def refresh(context: JobContext, host_id: int, vm_ids: Iterable[int]) -> None:
    """The cards of these VMs that are on that host now, or are expected there, pass what they should."""
    pool, handle = context.services.pool, context.handle(host_id)
    with context.hold(f"filters:{host_id}"):
        read = context.services.store.read()
        found: ByDriver = {}
        for vm in read.select(VmRow, '"state"<>6 AND ("host_id"=? OR "target_host"=?)', (host_id, host_id)):
            if vm.id in vm_ids:
                for driver, specs in cards(read, vm.id, machine_of(vm).nics).items():
                    found.setdefault(driver, []).extend(specs)
        for name, specs in found.items():
            network = pool.network(name)
            there = {*network.taps(handle), *network.filtered(handle)}
            present = [spec for spec in specs if spec.tap in there]
            if present:
                network.set_filters(handle, present)


def leftovers(queries: Queries, host_id: int, there: Iterable[str]) -> list[str]:
    """Of these taps of a host, those of no VM that is there, stays there, or is on its way. One of a number that was never
    given may be of the time after the copy from which the database was put back.
    """
    rows = queries.select(VmRow, '"state"<>6 AND ("host_id"=? OR "target_host"=?)', (host_id, host_id))
    expected, ours = {nic.tap for vm in rows for nic in machine_of(vm).nics}, given(queries)
    return [tap for tap in there if tap not in expected and ours(int(tap.split("-")[1]))]


def wanted(queries: Queries, host_id: int, drivers: Iterable[str]) -> dict[str, int]:
    """Taps of those drivers' networks that should have filters on that host, each with its network."""
    found: dict[str, int] = {}
    for vm in queries.select(VmRow, '"state"<>6 AND "host_id"=?', (host_id,)):
        by_driver = cards(queries, vm.id, machine_of(vm).nics)
        specs = [spec for driver in drivers for spec in by_driver.get(driver, ())]
        found |= {spec.tap: spec.network.network_id for spec in specs if spec.filter is not None}
    return found


def clear_leftovers(context: JobContext, host_id: int) -> None:
    """Take away filters of cards that are gone."""
    handle = context.handle(host_id)
    kin = network_drivers(context.services, context.host_row(host_id))
    with context.hold(f"filters:{host_id}"):
        for driver, _ in kin:
            gone = leftovers(context.services.store.read(), host_id, driver.filtered(handle))
            if gone:
                driver.set_filters(handle, [nobodys(tap) for tap in gone])
                context.log(f"filters taken away: {', '.join(gone)}")


def _networks(queries: Queries, nics: Iterable[Nic]) -> dict[int, NetworkSpec]:
    return {nic.network_id: network_spec(queries.get(NetworkRow, nic.network_id)) for nic in nics}


def _unfiltered(spec: NicSpec) -> NicSpec | None:
    return spec if spec.filter is None else None


def network_drivers(services: Services, host: HostRow) -> list[tuple[Network, tuple[str, ...]]]:
    """Drivers that may have made something on the host: one for each kind of devices, with the names of all that make such.
    That of bridges comes last: it may take away what others' bridges led out by, when those are gone.
    """
    names = ["sim"]
    if host.driver != "sim":
        rows = services.store.read().select(NetworkRow)
        names = [*sorted({row.driver for row in rows if row.driver not in ("sim", "bridge")}), "bridge"]
    kin: dict[str, list[str]] = {}
    for name in names:
        kin.setdefault(services.pool.network(name).capabilities.devices, []).append(name)
    found = [(services.pool.network(alike[-1]), tuple(alike)) for alike in kin.values()]
    return sorted(found, key=lambda one: "bridge" in one[1])


def nobodys(tap: str) -> NicSpec:
    """A card of which nothing but its device is known."""
    nowhere = NetworkSpec(network_id=0, name="", driver="", bridge="")
    return NicSpec(vm_id=0, nic_id=0, tap=tap, mac="", network=nowhere)
