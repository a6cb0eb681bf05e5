"""CPUs and memory: how many, how they are arranged, and which of the host's they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nebula.engine.machines.hardware.group import Group, many, one
from nebula.model.domain import DomainCell, DomainTopology

MEMORY_SLOTS = 16
MAX_CELLS = 64
PINNED = frozenset({"core", "thread", "shared"})


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """vCPUs and MiB: what the VM has, and up to what it may grow (the same, where it may not)."""

    vcpus: int
    vcpus_max: int
    memory: int
    memory_max: int
    slots: int = 0
    balloon: bool = False
    limit: int = 0
    """MiB that QEMU may use, 0: unlimited."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How the guest sees its CPUs and memory, and how that is tied to the host. `parts`: (vCPUs, MiB) of its NUMA nodes,
    empty: it is not told of any.
    """

    topology: DomainTopology | None = None
    parts: tuple[tuple[int, int], ...] = ()
    pin: str = "none"
    node: int = -1
    """The host's NUMA node that was asked for."""
    page: int = 0
    """MiB of the pages that back the memory, 0: ordinary ones."""
    shared: bool = False

    @property
    def bound(self) -> bool:
        """Whether the VM takes something of a host's NUMA nodes for itself."""
        return self.pin in PINNED or self.node >= 0 or self.page > 0


def size(template: Mapping[str, Any], vcpus: int, memory: int) -> Size:
    """UsageError where a maximum is below what the VM begins with."""
    capacity = one(template, "")
    most, memory_max = capacity.number("VCPU_MAX", vcpus), capacity.number("MEMORY_MAX", memory)
    if most < vcpus:
        raise capacity.refuse("VCPU_MAX", f"{most} is less than VCPU, which is {vcpus}", f"VCPU_MAX: {vcpus}")
    if memory_max < memory:
        raise capacity.refuse("MEMORY_MAX", f"{memory_max} MiB is less than MEMORY, {memory} MiB", f"MEMORY_MAX: {memory}")
    grows = memory_max > memory
    balloon = grows and capacity.word("MEMORY_RESIZE_MODE", "hotplug") == "ballooning"
    offset = capacity.number("MEMORY_TUNE_OFFSET")
    return Size(
        vcpus=vcpus,
        vcpus_max=most,
        memory=memory,
        memory_max=memory_max,
        slots=capacity.number("MEMORY_SLOTS", MEMORY_SLOTS) if grows and not balloon else 0,
        balloon=balloon,
        limit=memory_max + offset if offset else 0,
    )


def shape(template: Mapping[str, Any], sizes: Size) -> Shape:
    """UsageError where the parts do not add up."""
    asked, nodes = one(template, "TOPOLOGY"), many(template, "NUMA_NODE")
    topology = _topology(asked, sizes)
    pin, node, page = asked.word("PIN_POLICY", "none"), asked.number("NODE_AFFINITY", -1), asked.number("HUGEPAGE_SIZE")
    parts = _given_parts(nodes, sizes) if nodes else _own_parts(asked, topology, sizes, bound=pin in PINNED or page > 0)
    if pin != "none" and node >= 0:
        raise asked.refuse("NODE_AFFINITY", "PIN_POLICY chooses the nodes", "leave one of them out")
    if pin != "none" and sizes.vcpus_max > sizes.vcpus:
        raise asked.refuse(
            "PIN_POLICY", "pinned VMs take no more vCPUs later: VCPU_MAX is above VCPU", f"VCPU_MAX: {sizes.vcpus}"
        )
    if node >= 0 and len(parts) > 1:
        raise asked.refuse(
            "NODE_AFFINITY", f"the VM has {len(parts)} NUMA nodes of its own", "leave NODE_AFFINITY or NUMA_NODE out"
        )
    for _, memory in parts if page else ():
        if memory % page:
            raise asked.refuse(
                "HUGEPAGE_SIZE", f"{memory} MiB are no multiple of {page}", f"MEMORY: {page * -(-sizes.memory // page)}"
            )
    shared = asked.word("MEMORY_ACCESS", "private") == "shared"
    if (shared or sizes.slots) and not parts:
        parts = ((sizes.vcpus_max, sizes.memory),)
    return Shape(topology=topology, parts=parts, pin=pin, node=node, page=page, shared=shared)


def _topology(asked: Group, sizes: Size) -> DomainTopology | None:
    names = ("SOCKETS", "CORES", "THREADS")
    if not any(asked.given(name) for name in names):
        return None
    sockets, cores, threads = (asked.number(name, 0) for name in names)
    threads = threads or 1
    if not sockets:
        sockets = max(1, sizes.vcpus_max // (threads * (cores or 1))) if cores else 1
    cores = cores or max(1, sizes.vcpus_max // (threads * sockets))
    if sockets * cores * threads != sizes.vcpus_max:
        name = next(name for name in names if asked.given(name))
        raise asked.refuse(
            name,
            f"{sockets} sockets of {cores} cores of {threads} threads are not {sizes.vcpus_max} vCPUs",
            "leave one of them out",
        )
    return DomainTopology(sockets=sockets, cores=cores, threads=threads)


def _given_parts(nodes: Sequence[Group], sizes: Size) -> tuple[tuple[int, int], ...]:
    """NUMA_NODE of the template."""
    if len(nodes) > MAX_CELLS:
        raise nodes[0].refuse("TOTAL_CPUS", f"there are {len(nodes)} nodes, of at most {MAX_CELLS}", "leave some out")
    parts = tuple((node.number("TOTAL_CPUS"), node.number("MEMORY")) for node in nodes)
    if any(not vcpus or not memory for vcpus, memory in parts):
        raise nodes[0].refuse(
            "TOTAL_CPUS", "each NUMA_NODE has TOTAL_CPUS and MEMORY", "NUMA_NODE: {TOTAL_CPUS: 2, MEMORY: 1G}"
        )
    for name, index, whole in (("TOTAL_CPUS", 0, sizes.vcpus_max), ("MEMORY", 1, sizes.memory)):
        total = sum(part[index] for part in parts)
        if total != whole:
            raise nodes[0].refuse(name, f"the nodes have {total} together, the VM {whole}", "let them add up")
    return parts


def _own_parts(asked: Group, topology: DomainTopology | None, sizes: Size, *, bound: bool) -> tuple[tuple[int, int], ...]:
    """A node a socket, where the VM is tied to the host's nodes."""
    if not bound:
        return ()
    sockets = topology.sockets if topology else 1
    page = max(1, asked.number("HUGEPAGE_SIZE"))
    if sizes.memory % (sockets * page):
        step = sockets * page
        raise asked.refuse(
            "SOCKETS" if sockets > 1 else "HUGEPAGE_SIZE",
            f"{sizes.memory} MiB cannot be shared out among {sockets} sockets in steps of {page} MiB",
            f"MEMORY: {step * -(-sizes.memory // step)}",
        )
    return ((sizes.vcpus_max // sockets, sizes.memory // sockets),) * sockets


def cells(parts: Sequence[tuple[int, int]], host_nodes: Sequence[int]) -> tuple[DomainCell, ...]:
    """The guest's NUMA nodes; `host_nodes`: the host's node for each, empty: any."""
    found: list[DomainCell] = []
    first = 0
    for number, (vcpus, memory) in enumerate(parts):
        host_node = host_nodes[number] if host_nodes else -1
        found.append(DomainCell(cpus=(first, first + vcpus - 1), memory_mib=memory, host_node=host_node))
        first += vcpus
    return tuple(found)
