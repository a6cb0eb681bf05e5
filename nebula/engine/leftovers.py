"""What datastores still have of VMs that are gone: a host may have been given up while it had their disks, and come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nebula.engine.lifecycle.states import VmState
from nebula.engine.store.backup import SKIPPED_VMS
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
    there, ours = driver.vm_ids(host), given(queries)
    return [number for number in there if ours(number) and _is_gone(queries, number)]


def given(queries: Queries) -> Callable[[int], bool]:
    """Whether a number was given to a VM. Those that were left out when a copy was put back were not, however high the numbers
    of VMs are that came since.
    """
    newest = int(queries.rows('SELECT COALESCE(MAX("id"),0) FROM "vm"')[0][0])
    rows = queries.rows('SELECT "value" FROM "meta" WHERE "name"=?', (SKIPPED_VMS,))
    spans = [span.partition("-") for (value,) in rows for span in str(value).split(",")]
    skipped = [range(int(first), int(last) + 1) for first, _, last in spans]
    return lambda number: number <= newest and not any(number in span for span in skipped)


def named(numbers: list[int]) -> str:
    """Some numbers, not too many."""
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return ", ".join(map(str, numbers[:_SHOWN])) + more


def _is_gone(queries: Queries, number: int) -> bool:
    vm = queries.first(VmRow, '"id"=?', (number,))
    return vm is None or vm.state == VmState.DONE
