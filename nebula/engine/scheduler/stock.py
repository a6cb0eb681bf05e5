"""What a host has that VMs may have for themselves, while a plan is made: PCI devices, CPUs, memory of NUMA nodes.

CPUs: `core` takes whole cores, `thread` single CPUs, which nobody else gets; `shared` takes CPUs together with others of its
kind. Memory comes from the node of the CPUs, or from the nearest one that has enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from nebula.cpusets import listed
from nebula.engine.machines.hardware.host_devices import PciWish
from nebula.engine.machines.hardware.needs import Needs
from nebula.engine.machines.held import Held, HeldNode
from nebula.engine.scheduler.refusal import Refusal
from nebula.model.host import HostHardware, NumaNode, PciDevice

DEVICE, CPUS, PAGES, MEMORY = "without its device", "short of CPUs to pin", "short of huge pages", "short of a node's memory"
NODE, UNKNOWN = "without its NUMA node", "not looked at yet"
FREE_DRIVERS = frozenset({"", "vfio-pci", "pci-stub"})
"""A device that such a driver has, or none, is used by nobody on the host."""
_ALONE = -1
_TOLD = 3
"""Devices that a refusal names."""


class HardwareView(msgspec.Struct, frozen=True, kw_only=True):
    """A host's hardware (None: nobody looked yet) and what VMs have of it. `isolated`: CPUs that no VM gets; `sharing`: how
    many VMs may share a CPU, 0: any; `offered`: devices that are given although a driver of the host has them, as patterns
    VENDOR:DEVICE:CLASS with * for anything.
    """

    hardware: HostHardware | None = None
    held: tuple[Held, ...] = ()
    isolated: frozenset[int] = frozenset()
    sharing: int = 0
    offered: tuple[str, ...] = ()


def offers(view: HardwareView, device: PciDevice) -> bool:
    """Whether guests may have the device, be it free or not: there is an IOMMU, and the host does not need it itself."""
    if device.group < 0:
        return False
    free = device.driver in FREE_DRIVERS or any(device.address in held.pci for held in view.held)
    return free or any(_like(pattern, device) for pattern in view.offered)


def _like(pattern: str, device: PciDevice) -> bool:
    parts = pattern.lower().split(":")
    return all(part in ("", "*", own) for part, own in zip(parts, (device.vendor, device.device, device.class_), strict=False))


class _Node:
    """A NUMA node: MiB, pages by size, and for each CPU how many VMs share it (or that one has it alone)."""

    def __init__(self, node: NumaNode, isolated: frozenset[int]) -> None:
        self.id, self.distances = node.id, node.distances
        self.every = tuple(cpu for core in node.cores for cpu in core)
        self.cores = [core for core in node.cores if isolated.isdisjoint(core)]
        self.users = {cpu: 0 for core in node.cores for cpu in core if cpu not in isolated}
        self.memory = node.memory_mib
        self.pages = {pages.size_mib: pages.free for pages in node.pages}

    def whole_cores(self) -> list[tuple[int, ...]]:
        return [core for core in self.cores if not any(self.users[cpu] for cpu in core)]

    def threads(self) -> list[int]:
        """Free CPUs; those first whose core is in use already, so that whole cores are left."""
        free = [cpu for cpu, users in self.users.items() if not users]
        begun = {cpu for core in self.cores if any(self.users[one] for one in core) for cpu in core}
        place = {cpu: number for number, core in enumerate(self.cores) for cpu in core}
        return sorted(free, key=lambda cpu: (cpu not in begun, place.get(cpu, 0), cpu))

    def shared(self, most: int) -> list[int]:
        """CPUs that may be shared, those with the fewest VMs first."""
        found = [cpu for cpu, users in self.users.items() if users != _ALONE and (not most or users < most)]
        return sorted(found, key=lambda cpu: (self.users[cpu], cpu))

    def room(self, pin: str, sharing: int) -> int:
        """VCPUs that could be pinned here."""
        if pin == "core":
            return len(self.whole_cores())
        if pin == "thread":
            return len(self.threads())
        return len(self.shared(sharing)) if pin == "shared" else len(self.every)

    def has(self, mib: int, page: int) -> bool:
        return self.pages.get(page, 0) * page >= mib if page else self.memory >= mib


class Stock:
    """A host's hardware with the VMs of the plan."""

    def __init__(self, view: HardwareView) -> None:
        self._view = view
        known = view.hardware or HostHardware()
        self._nodes = {node.id: _Node(node, view.isolated) for node in known.nodes}
        self._devices = {device.address: device for device in known.devices if offers(view, device)}
        for held in view.held:
            self.take(held)

    def fit(self, needs: Needs) -> Held | Refusal:
        """What the VM would get, or why it cannot."""
        if self._view.hardware is None:
            return Refusal(UNKNOWN, "nobody has looked at its devices and NUMA nodes yet")
        pci = self._pick(needs.pci)
        if isinstance(pci, Refusal):
            return pci
        near = {self._devices[address].node for address in pci}
        nodes = self._spread(needs, near) if needs.parts else ()
        return nodes if isinstance(nodes, Refusal) else Held(pci=pci, nodes=nodes)

    def take(self, held: Held) -> None:
        """Somebody has it."""
        self._count(held, 1)
        for address in held.pci:
            self._devices.pop(address, None)

    def give(self, held: Held) -> None:
        """Nobody has it any more."""
        self._count(held, -1)
        known = {device.address: device for device in (self._view.hardware or HostHardware()).devices}
        self._devices |= {address: known[address] for address in held.pci if address in known}

    def _count(self, held: Held, times: int) -> None:
        for part in held.nodes:
            if (memory := self._nodes.get(part.memory_node)) is not None:
                if part.page_mib:
                    pages = times * (part.memory_mib // part.page_mib)
                    memory.pages[part.page_mib] = memory.pages.get(part.page_mib, 0) - pages
                else:
                    memory.memory -= times * part.memory_mib
            users = self._nodes[part.node].users if part.node in self._nodes else {}
            for cpu in part.cpus:
                if cpu in users:
                    users[cpu] = users[cpu] + times if part.shared else _ALONE if times > 0 else 0

    # --- devices

    def _pick(self, wishes: Sequence[PciWish]) -> tuple[str, ...] | Refusal:
        """A device for each wish; several wishes never want the same one."""
        chosen: dict[str, int] = {}
        for number, wish in enumerate(wishes):
            if not self._assign(number, wishes, chosen, set()):
                return Refusal(DEVICE, partial(self._instead, wish))
        by_wish = {number: address for address, number in chosen.items()}
        return tuple(by_wish[number] for number in range(len(wishes)))

    def _instead(self, wish: PciWish) -> str:
        """In words, with who has those that would do."""
        like = [device for device in (self._view.hardware or HostHardware()).devices if _matches(wish, device)]
        told = [f"{device.address} {self._owner(device)}" for device in like[:_TOLD]]
        return f"no free PCI device {wish}" + (f": {', '.join(told)}" if told else "")

    def _owner(self, device: PciDevice) -> str:
        if device.group < 0:
            return "has no IOMMU"
        return "is a VM's" if offers(self._view, device) else f"is used by the host's driver {device.driver}"

    def _assign(self, number: int, wishes: Sequence[PciWish], chosen: dict[str, int], seen: set[str]) -> bool:
        """Give the wish a device, another one to whoever has that if need be."""
        for address in sorted(self._devices):
            if address in seen or not _matches(wishes[number], self._devices[address]):
                continue
            seen.add(address)
            if address not in chosen or self._assign(chosen[address], wishes, chosen, seen):
                chosen[address] = number
                return True
        return False

    # --- nodes

    def _spread(self, needs: Needs, near: set[int]) -> tuple[HeldNode, ...] | Refusal:
        """A node for each part, the largest first; everything is given back before this returns."""
        found: dict[int, HeldNode] = {}
        order = sorted(range(len(needs.parts)), key=lambda number: (-needs.parts[number][0], -needs.parts[number][1], number))
        refusal: Refusal | None = None
        for number in order:
            part = self._part(needs, needs.parts[number], near, [node.node for node in found.values()])
            if isinstance(part, Refusal):
                refusal = part
                break
            found[number] = part
            self._count(Held(nodes=(part,)), 1)
        self._count(Held(nodes=tuple(found.values())), -1)
        return refusal or tuple(found[number] for number in range(len(found)))

    def _part(self, needs: Needs, part: tuple[int, int], near: set[int], used: list[int]) -> HeldNode | Refusal:
        """The node that is near the devices, not used by another part of the VM, and has the least room that is enough."""
        vcpus, mib = part
        able = [node for node in self._nodes.values() if needs.node in (-1, node.id)]
        wide = [node for node in able if node.room(needs.pin, self._view.sharing) >= vcpus or not needs.pinned]
        if not able:
            return Refusal(
                NODE, f"the host has no NUMA node {needs.node}" if needs.node >= 0 else "its NUMA nodes are not known"
            )
        if not wide:
            most = max((node.room(needs.pin, self._view.sharing) for node in able), default=0)
            return Refusal(CPUS, f"{vcpus} CPUs are to be pinned ({needs.pin}), and no node has more than {most}", vcpus - most)
        wide.sort(
            key=lambda node: (used.count(node.id), node.id not in near, node.room(needs.pin, self._view.sharing), node.id)
        )
        for node in wide:
            memory = self._memory(node, mib, needs)
            if memory is not None:
                return self._held(node, memory, part, needs)
        what = f"{mib} MiB in pages of {needs.page} MiB" if needs.page else f"{mib} MiB of one node"
        return Refusal(PAGES if needs.page else MEMORY, f"no NUMA node has {what} free")

    def _memory(self, node: _Node, mib: int, needs: Needs) -> _Node | None:
        def far(other: _Node) -> tuple[int, int]:
            return (node.distances[other.id] if other.id < len(node.distances) else 255), other.id

        able = [other for other in self._nodes.values() if other.has(mib, needs.page) and needs.node in (-1, other.id)]
        return min([node] if node in able else able, key=far, default=None)

    def _held(self, node: _Node, memory: _Node, part: tuple[int, int], needs: Needs) -> HeldNode:
        pins, cpus = self._cpus(node, part[0], needs)
        return HeldNode(
            node=node.id,
            memory_node=memory.id,
            memory_mib=part[1],
            page_mib=needs.page,
            pins=pins,
            cpus=cpus,
            shared=needs.pin == "shared",
        )

    def _cpus(self, node: _Node, vcpus: int, needs: Needs) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """(where each vCPU may run, the CPUs that are taken)."""
        if needs.pin == "core":
            cores = node.whole_cores()[:vcpus]
            return tuple(listed(core) for core in cores), tuple(cpu for core in cores for cpu in core)
        if needs.pin == "thread":
            threads = node.threads()[:vcpus]
            return tuple(str(cpu) for cpu in threads), tuple(threads)
        if needs.pin == "shared":
            shared = sorted(node.shared(self._view.sharing)[:vcpus])
            return (listed(shared),) * vcpus, tuple(shared)
        return ((listed(node.every),) * vcpus if needs.node >= 0 else ()), ()


def _matches(wish: PciWish, device: PciDevice) -> bool:
    asked = wish.address, wish.vendor, wish.device, wish.class_
    own = device.address, device.vendor, device.device, device.class_
    return all(wanted in ("", found) for wanted, found in zip(asked, own, strict=True))
