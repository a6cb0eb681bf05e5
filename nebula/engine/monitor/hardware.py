"""What hosts have that VMs may have for themselves: written down when it changes."""

from __future__ import annotations

from typing import Any

import msgspec

from nebula import typed
from nebula.engine.lifecycle.states import VmState
from nebula.engine.scheduler.hardware import held_by_host
from nebula.engine.services import Services
from nebula.engine.store.rows import HardwareRow, HostRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.engine.tunnels import hosts_changed
from nebula.model.host import HostHardware, HostSample, NumaNode


def take_up(services: Services, host: HostRow, sample: HostSample) -> None:
    """What a look brought of it, if anything. Nothing is written where nothing is news, or where a later look was quicker."""
    found, taken = sample.hardware, sample.taken
    if found is not None and _news(services.store.read(), host.id, found, taken) is not None:
        services.store.write(lambda tx: _write(tx, services, host.id, found, taken))


def _write(tx: Transaction, services: Services, host_id: int, found: HostHardware, taken: float) -> None:
    body = _news(tx, host_id, found, taken)
    if body is None or not tx.count(HostRow, '"id"=?', (host_id,)):
        return
    row = tx.first(HardwareRow, '"host_id"=?', (host_id,))
    before = row.body.get("addresses", []) if row is not None else []
    if row is None:
        tx.insert(HardwareRow(host_id=host_id, seen=taken, body=body))
    else:
        tx.change(row, seen=taken, body=body)
    if body["addresses"] != before:
        hosts_changed(tx, services, "")


def _news(queries: Queries, host_id: int, found: HostHardware, taken: float) -> dict[str, Any] | None:
    """What is to be kept, if it differs from what is."""
    now = _without_guests(queries, host_id, found)
    row = queries.first(HardwareRow, '"host_id"=?', (host_id,))
    if row is not None and (row.seen > taken or typed.convert(row.body, HostHardware) == now):
        return None
    body: dict[str, Any] = msgspec.to_builtins(now)
    return body


def _without_guests(queries: Queries, host_id: int, found: HostHardware) -> HostHardware:
    """Huge pages that our running VMs have count as free: what VMs have is subtracted when it is planned with."""
    used: dict[tuple[int, int], int] = {}
    if any(pages.free < pages.total for node in found.nodes for pages in node.pages):
        running = {
            vm_id
            for (vm_id,) in queries.rows(
                'SELECT "id" FROM "vm" WHERE "host_id"=? AND "state"=?', (host_id, int(VmState.ACTIVE))
            )
        }
        for vm_id, held in held_by_host(queries, host=host_id).get(host_id, {}).items():
            for part in held.nodes if vm_id in running else ():
                if part.page_mib:
                    key = part.memory_node, part.page_mib
                    used[key] = used.get(key, 0) + part.memory_mib // part.page_mib
    nodes = tuple(_with_pages(node, used) for node in found.nodes)
    return msgspec.structs.replace(found, nodes=nodes)


def _with_pages(node: NumaNode, used: dict[tuple[int, int], int]) -> NumaNode:
    pages = tuple(
        msgspec.structs.replace(one, free=min(one.total, one.free + used.get((node.id, one.size_mib), 0))) for one in node.pages
    )
    return msgspec.structs.replace(node, pages=pages)
