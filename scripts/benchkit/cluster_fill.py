"""Thousands of VMs that run, put straight into the database and the simulated world: for what is measured on a full cluster."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from benchkit.cluster import CALL, template
from nebula.drivers.sim.world import SimWorld
from nebula.engine.lifecycle.states import LcmState, VmState
from nebula.engine.local.engine import LocalEngine
from nebula.engine.store.rows import HostRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.model.domain import DomainSpec


def fill(local: LocalEngine, vms: int) -> None:
    """So many more VMs that run, spread over the hosts, each with the row that a VM of `cluster.template` has."""
    accepted = local.vms.create(template(0), CALL, hold=True)
    model = local.services.store.read().get(VmRow, accepted.id)
    local.vms.terminate(str(accepted.id), CALL, hard=True)
    hosts = local.services.store.read().select(HostRow, '1=1 ORDER BY "id"')
    rows = local.services.store.write(lambda tx: [_row(tx, model, hosts[number % len(hosts)]) for number in range(vms)])
    _start(local.services.transports.world(), {host.id: host.name for host in hosts}, rows)


def _row(tx: Transaction, model: VmRow, host: HostRow) -> VmRow:
    identity = str(uuid.uuid4())
    return tx.insert(
        VmRow(
            name=f"vm-{identity[:8]}",
            uuid=identity,
            owner=model.owner,
            state=int(VmState.ACTIVE),
            lcm_state=int(LcmState.RUNNING),
            host_id=host.id,
            cluster_id=host.cluster_id,
            datastore_id=model.datastore_id,
            cpu=model.cpu,
            memory=model.memory,
            disk=model.disk,
            created=tx.now,
            since=tx.now,
            ips=model.ips,
            body=model.body,
        )
    )


def _start(world: SimWorld, hosts: dict[int, str], rows: Sequence[VmRow]) -> None:
    now = world.now()
    with world.db.write():
        for row in rows:
            world.domains.start(hosts[row.host_id], _spec(row), now)


def _spec(row: VmRow) -> DomainSpec:
    return DomainSpec(
        vm_id=row.id,
        uuid=row.uuid,
        name=f"one-{row.id}",
        title=row.name,
        memory_mib=row.memory,
        vcpus=row.vcpus,
        cpu_share=row.cpu,
    )
