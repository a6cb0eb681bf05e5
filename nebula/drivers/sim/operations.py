"""The names under which faults and latencies are ordered: KIND.METHOD, one a method of a driver or of the transport."""

from __future__ import annotations

from nebula import timeouts
from nebula.errors import UsageError

READS = {
    "hypervisor": (
        "facts",
        "preflight",
        "lookup",
        "inspect",
        "definition",
        "domains",
        "migration_progress",
        "statistics",
        "dirty_rates",
        "subscribe",
        "console",
        "graphics",
        "addresses",
        "screenshot",
        "baseline",
        "disk_source",
        "uses_disk",
        "follow_backup",
    ),
    "repository": ("check", "find", "due"),
    "datastore": ("check", "usage", "probe", "has_image", "has_disk", "vm_ids", "require_unused"),
    "network": ("check", "probe", "taps", "filtered", "serving", "strays"),
    "monitor": ("sample",),
    "transport": ("run", "read_file", "forward"),
}
CHANGES = {
    "hypervisor": (
        "start", "shutdown", "destroy", "undefine", "reboot", "reset", "pause", "unpause", "migrate", "abort_migration",
        "save", "restore", "switch_disk", "pull_disk", "attach_disk", "detach_disk", "load_cd", "attach_card", "detach_card",
        "update_card", "snapshot", "revert", "delete_snapshot", "freeze", "begin_backup", "thaw", "end_backup",
        "forget_checkpoint", "copy_disk", "take_copy", "drop_copy", "name_disk",
        "resize", "resize_disk", "ask_agent", "renew_medium", "start_defined", "delete_files",
    ),
    "datastore": (
        "take_in", "create_empty", "copy_image", "clone_image", "remove_image", "create_disk", "write_context",
        "prepare_incoming", "move_vm", "remove_vm", "abandon", "memory_path", "remove_memory", "remove_disk",
        "resize_disk", "save_disk", "add_layer", "rebase_layer", "remove_layers", "copy_layers",
        "make_scratch", "remove_scratch", "copy_out", "fill_image", "fill_disk", "restore_disk", "replace_disk",
        "discard_restored", "attach", "detach", "take_snapshot", "go_back", "remove_snapshot", "forget_vm",
    ),
    "repository": ("prepare", "store", "fetch", "forget", "prune", "abandon"),
    "network": ("prepare", "plugged", "unplugged", "release", "set_filters", "serve", "tunnel_to", "clear_stray"),
    "transport": ("write_file", "upload"),
}  # fmt: skip
HALFWAY = ("hypervisor.migrate.halfway", "datastore.copy.halfway")
"""Faults that strike in the middle: of a migration, of a copy of bulk data."""

CHANGING = frozenset(f"{kind}.{name}" for kind, names in CHANGES.items() for name in names)
OPERATIONS = tuple(sorted({f"{kind}.{name}" for kind, names in READS.items() for name in names} | CHANGING | set(HALFWAY)))
PATTERNS = {operation: (operation, operation.split(".")[0] + ".*", "*") for operation in OPERATIONS}
_KNOWN = set(OPERATIONS) | {pattern for patterns in PATTERNS.values() for pattern in patterns}
_DEADLINES = {
    "hypervisor.start": timeouts.LIBVIRT_START,
    "hypervisor.migrate": timeouts.MIGRATION,
    "hypervisor.save": timeouts.MEMORY,
    "hypervisor.restore": timeouts.MEMORY,
}


def known(operation: str) -> str:
    """The name itself, or UsageError: an order for an operation that does not exist would never strike."""
    if operation not in _KNOWN:
        raise UsageError(f"no simulated operation is called {operation!r}", hint=f"use one of: {', '.join(sorted(_KNOWN))}")
    return operation


def deadline(operation: str) -> float:
    """Seconds after which a real driver gives up waiting for an answer."""
    return _DEADLINES.get(operation, timeouts.LIBVIRT_CALL)
