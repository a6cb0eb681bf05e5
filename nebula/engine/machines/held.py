"""What a VM has of a host for itself: PCI devices, CPUs, memory of NUMA nodes. The scheduler chooses it."""

from __future__ import annotations

import msgspec


class HeldNode(msgspec.Struct, frozen=True, kw_only=True):
    """What one NUMA node of the VM has of the host: the node that its CPUs are on, and the one that its memory comes from."""

    node: int
    memory_node: int
    memory_mib: int
    page_mib: int = 0
    """The size of the pages that back it, 0: ordinary ones."""
    pins: tuple[str, ...] = ()
    """The host's CPUs that each of its vCPUs may run on, in libvirt's words; empty: all."""
    cpus: tuple[int, ...] = ()
    """The host's CPUs that nobody else gets; with `shared`: that only VMs like it get."""
    shared: bool = False


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """`pci`: addresses, in the order in which the template asks for devices."""

    pci: tuple[str, ...] = ()
    nodes: tuple[HeldNode, ...] = ()


def pins(held: Held) -> tuple[str, ...]:
    """For each vCPU of the VM, in order."""
    return tuple(pin for node in held.nodes for pin in node.pins)


def host_nodes(held: Held) -> tuple[int, ...]:
    """For each NUMA node of the VM: where its memory comes from."""
    return tuple(node.memory_node for node in held.nodes)
