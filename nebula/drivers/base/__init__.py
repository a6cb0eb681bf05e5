"""The contracts of the drivers: one Protocol and one Capabilities struct a kind.

All methods are synchronous, are called from worker threads, may be called again after a crash from their start
(idempotent: they look before they act), and raise only errors of the one tree. `progress(done, total)` counts bytes.
"""

from __future__ import annotations

from nebula.drivers.base.datastore import Attached, Datastore, DatastoreCapabilities, Detachable, KeepsSnapshots, TakesTurns
from nebula.drivers.base.host import HostHandle, Progress
from nebula.drivers.base.hypervisor import (
    TUNNELS,
    ConsoleStream,
    DiskCopyRequest,
    Hypervisor,
    HypervisorCapabilities,
    MigrationProgress,
    MigrationRequest,
    Subscription,
    Tunnel,
)
from nebula.drivers.base.monitor import Monitor
from nebula.drivers.base.network import Answer, MovesAddresses, Network, NetworkCapabilities, Probe
from nebula.drivers.base.repository import Repository, RepositoryCapabilities

__all__ = [
    "TUNNELS",
    "Answer",
    "Attached",
    "ConsoleStream",
    "Datastore",
    "DatastoreCapabilities",
    "Detachable",
    "DiskCopyRequest",
    "HostHandle",
    "Hypervisor",
    "HypervisorCapabilities",
    "KeepsSnapshots",
    "MigrationProgress",
    "MigrationRequest",
    "Monitor",
    "MovesAddresses",
    "Network",
    "NetworkCapabilities",
    "Probe",
    "Progress",
    "Repository",
    "RepositoryCapabilities",
    "Subscription",
    "TakesTurns",
    "Tunnel",
]
