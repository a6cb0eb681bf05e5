"""A snapshot that a stranger may see: figures and numbers only."""

from __future__ import annotations

import msgspec

from nebula.engine.drs.values import DrsSnapshot


def without_names(snapshot: DrsSnapshot) -> DrsSnapshot:
    """Names become kinds and numbers; reasons lose what people wrote in them."""
    replace = msgspec.structs.replace
    return replace(
        snapshot,
        cluster=f"cluster-{snapshot.cluster_id}",
        hosts=tuple(replace(host, name=f"host-{host.id}", leave="to be left" if host.leave else "") for host in snapshot.hosts),
        vms=tuple(
            replace(
                vm, name=f"vm-{vm.id}", fixed="fixed" if vm.fixed else "", bound="cannot be migrated live" if vm.bound else ""
            )
            for vm in snapshot.vms
        ),
    )
