"""What datastores still have of VMs that are gone: a host may have been given up while it had their disks, and come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.lifecycle.states import VmState
from nebula.engine.store.rows import VmRow
from nebula.model.host import Finding

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore, HostHandle
    from nebula.engine.store.transaction import Queries

_SHOWN = 10


def left_in(queries: Queries, driver: Datastore, host: HostHandle) -> list[Finding]:
    """One for the VMs that are gone and have something in the datastore, as the host sees it."""
    gone = gone_in(queries, driver, host)
    if not gone:
        return []
    text = f"it has files or disks of VMs that are gone: {named(gone)}"
    return [Finding(check="datastore.leftovers", level="warning", text=text, fix=f"nebula host clean {host.name}")]


def gone_in(queries: Queries, driver: Datastore, host: HostHandle) -> list[int]:
    """Those VMs' numbers. The rows are read after the host was asked: who comes meanwhile is not taken for gone. A number that
    was never given is not ours to judge: it may be of the time after the copy from which the database was put back.
    """
    there = driver.vm_ids(host)
    newest = newest_vm(queries)
    return [number for number in there if number <= newest and _is_gone(queries, number)]


def newest_vm(queries: Queries) -> int:
    """The highest number that was given to a VM."""
    return int(queries.rows('SELECT COALESCE(MAX("id"),0) FROM "vm"')[0][0])


def named(numbers: list[int]) -> str:
    """Some numbers, not too many."""
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return ", ".join(map(str, numbers[:_SHOWN])) + more


def _is_gone(queries: Queries, number: int) -> bool:
    vm = queries.first(VmRow, '"id"=?', (number,))
    return vm is None or vm.state == VmState.DONE
