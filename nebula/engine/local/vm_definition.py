"""What a VM's domain is made of beside disks, cards and size: groups of its template, changed while no guest knows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.table import RUNNING, STOPPED, SUSPENDED, UNKNOWN
from nebula.engine.local.adoption import require_verb
from nebula.engine.machines.hardware.declared import BLOCKS
from nebula.engine.machines.machine import machine_of
from nebula.engine.store.rows import VmRow
from nebula.errors import ConflictError, UsageError

FIXED = frozenset(
    {"DISK", "NIC", "NIC_ALIAS", "CPU", "VCPU", "VCPU_MAX", "MEMORY", "MEMORY_MAX", "MEMORY_SLOTS", "MEMORY_RESIZE_MODE"}
    | {"NAME", "TOPOLOGY", "NUMA_NODE", "PCI"}
)
"""Attributes that `update` leaves alone: they are in the VM's disks, cards and bookings."""
DEFINED = frozenset(BLOCKS) - FIXED - {"", "BACKUP_CONFIG"} | {
    *("EMULATOR", "EMULATOR_CPUS", "HYPERV_OPTIONS", "HYPERV_TIMERS", "SPICE_OPTIONS", "MEMORY_TUNE_OFFSET"),
}
"""What a domain is defined by at each start."""
_OF_ITS_DISKS = ("UUID", "SD_DISK_BUS")
"""Of OS: they are in the VM's row and disks."""
_KNOWN_BY_A_GUEST = (RUNNING, UNKNOWN, SUSPENDED, STOPPED)


def with_definition(vm: VmRow, given: Mapping[str, Any]) -> dict[str, Any]:
    """These changes of the VM's template, its password kept where they name none. ConflictError while a guest runs on what they
    change or its memory knows it; UsageError for what stays as long as the VM.
    """
    machine = machine_of(vm)
    changes = dict(given)
    before, after = machine.template.get("GRAPHICS"), changes.get("GRAPHICS")
    if isinstance(before, Mapping) and isinstance(after, Mapping) and after and "PASSWD" not in after and before.get("PASSWD"):
        changes["GRAPHICS"] = {**after, "PASSWD": before["PASSWD"]}
    touched = sorted(key for key in DEFINED & set(changes) if (machine.template.get(key) or "") != (changes[key] or ""))
    if not touched:
        return changes
    require_verb(vm, f"a change of {touched[0]}")
    if vm.job_id or place_of(vm) in _KNOWN_BY_A_GUEST or machine.memory:
        raise ConflictError(
            f"{touched[0]} of VM {vm.name} ({vm.id}) cannot be changed while it is {place_of(vm).name}",
            cause="its guest was started with it",
            hint=f"nebula vm poweroff {vm.id}, and then the same",
        )
    if "OS" in touched:
        _check_system(machine.template.get("OS") or {}, changes["OS"] or {})
    return changes


def _check_system(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for key in _OF_ITS_DISKS:
        if str(before.get(key) or "") != str(after.get(key) or ""):
            kept = before.get(key) or "not there"
            raise UsageError(f"OS/{key} stays as the VM was made with it", hint=f"leave it as it was: {kept}")
