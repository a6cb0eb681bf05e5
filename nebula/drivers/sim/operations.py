"""The names under which faults and latencies are ordered: KIND.METHOD, one a method of a driver or of the transport."""

from __future__ import annotations

from nebula import timeouts
from nebula.errors import UsageError

READS = {
    "hypervisor": (
        "facts",
        "preflight",
        "lookup",
        "domains",
        "migration_progress",
        "statistics",
        "subscribe",
        "console",
        "graphics",
    ),
    "datastore": ("check", "usage", "probe", "has_image", "vm_ids"),
    "network": ("check", "taps"),
    "monitor": ("sample",),
    "transport": ("run", "read_file", "forward"),
}
CHANGES = {
    "hypervisor": (
        "start", "shutdown", "destroy", "undefine", "reboot", "reset", "pause", "unpause", "migrate", "abort_migration",
    ),
    "datastore": (
        "take_in", "create_empty", "copy_image", "remove_image", "create_disk", "write_context", "prepare_incoming", "move_vm",
        "remove_vm",
    ),
    "network": ("prepare", "plugged", "unplugged", "release"),
    "transport": ("write_file", "upload"),
}  # fmt: skip
HALFWAY = ("hypervisor.migrate.halfway", "datastore.copy.halfway")
"""Faults that strike in the middle: of a migration, of a copy of bulk data."""

CHANGING = frozenset(f"{kind}.{name}" for kind, names in CHANGES.items() for name in names)
OPERATIONS = tuple(sorted({f"{kind}.{name}" for kind, names in READS.items() for name in names} | CHANGING | set(HALFWAY)))
PATTERNS = {operation: (operation, operation.split(".")[0] + ".*", "*") for operation in OPERATIONS}
_KNOWN = set(OPERATIONS) | {pattern for patterns in PATTERNS.values() for pattern in patterns}
_DEADLINES = {"hypervisor.start": timeouts.LIBVIRT_START, "hypervisor.migrate": timeouts.MIGRATION}


def known(operation: str) -> str:
    """The name itself, or UsageError: an order for an operation that does not exist would never strike."""
    if operation not in _KNOWN:
        raise UsageError(f"no simulated operation is called {operation!r}", hint=f"use one of: {', '.join(sorted(_KNOWN))}")
    return operation


def deadline(operation: str) -> float:
    """Seconds after which a real driver gives up waiting for an answer."""
    return _DEADLINES.get(operation, timeouts.LIBVIRT_CALL)
