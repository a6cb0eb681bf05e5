"""What the scheduler sees and what it answers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nebula.engine.machines.hardware.needs import Needs
from nebula.engine.machines.machine import Waiting
from nebula.engine.scheduler.expressions import Value
from nebula.engine.scheduler.groups import GroupView, Member
from nebula.engine.scheduler.stock import HardwareView


class HostView(msgspec.Struct, frozen=True, kw_only=True):
    """A host: CPU in hundredths of a core, memory in MiB; free is what may still be promised, `cpu_max` and `memory_max`
    all that may be (0: what is free is all there is). `attributes`: what expressions see of it; empty in a snapshot whose
    VMs have none.
    """

    id: int
    name: str
    cluster_id: int
    state: str
    cpu_free: int
    memory_free: int
    vms: int
    error: str = ""
    attributes: dict[str, Value] = {}
    cpu_max: int = 0
    memory_max: int = 0
    cpu_total: int = 0
    memory_total: int = 0
    cpu_used: float = -1
    """Measured, with half of what the VMs were promised that nobody measured yet; -1: not known."""
    memory_used: float = -1
    priority: float = 0.0
    """Its attribute PRIORITY, for the policy fixed."""
    pinned: bool = False
    """Whether it is kept for VMs that have CPUs of their own (PIN_POLICY)."""
    hardware: HardwareView | None = None
    """Where a VM of the snapshot asks for something of it."""
    cpu_models: frozenset[str] = frozenset()
    """libvirt's models that guests may have; empty: not known."""
    cpu_features: frozenset[str] = frozenset()
    encryption: frozenset[str] = frozenset()
    """Ways of encrypting a guest's memory."""


class ClusterView(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster places VMs; `rank` is the expression of the policy custom."""

    id: int
    name: str
    policy: str = "striping"
    rank: str = ""
    reserve: bool = False
    """Whether it promises only what it can keep when it loses its largest host."""


class SpaceView(msgspec.Struct, frozen=True, kw_only=True):
    """A datastore's space on a host (`host_id` 0: on all, it is shared), MiB. `keep`: what must stay free."""

    datastore_id: int
    name: str
    host_id: int
    total: int
    free: int
    keep: int


class Resident(msgspec.Struct, frozen=True, array_like=True):
    """A VM on a host of a cluster that reserves: hundredths of a core, MiB."""

    host_id: int
    cpu: int
    memory: int


class VmView(msgspec.Struct, frozen=True, kw_only=True):
    """A VM that waits. `clusters`: where its datastores and networks reach, empty: everywhere. `not_on`: hosts that it
    must leave. `only_on`: the host that a person asked for, -1: any.
    """

    id: int
    name: str
    cpu: int
    memory: int
    owner: str = ""
    priority: float = 0.0
    """USER_PRIORITY: among the VMs of one owner the highest comes first."""
    clusters: frozenset[int] = frozenset()
    limits: tuple[str, ...] = ()
    """What `clusters` comes from, in words, for the explanation."""
    not_on: frozenset[int] = frozenset()
    only_on: int = -1
    homes: frozenset[int] = frozenset()
    """Hosts that have its persistent images, empty: none of its own."""
    near: int = -1
    """The host that has its disks, which other hosts would have to copy; -1: none alone."""
    impossible: str = ""
    """Why no host can take it whatever is free: its networks and datastores share no cluster."""
    requirements: str = ""
    """SCHED_REQUIREMENTS, its variables put in."""
    rank: str = ""
    """SCHED_RANK, likewise; empty: the policy decides alone."""
    space: tuple[tuple[int, int], ...] = ()
    """(datastore, MiB) that its disks need where they come."""
    inside: int = 0
    """The cluster in which its capacity is taken already, 0: none."""
    group_id: int = 0
    """Its VM group, 0: none."""
    role: str = ""
    policy: str = ""
    """SCHED_POLICY of its own; empty: its cluster's."""
    needs: Needs | None = None
    """What it needs of a host's own hardware; None: nothing."""
    waiting: Waiting | None = None
    """What was told last of why it waits."""


class ClusterSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a decision may depend on."""

    hosts: tuple[HostView, ...]
    pending: tuple[VmView, ...]
    clusters: tuple[ClusterView, ...] = ()
    """Those that differ from the default: striping."""
    holdings: tuple[tuple[str, int, int], ...] = ()
    """(owner, hundredths of a core, MiB) that owners have on hosts."""
    groups: tuple[GroupView, ...] = ()
    members: tuple[Member, ...] = ()
    """The VMs of groups that have a place."""
    spaces: tuple[SpaceView, ...] = ()
    residents: tuple[Resident, ...] = ()


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Put this VM on that host, because."""

    vm_id: int
    host_id: int
    reason: str


class Unplaced(msgspec.Struct, frozen=True, kw_only=True):
    """A VM left waiting: in one line, the tests that hosts failed, and per host name in words which one it failed."""

    vm_id: int
    summary: str
    tests: list[str]
    hosts: Mapping[str, str]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now."""

    actions: tuple[Action, ...]
    unplaced: tuple[Unplaced, ...]
