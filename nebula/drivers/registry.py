"""Name -> "module:Class", one line a driver, imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nebula.errors import UsageError

HYPERVISORS = {
    "libvirt": "nebula.drivers.hypervisor.libvirt.driver:LibvirtHypervisor",
    "sim": "nebula.drivers.sim.hypervisor:SimHypervisor",
}
DATASTORES = {
    "ceph": "nebula.drivers.datastore.ceph:CephDatastore",
    "dev": "nebula.drivers.datastore.dev:DevDatastore",
    "iscsi_libvirt": "nebula.drivers.datastore.iscsi:IscsiDatastore",
    "lvm": "nebula.drivers.datastore.lvm:LvmDatastore",
    "shared": "nebula.drivers.datastore.shared:SharedDatastore",
    "ssh": "nebula.drivers.datastore.ssh:SshDatastore",
    "sim": "nebula.drivers.sim.datastore:SimDatastore",
}
REPOSITORIES = {
    "restic": "nebula.drivers.repository.restic:ResticRepository",
    "sim": "nebula.drivers.sim.repository:SimRepository",
}
NETWORKS = {
    "bridge": "nebula.drivers.network.bridge:BridgeNetwork",
    "802.1Q": "nebula.drivers.network.vlan:VlanNetwork",
    "ovswitch": "nebula.drivers.network.ovswitch:OvsNetwork",
    "ovswitch_vxlan": "nebula.drivers.network.ovswitch_vxlan:OvsVxlanNetwork",
    "vxlan": "nebula.drivers.network.vxlan:VxlanNetwork",
    "sim": "nebula.drivers.sim.network:SimNetwork",
}
MONITORS = {
    "proc": "nebula.drivers.monitor.proc:ProcMonitor",
    "sim": "nebula.drivers.sim.monitor:SimMonitor",
}
KINDS = {
    "hypervisor": HYPERVISORS,
    "datastore": DATASTORES,
    "repository": REPOSITORIES,
    "network": NETWORKS,
    "monitor": MONITORS,
}


def load(kind: str, name: str) -> Any:
    """The driver class of that kind and name; UsageError names the ones there are."""
    table = KINDS[kind]
    if name not in table:
        raise UsageError(f"no {kind} driver is called {name!r}", hint=f"use one of: {', '.join(sorted(table))}")
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)
