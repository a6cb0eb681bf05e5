"""What the hosts of one plan share: who of the VM groups is where, space on shared storage, what
VMs have for themselves, reserves of clusters.
"""

from __future__ import annotations

from nebula.engine.scheduler.groups import Company
from nebula.engine.scheduler.hardware import Hardware
from nebula.engine.scheduler.reserve import Reserve
from nebula.engine.scheduler.space import Spaces
from nebula.engine.scheduler.values import ClusterSnapshot, HostView, VmView


class Ground:
    """Told of every VM that comes to a host or leaves it."""

    def __init__(self, snapshot: ClusterSnapshot) -> None:
        names = {host.id: host.name for host in snapshot.hosts}
        self.company = Company(snapshot.groups, snapshot.members, names)
        self.spaces = Spaces(snapshot.spaces)
        self.hardware = Hardware(snapshot.hosts)
        self.reserves = {view.id: Reserve(view, snapshot.hosts) for view in snapshot.clusters if view.reserve}

    def take(self, vm: VmView, host: HostView) -> None:
        """The VM comes to the host."""
        if vm.group_id:
            self.company.take(vm, host.id)
        if vm.needs:
            self.hardware.take(vm, host.id)
        self._promise(vm, host, 1)

    def give(self, vm: VmView, host: HostView) -> None:
        """The VM leaves it."""
        if vm.group_id:
            self.company.give(vm, host.id)
        if vm.needs:
            self.hardware.give(vm, host.id)
        self._promise(vm, host, -1)

    def _promise(self, vm: VmView, host: HostView, times: int) -> None:
        if vm.space:
            self.spaces.promise(vm, host.id, times)
        reserve = self.reserves.get(host.cluster_id) if self.reserves else None
        if reserve is not None and vm.inside != host.cluster_id:
            reserve.promise(times * vm.cpu, times * vm.memory)
