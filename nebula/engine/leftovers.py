"""What datastores still have of VMs that are gone: a host may have been given up while it had their disks, and come back."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from nebula.engine.lifecycle.states import VmState
from nebula.engine.store.rows import VmRow
from nebula.model.host import Finding

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore, HostHandle
    from nebula.engine.store.transaction import Queries

_SHOWN = 10


def left_in(queries: Queries, driver: Datastore, host: HostHandle) -> list[Finding]:
    """One for the VMs that are gone and have something in the datastore, as the host sees it. The rows are read after the host
    was asked: who comes meanwhile is not taken for gone.
    """
    there = driver.vm_ids(host)
    gone = [number for number in there if _is_gone(queries, number)]
    if not gone:
        return []
    numbers = ", ".join(str(number) for number in gone[:_SHOWN])
    more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
    directories = [driver.context_path(host, number).rpartition("/")[0] for number in gone[:_SHOWN]]
    clear = shlex.join(["rm", "-r", "--", *directories])
    fix = f"ssh {host.user}@{host.address} {shlex.quote(clear)}" if host.address else clear
    text = f"it has files or disks of VMs that are gone: {numbers}{more}"
    return [Finding(check="datastore.leftovers", level="warning", text=text, fix=fix)]


def _is_gone(queries: Queries, number: int) -> bool:
    vm = queries.first(VmRow, '"id"=?', (number,))
    return vm is None or vm.state == VmState.DONE
