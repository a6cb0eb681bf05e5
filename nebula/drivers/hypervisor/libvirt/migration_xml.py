"""The domain as the target of a migration is told of it, where its disks lie elsewhere there or are owned otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt.ownership import owned_otherwise, with_owners
from nebula.drivers.hypervisor.libvirt.xml.tree import node, parse, write

_BOUND = frozenset({"vcpupin", "memory", "memnode"})


class Booted(NamedTuple):
    """Files that a domain is booted from; empty: none, or as they are."""

    kernel: str = ""
    initrd: str = ""


class There(NamedTuple):
    """What is otherwise at the target. `paths`: guest name -> path there; `leave_owners`: what ownership.py says of it; `pins`
    and `host_nodes`: its CPUs for each vCPU and its NUMA node for each of the guest's, empty: as here.
    """

    paths: Mapping[str, str]
    booted: Booted = Booted()
    leave_owners: bool = False
    pins: tuple[str, ...] = ()
    host_nodes: tuple[int, ...] = ()


def moved_definitions(lib: Any, domain: Any, there: There) -> dict[str, str]:
    """Parameters by the name of their constant: the running and the persistent definition. Nothing changes: none."""
    flags = lib.VIR_DOMAIN_XML_MIGRATABLE | lib.VIR_DOMAIN_XML_SECURE
    running = domain.XMLDesc(flags)
    same = with_booted(running, there.booted) == with_booted(running, Booted())
    bound = there.pins or there.host_nodes
    if same and not bound and not differs(running, there.paths) and not owned_otherwise(running, there.leave_owners):
        return {}
    inactive = domain.XMLDesc(flags | lib.VIR_DOMAIN_XML_INACTIVE)
    return {
        "VIR_MIGRATE_PARAM_DEST_XML": _moved(running, there),
        "VIR_MIGRATE_PARAM_PERSIST_XML": _moved(inactive, there),
    }


def _moved(text: str, there: There) -> str:
    moved = with_booted(with_paths(text, there.paths), there.booted)
    return with_owners(with_binding(moved, there), there.leave_owners)


def with_booted(text: str, booted: Booted) -> str:
    """The definition with what it is booted from where that is."""
    root = parse(text, "a domain's definition")
    for name, path in booted._asdict().items():
        if path and (element := root.find(f"os/{name}")) is not None:
            element.text = path
    return write(root)


def with_binding(text: str, there: There) -> str:
    """The definition bound to the target's CPUs and nodes instead of those here."""
    if not there.pins and not there.host_nodes:
        return text
    root = parse(text, "a domain's definition")
    for name in ("cputune", "numatune"):
        for part in [part for part in root.iterfind(f"{name}/*") if part.tag in _BOUND]:
            part_of(root, name).remove(part)
    for number, cpus in enumerate(there.pins):
        part_of(root, "cputune").append(node("vcpupin", vcpu=number, cpuset=cpus))
    tune = part_of(root, "numatune")
    every = ",".join(str(number) for number in sorted(set(there.host_nodes)))
    if every:
        tune.append(node("memory", mode="strict", nodeset=every))
    if root.find("cpu/numa") is not None:
        for cell, number in enumerate(there.host_nodes):
            tune.append(node("memnode", cellid=cell, mode="strict", nodeset=number))
    if len(tune) == 0:
        root.remove(tune)
    return write(root)


def part_of(root: ET.Element, name: str) -> ET.Element:
    """The element of that name below the root, which is made if it is not there."""
    found = root.find(name)
    return ET.SubElement(root, name) if found is None else found


def differs(text: str, paths: Mapping[str, str]) -> bool:
    """Whether a disk would be elsewhere."""
    return any(now != then for now, then in _disks(parse(text, "a domain's definition"), paths).values())


def with_paths(text: str, paths: Mapping[str, str]) -> str:
    """The definition with the disks (by guest name) at their new paths; a moved disk's backing files are looked up anew."""
    root = parse(text, "a domain's definition")
    for disk in root.iterfind("devices/disk"):
        target, source = disk.find("target"), disk.find("source")
        wanted = paths.get(target.get("dev", ""), "") if target is not None else ""
        name = _source_name(source)
        if source is None or not name or not wanted or source.get(name) == wanted:
            continue
        source.set(name, wanted)
        backing = disk.find("backingStore")
        if backing is not None:
            disk.remove(backing)
    return write(root)


def _disks(root: Any, paths: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    found = {}
    for disk in root.iterfind("devices/disk"):
        target, source = disk.find("target"), disk.find("source")
        name = _source_name(source)
        if target is not None and name and target.get("dev") in paths:
            found[target.get("dev")] = (source.get(name), paths[target.get("dev")])
    return found


def _source_name(source: Any) -> str:
    """The attribute that names the file or device; empty for a disk without one."""
    if source is None:
        return ""
    return next((name for name in ("file", "dev") if source.get(name)), "")
