"""Kind -> "module:attribute" of the operation, imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from nebula.engine.jobs.base import Operation
from nebula.errors import VersionError

_PACKAGE = "nebula.engine.jobs.operations"
OPERATIONS: dict[str, str] = {
    "vm.deploy": "deploy:DEPLOY",
    "vm.deploy-stopped": "deploy_kept:DEPLOY_STOPPED",
    "vm.deploy-undeployed": "deploy_kept:DEPLOY_UNDEPLOYED",
    "vm.start": "power:START",
    "vm.poweroff": "power:POWEROFF",
    "vm.reboot": "power:REBOOT",
    "vm.suspend": "suspend:SUSPEND",
    "vm.stop": "stop:STOP",
    "vm.stop-suspended": "stop:STOP_SUSPENDED",
    "vm.undeploy": "stop:UNDEPLOY",
    "vm.undeploy-off": "stop:UNDEPLOY_OFF",
    "vm.context": "context_update:CONTEXT",
    "vm.disk-saveas": "saveas:SAVE",
    "vm.disk-saveas-off": "saveas:SAVE_OFF",
    "vm.snapshot-create": "system_snapshots:CREATE",
    "vm.snapshot-revert": "system_snapshots:REVERT",
    "vm.snapshot-delete": "system_snapshots:DELETE",
    "vm.snapshot-delete-off": "system_snapshots:DELETE_OFF",
    "vm.disk-snapshot-create": "disk_snapshots:CREATE",
    "vm.disk-snapshot-create-off": "disk_snapshots:CREATE_OFF",
    "vm.disk-snapshot-revert": "disk_snapshots:REVERT",
    "vm.disk-snapshot-delete": "disk_snapshots:DELETE",
    "vm.disk-snapshot-delete-off": "disk_snapshots:DELETE_OFF",
    "vm.backup": "backup:BACKUP",
    "vm.backup-off": "backup:BACKUP_OFF",
    "vm.restore": "restore:RESTORE",
    "vm.terminate": "remove:TERMINATE",
    "vm.terminate-off": "remove:TERMINATE_OFF",
    "vm.delete": "remove:DELETE",
    "vm.recreate": "remove:RECREATE",
    "vm.migrate-live": "migrate_live:MIGRATE_LIVE",
    "vm.migrate": "migrate_cold:MIGRATE",
    "vm.migrate-off": "migrate_cold:MIGRATE_OFF",
    "vm.resize": "resize:RESIZE",
    "vm.disk-attach": "disks:ATTACH",
    "vm.disk-attach-off": "disks:ATTACH_OFF",
    "vm.disk-detach": "disks:DETACH",
    "vm.disk-detach-off": "disks:DETACH_OFF",
    "vm.cd-change": "disks:CHANGE_CD",
    "vm.cd-change-off": "disks:CHANGE_CD_OFF",
    "vm.disk-resize": "disks:GROW",
    "vm.disk-resize-off": "disks:GROW_OFF",
    "vm.disk-move": "disk_move:MOVE",
    "vm.disk-move-off": "disk_move:MOVE_OFF",
    "vm.nic-attach": "cards:ATTACH",
    "vm.nic-detach": "cards:DETACH",
    "vm.nic-update": "cards:UPDATE",
    "vm.alias-attach": "aliases:ATTACH",
    "vm.alias-detach": "aliases:DETACH",
    "host.setup": "host:SETUP",
    "host.remove": "host:REMOVE",
    "host.evacuate": "evacuate:EVACUATE",
    "host.clean": "clean:CLEAN",
    "image.create": "image:CREATE",
    "image.clone": "image_clone:CLONE",
    "image.remove": "image:REMOVE",
    "backup.restore": "restore:RESTORE_IMAGES",
    "backup.verify": "backup_care:VERIFY",
    "backup.forget": "backup_care:FORGET",
    "datastore.setup": "datastore:SETUP",
    "datastore.remove": "datastore:REMOVE",
    "network.remove": "network:REMOVE",
    "network.serve": "serving:SERVE",
    "network.tunnel": "tunnels:TUNNEL",
    "securitygroup.apply": "firewall:APPLY",
    "drs.apply": "drs:APPLY",
}

_IMPATIENT = {"host.setup": "", "datastore.setup": "", "image.create": "fetch"}
"""Jobs (all of their steps, or one) that a person waits for and can simply file again."""


def operation(kind: str) -> Operation:
    """The operation of that kind; VersionError for one that this program does not know."""
    if kind not in OPERATIONS:
        raise VersionError(f"this program knows no job of kind {kind!r}", hint="run the nebula that filed it")
    module, _, attribute = OPERATIONS[kind].partition(":")
    return cast(Operation, getattr(import_module(f"{_PACKAGE}.{module}"), attribute))


def impatient(kind: str, step: str) -> bool:
    """Whether a host or a server that does not answer fails the job at once."""
    return _IMPATIENT.get(kind, "none") in {"", step}
