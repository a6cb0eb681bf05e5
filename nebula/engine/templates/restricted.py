"""Attributes that only administrators may set, as OpenNebula has them by default; a template of theirs may carry them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from nebula.engine.people import Person
from nebula.errors import DeniedError

_NIC = frozenset(
    {"MAC", "VLAN_ID", "BRIDGE", "FILTER", "FILTER_IP_SPOOFING", "FILTER_MAC_SPOOFING", "OPENNEBULA_MANAGED", "EXTERNAL"}
    | {"VLAN_TAGGED_ID"}
    | {f"{way}_{what}" for way in ("INBOUND", "OUTBOUND") for what in ("AVG_BW", "PEAK_BW", "PEAK_KB")}
)
_DISK = frozenset(
    {"SIZE_IOPS_SEC", "OPENNEBULA_MANAGED", "ORIGINAL_SIZE", "SIZE_PREV"}
    | {
        f"{way}_{what}_SEC{more}"
        for way in ("TOTAL", "READ", "WRITE")
        for what in ("BYTES", "IOPS")
        for more in ("", "_MAX", "_MAX_LENGTH")
    }
)
RESTRICTED: Mapping[str, frozenset[str]] = {
    "CONTEXT": frozenset({"FILES"}),
    "NIC": _NIC,
    "NIC_ALIAS": _NIC,
    "NIC_DEFAULT": _NIC,
    "DISK": _DISK,
    "RAW": frozenset({"DATA"}),
    "OS": frozenset({"KERNEL", "INITRD", "BOOTLOADER", "FIRMWARE"}),
    "RNG": frozenset({"SOURCE"}),
    "USER_INPUTS": frozenset({"CPU", "MEMORY", "VCPU"}),
    "TOPOLOGY": frozenset({"PIN_POLICY", "HUGEPAGE_SIZE"}),
}
"""Keys of groups. Those of OS and RNG are ours: they name files of the host, which QEMU would read."""
WHOLE = frozenset(
    {"DEPLOY_ID", "CPU_COST", "MEMORY_COST", "DISK_COST", "PCI", "EMULATOR", "USER_PRIORITY"}
    | {"EMULATOR_CPUS", "HYPERV_OPTIONS", "HYPERV_TIMERS", "SPICE_OPTIONS"}
)
"""The second line is ours, too: what libvirt would take as it is."""
_NAMED = frozenset({"BIOS", "UEFI", ""})
"""Firmwares that libvirt finds by itself."""


def require_unrestricted(person: Person, template: Mapping[str, Any], base: Mapping[str, Any] | None = None) -> None:
    """DeniedError if somebody who is no administrator sets what only those may; what `base`, theirs, has already may stay."""
    if person.admin:
        return
    allowed = Counter(_found(base or {}))
    refused = Counter(_found(template)) - allowed
    if refused:
        names = sorted({name for name, _ in refused})
        raise DeniedError(
            f"only an administrator may set {', '.join(names[:10])}",
            cause=f"{person.name} is neither root nor the engine's own user",
            hint="leave it out, or ask for a template that has it",
        )


def _found(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in template.items():
        for item in value if isinstance(value, list) else [value]:
            if name in WHOLE:
                yield name, str(item)
            elif name in RESTRICTED and isinstance(item, Mapping):
                yield from ((f"{name}/{key}", str(part)) for key, part in item.items() if _restricted(name, key, part))


def _restricted(name: str, key: str, value: Any) -> bool:
    return key in RESTRICTED[name] and not (key == "FIRMWARE" and str(value).upper() in _NAMED)
