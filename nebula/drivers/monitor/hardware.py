"""NUMA nodes and PCI devices, out of what the kernel shows under /sys, and the addresses of network devices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from nebula.cpusets import cpus_of
from nebula.model.host import DeviceAddress, HostHardware, NumaNode, PageCount, PciDevice

SCRIPT = (
    "cd /sys/devices/system && grep -Hs . node/node*/cpulist node/node*/distance node/node*/hugepages/*/nr_hugepages"
    " node/node*/hugepages/*/free_hugepages cpu/cpu*/topology/thread_siblings_list; grep -hs MemTotal node/node*/meminfo;"
    " cd /sys/bus/pci/devices 2>/dev/null && grep -Hs . */uevent */numa_node;"
    " cd /sys/kernel/iommu_groups 2>/dev/null && echo */devices/*; ip -o -4 address show scope global 2>/dev/null; true"
)
"""Constant: nothing that anybody typed is part of it. Lines are FILE:CONTENT; then IOMMU groups, then what `ip` says."""
_BRIDGES = ("06",)
_NODE = re.compile(r"node/node(\d{1,4})/(.+)", re.ASCII)
_MEMORY = re.compile(r"Node (\d{1,4}) MemTotal:\s*(\d{1,15}) kB", re.ASCII)
_PAGES = re.compile(r"hugepages/hugepages-(\d{1,9})kB/(nr|free)_hugepages", re.ASCII)
_SIBLINGS = re.compile(r"cpu/cpu(\d{1,5})/topology/thread_siblings_list", re.ASCII)
_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", re.ASCII)
_GROUPED = re.compile(rf"(\d{{1,6}})/devices/({_ADDRESS.pattern})", re.ASCII)
_INET = re.compile(r"\d+: ([^\s@]{1,15})\S* +inet (\d{1,3}(?:\.\d{1,3}){3})[/ ].*", re.ASCII)
_OURS = re.compile(r"onebr.*|vx\d+|one-.*")
_MEMORY_OF = "memory"


def parse_hardware(lines: Iterable[str]) -> HostHardware:
    """What the script wrote. Never raises: what cannot be read is left out."""
    nodes: dict[int, dict[str, str]] = {}
    siblings: dict[int, tuple[int, ...]] = {}
    devices: dict[str, dict[str, str]] = {}
    groups: dict[str, int] = {}
    addresses: list[DeviceAddress] = []
    for line in lines:
        if found := _INET.match(line):
            addresses.append(DeviceAddress(device=found[1], address=found[2]))
            continue
        name, _, content = line.partition(":") if line.startswith(("node/", "cpu/")) else ("", "", line)
        if found := _MEMORY.fullmatch(line.strip()):
            nodes.setdefault(int(found[1]), {})[_MEMORY_OF] = found[2]
        elif found := _NODE.fullmatch(name):
            nodes.setdefault(int(found[1]), {})[found[2]] = content.strip()
        elif found := _SIBLINGS.fullmatch(name):
            siblings[int(found[1])] = cpus_of(content)
        elif "/devices/" in line:
            groups |= {address: int(number) for number, address in _GROUPED.findall(line)}
        elif (address := line.partition("/")[0]) and _ADDRESS.fullmatch(address):
            _note(devices.setdefault(address, {}), line[len(address) + 1 :])
    return HostHardware(
        nodes=tuple(_node(number, nodes[number], siblings) for number in sorted(nodes)),
        devices=tuple(_devices(devices, groups)),
        addresses=tuple(one for one in addresses if not _OURS.fullmatch(one.device)),
    )


def _note(device: dict[str, str], line: str) -> None:
    """`uevent:KEY=VALUE` or `numa_node:N`."""
    name, _, content = line.partition(":")
    key, _, value = content.partition("=") if name == "uevent" else (name, "", content)
    device[key] = value.strip()


def _node(number: int, files: Mapping[str, str], siblings: Mapping[int, tuple[int, ...]]) -> NumaNode:
    own = cpus_of(files.get("cpulist", ""))
    cores = dict.fromkeys(tuple(cpu for cpu in siblings.get(cpu, (cpu,)) if cpu in own) or (cpu,) for cpu in own)
    return NumaNode(
        id=number,
        cores=tuple(sorted(cores)),
        memory_mib=int(files.get(_MEMORY_OF, "0")) >> 10,
        pages=tuple(_pages(files)),
        distances=tuple(int(word) for word in files.get("distance", "").split() if word.isdecimal()),
    )


def _pages(files: Mapping[str, str]) -> Iterator[PageCount]:
    counts: dict[int, dict[str, int]] = {}
    for name, content in files.items():
        found = _PAGES.fullmatch(name)
        if found and content.isdecimal():
            counts.setdefault(int(found[1]) >> 10, {})[found[2]] = int(content)
    for size in sorted(counts):
        total = counts[size].get("nr", 0)
        if total and size:
            yield PageCount(size_mib=size, total=total, free=min(total, counts[size].get("free", 0)))


def _devices(devices: Mapping[str, Mapping[str, str]], groups: Mapping[str, int]) -> Iterator[PciDevice]:
    for address in sorted(devices):
        facts = devices[address]
        vendor, _, device = facts.get("PCI_ID", "").lower().partition(":")
        class_ = facts.get("PCI_CLASS", "").lower().zfill(6)[:4]
        if not vendor or not device or class_.startswith(_BRIDGES):
            continue
        node = facts.get("numa_node", "-1")
        yield PciDevice(
            address=address,
            vendor=vendor,
            device=device,
            class_=class_,
            node=int(node) if node.isdecimal() else -1,
            driver=facts.get("DRIVER", ""),
            group=groups.get(address, -1),
        )
