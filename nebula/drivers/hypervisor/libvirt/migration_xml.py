"""The domain as the target of a migration is told of it, where its disks lie elsewhere there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.drivers.hypervisor.libvirt.xml.tree import parse, write


def moved_definitions(lib: Any, domain: Any, paths: Mapping[str, str]) -> dict[str, str]:
    """Parameters by the name of their constant: the running and the persistent definition. Nothing moves: none."""
    flags = lib.VIR_DOMAIN_XML_MIGRATABLE | lib.VIR_DOMAIN_XML_SECURE
    running = domain.XMLDesc(flags)
    if not differs(running, paths):
        return {}
    return {
        "VIR_MIGRATE_PARAM_DEST_XML": with_paths(running, paths),
        "VIR_MIGRATE_PARAM_PERSIST_XML": with_paths(domain.XMLDesc(flags | lib.VIR_DOMAIN_XML_INACTIVE), paths),
    }


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
