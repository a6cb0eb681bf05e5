"""What DRS sees of a cluster and what it answers. All of it is plain data: it goes into a file and comes back the same."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Figures(NamedTuple):
    """One number a metric: CPU in hundredths of a core, memory in MiB, disk and network in MiB/s."""

    cpu: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    network: float = 0.0


class DrsHost(msgspec.Struct, frozen=True, kw_only=True):
    """A host of the cluster. `capacity` 0 of a metric: not known, not balanced."""

    id: int
    name: str
    capacity: Figures
    cpu_max: int
    """Hundredths of a core that may be promised."""
    memory_max: int
    """MiB that may be promised."""
    takes: bool = True
    """Whether VMs may come."""
    leave: str = ""
    """Why all VMs must leave: "maintenance"; empty: they need not."""
    watts: tuple[float, ...] = ()
    """Power in use at evenly spaced shares of its CPU from idle to full; empty: not known."""


class DrsVm(msgspec.Struct, frozen=True, kw_only=True):
    """A VM that runs in the cluster. `cpu` and `memory` are what it was promised."""

    id: int
    name: str
    host_id: int
    cpu: int
    memory: int
    mean: Figures
    """Expected in the time that is planned for."""
    spread: Figures = Figures()
    """Standard deviation of that."""
    copy_mib: float = 0.0
    """Memory (and disks that are not shared) to copy for a migration, MiB."""
    dirty_mib: float = 0.0
    """MiB/s that it writes to its memory; 0: little, or not measured."""
    fixed: str = ""
    """Why it stays where it is, unless its host must be left; empty: it may move."""
    bound: str = ""
    """Why no live migration takes it away, even if its host must be left; empty: one can."""
    past_mib: float = 0.0
    """MiB/s at which its own latest migrations brought what there was of it; 0: none is known."""
    allowed: tuple[int, ...] | None = None
    """Hosts that its requirements and resources admit; None: all."""
    left: tuple[int, ...] = ()
    """Hosts that it left so short a time ago that it does not go back."""
    history: tuple[float, ...] = ()
    """CPU that it used lately, hundredths of a core, the newest last, at the same moments for all VMs; empty: not known."""


class DrsSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster at one moment."""

    cluster_id: int
    cluster: str
    at: float
    """Seconds since the epoch."""
    hosts: tuple[DrsHost, ...]
    vms: tuple[DrsVm, ...]
    together: tuple[tuple[int, ...], ...] = ()
    """Ids of VMs that must share a host: they stay, unless their host must be left."""
    apart: tuple[tuple[int, ...], ...] = ()
    """Ids of VMs no two of which may share a host."""
    link_mib: float = 100.0
    """MiB/s that a migration gets, as measured in past ones."""
    reserve: bool = False
    """Whether the cluster must stay able to lose a host (RESERVE_HOST)."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One migration of a plan; moves of one `wave` may be under way at once, the next one begins after it."""

    vm_id: int
    vm: str
    source_id: int
    source: str
    target_id: int
    target: str
    wave: int
    gain: float
    """What it alone changes in the objective, in its place in the order; better is positive."""
    copy_mib: float
    """With what the guest writes meanwhile, and is copied again."""
    seconds: float
    """How long it should take."""
    reason: str


class HostLoad(msgspec.Struct, frozen=True, kw_only=True):
    """A host's load, before and after: shares of its capacity that the coverage asks for, 1.0 = full."""

    host_id: int
    host: str
    before: Figures
    after: Figures
    vms_before: int
    vms_after: int


class DrsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, and what it should bring. `why_not`: why there are no moves."""

    cluster_id: int
    cluster: str
    at: float
    moves: tuple[Move, ...]
    hosts: tuple[HostLoad, ...]
    before: float
    after: float
    """The objective (without the price of moves) before and after."""
    why_not: str = ""
    stranded: tuple[tuple[int, str], ...] = ()
    """(VM id, why) of those that must leave their host and have nowhere to go."""
    staying: tuple[tuple[int, str], ...] = ()
    """(VM id, why) of those that no live migration takes away from hosts that others leave or should leave."""
    could_sleep: tuple[str, ...] = ()
    """Hosts that would run nothing."""
