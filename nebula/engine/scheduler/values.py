"""What the scheduler sees and what it answers."""

from __future__ import annotations

import msgspec


class HostView(msgspec.Struct, frozen=True, kw_only=True):
    """A host: CPU in hundredths of a core, memory in MiB; free is what may still be promised."""

    id: int
    name: str
    cluster_id: int
    state: str
    cpu_free: int
    memory_free: int
    vms: int
    error: str = ""


class VmView(msgspec.Struct, frozen=True, kw_only=True):
    """A VM that waits. `clusters`: where its datastores and networks reach, empty: everywhere. `not_on`: hosts that it
    must leave. `only_on`: the host that a person asked for, -1: any.
    """

    id: int
    name: str
    cpu: int
    memory: int
    clusters: frozenset[int] = frozenset()
    limits: tuple[str, ...] = ()
    """What `clusters` comes from, in words, for the explanation."""
    not_on: frozenset[int] = frozenset()
    only_on: int = -1
    homes: frozenset[int] = frozenset()
    """Hosts that have its persistent images, empty: none of its own."""
    impossible: str = ""
    """Why no host can take it whatever is free: its networks and datastores share no cluster."""


class ClusterSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a decision may depend on."""

    hosts: tuple[HostView, ...]
    pending: tuple[VmView, ...]


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Put this VM on that host, because."""

    vm_id: int
    host_id: int
    reason: str


class Unplaced(msgspec.Struct, frozen=True, kw_only=True):
    """A VM left waiting: in one line, and per host name the test that it failed."""

    vm_id: int
    summary: str
    hosts: dict[str, str]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now."""

    actions: tuple[Action, ...]
    unplaced: tuple[Unplaced, ...]
