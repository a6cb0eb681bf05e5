"""Who may use which verb: every verb of the façade has its rule here, and none goes without one (a test compares).

The rights on VMs are those of OpenNebula's defaults: what moves a VM or repairs it is for administrators of the VM.
"""

from __future__ import annotations

from typing import NamedTuple

from nebula.engine.local.access import Right
from nebula.engine.schedules.actions import ACTIONS
from nebula.engine.store.rows import BackupRow, ImageRow, NetworkRow, SecurityGroupRow, TemplateRow, VmGroupRow, VmRow
from nebula.engine.store.rows.owned import Owned

USE, MANAGE, ADMIN = Right.USE, Right.MANAGE, Right.ADMIN


class Rule(NamedTuple):
    """Who may. `right`: on the object that the argument `ref` names, unless a lock of the object keeps people from it
    (`despite_lock`: even then, as for what only looks). `everybody`: whoever reaches the engine. `special`: the guard's method
    of that name decides. None of them: administrators alone.
    """

    right: Right | None = None
    everybody: bool = False
    special: str = ""
    despite_lock: bool = False


EVERYBODY = Rule(everybody=True)
ADMINISTRATORS = Rule()
USERS, MANAGERS, ADMINS = Rule(USE), Rule(MANAGE), Rule(ADMIN)
READERS, INSIDERS = Rule(USE, despite_lock=True), Rule(MANAGE, despite_lock=True)
"""Who may look at it, and who may see all of it."""


def _special(name: str) -> Rule:
    return Rule(special=name)


_OWNERSHIP = {"chown": ADMINISTRATORS, "chgrp": _special("chgrp"), "chmod": _special("chmod")} | dict.fromkeys(
    ("lock", "unlock"), _special("own_lock")
)
_READ = {"list": EVERYBODY, "show": EVERYBODY}
KINDS: dict[str, type[Owned]] = {
    "vms": VmRow, "templates": TemplateRow, "images": ImageRow, "networks": NetworkRow, "backups": BackupRow,
    "securitygroups": SecurityGroupRow, "vmgroups": VmGroupRow,
}  # fmt: skip
"""Nouns whose objects belong to somebody."""
RULES: dict[str, dict[str, Rule]] = {
    "hosts": {
        **_READ,
        **dict.fromkeys(
            (
                "describe",
                "scan",
                "put_key",
                "engine_key",
                "add",
                "check",
                "domains",
                "enable",
                "disable",
                "offline",
                "rename",
                "update",
                "remove",
                "evacuate",
                "clean",
            ),
            ADMINISTRATORS,
        ),
    },
    "clusters": {**_READ, **dict.fromkeys(("create", "rename", "update", "remove"), ADMINISTRATORS)},
    "datastores": {**_READ, **dict.fromkeys(("create", "put_key", "check", "rename", "update", "remove"), ADMINISTRATORS)},
    "images": {
        "list": EVERYBODY,
        "show": READERS,
        "catalogue": EVERYBODY,
        "create": _special("create_image"),
        "clone": USERS,
        "rename": MANAGERS,
        "persistent": MANAGERS,
        "update": MANAGERS,
        "enable": MANAGERS,
        "disable": MANAGERS,
        "chtype": MANAGERS,
        "remove": MANAGERS,
        **_OWNERSHIP,
    },
    "networks": {
        "list": EVERYBODY,
        "show": READERS,
        "leases": INSIDERS,
        "create": ADMINISTRATORS,
        "add_range": ADMINS,
        "remove_range": ADMINS,
        "hold": MANAGERS,
        "release": MANAGERS,
        "reserve": USERS,
        "check": ADMINISTRATORS,
        "rename": MANAGERS,
        "update": MANAGERS,
        "remove": MANAGERS,
        **_OWNERSHIP,
    },
    "securitygroups": {
        "list": EVERYBODY,
        "show": READERS,
        "create": EVERYBODY,
        "clone": USERS,
        "rename": MANAGERS,
        "update": MANAGERS,
        "commit": MANAGERS,
        "remove": MANAGERS,
        **_OWNERSHIP,
    },
    "vmgroups": {
        "list": EVERYBODY,
        "show": READERS,
        "create": EVERYBODY,
        "rename": MANAGERS,
        "update": MANAGERS,
        "remove": MANAGERS,
        **_OWNERSHIP,
    },
    "schedules": {
        "list": EVERYBODY,
        "show": _special("schedule"),
        **dict.fromkeys(("create", "charter"), _special("new_schedule")),
        **dict.fromkeys(("update", "remove"), _special("schedule")),
    },
    "backups": {
        "list": EVERYBODY,
        "show": READERS,
        "restore": USERS,
        "verify": MANAGERS,
        "remove": MANAGERS,
        "forget": ADMINISTRATORS,
        **_OWNERSHIP,
    },
    "templates": {
        "list": EVERYBODY,
        "show": READERS,
        "text": INSIDERS,
        "create": EVERYBODY,
        "update": MANAGERS,
        "rename": MANAGERS,
        "clone": USERS,
        "instantiate": USERS,
        "explain": _special("explain_template"),
        "remove": MANAGERS,
        **_OWNERSHIP,
    },
    "vms": {
        "list": EVERYBODY,
        "create": EVERYBODY,
        **dict.fromkeys(("show", "describe", "explain", "log", "history", "addresses", "disk_snapshots", "snapshots"), READERS),
        "definition": INSIDERS,
        "screenshot": INSIDERS,
        **dict.fromkeys(
            (
                "hold",
                "release",
                "poweroff",
                "suspend",
                "stop",
                "undeploy",
                "resume",
                "reboot",
                "terminate",
                "rename",
                "update",
                "resize",
                "disk_attach",
                "disk_detach",
                "disk_resize",
                "cd_change",
                "nic_attach",
                "nic_detach",
                "nic_update",
                "pci_attach",
                "pci_detach",
                "disk_saveas",
                "save",
                "clone",
                "snapshot_create",
                "snapshot_revert",
                "snapshot_delete",
                "snapshot_rename",
                "disk_snapshot_create",
                "disk_snapshot_revert",
                "disk_snapshot_delete",
                "disk_snapshot_rename",
                "console",
                "graphics",
                "execute",
                "executed",
                "kill",
                "open_file",
                "read_file",
                "write_file",
                "close_file",
            ),
            MANAGERS,
        ),
        **dict.fromkeys(
            ("deploy", "migrate", "disk_move", "recover", "resched", "unresched", "disown", "backup", "restore"), ADMINS
        ),
        "adopt": ADMINISTRATORS,
        **_OWNERSHIP,
    },
    "metrics": {"top": _special("top"), "series": _special("of_kind")},
    "drs": {
        "status": EVERYBODY,
        "forecast": _special("of_kind"),
        **dict.fromkeys(("plan", "list", "show", "apply", "set", "snapshot"), ADMINISTRATORS),
    },
    "onegate": {"show": EVERYBODY, **dict.fromkeys(("set", "vm", "report"), ADMINISTRATORS)},
    "declarations": dict.fromkeys(("export", "compare", "make", "remove"), _special("declared")),
    "jobs": {"list": EVERYBODY, "show": _special("job"), "log": _special("job"), "cancel": _special("cancel_job")},
    "events": {"list": _special("events"), "table": _special("event_rows"), "follow": _special("events")},
    "system": {"status": EVERYBODY, **dict.fromkeys(("doctor", "backup", "check", "support", "stop"), ADMINISTRATORS)},
}
"""The façade's noun -> verb -> rule."""


def right_to(action: str) -> Right:
    """What one must have on a VM to schedule the action."""
    return RULES["vms"][ACTIONS[action].verb].right or ADMIN
