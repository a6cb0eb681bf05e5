"""What is done to the cluster while its engine is killed: every kind of job, forward and on its way back."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Case(NamedTuple):
    """A verb: what must be so before, what is done, the kind of job that it files, the operations on hosts on the way that
    the engine is killed at, the states in which the VMs may end; `fails`: the operation that fails once, so that the job
    goes back.
    """

    before: tuple[str, ...]
    verb: str
    kind: str
    operations: tuple[str, ...]
    ends: tuple[str, ...]
    storage: Literal["own", "shared", "blocks"] = "own"
    fails: str = ""


_START = ("network.prepare", "datastore.write_context", "hypervisor.start", "network.plugged")
_CLEAR = ("hypervisor.destroy", "hypervisor.undefine", "network.unplugged", "network.release", "datastore.remove_vm")
_WAKE = ("network.prepare", "datastore.write_context", "hypervisor.restore", "network.plugged", "hypervisor.unpause")
_STOP = (
    "datastore.remove_memory", "datastore.memory_path", "hypervisor.save", "network.unplugged", "network.release",
    "hypervisor.undefine",
)  # fmt: skip
_LOOK = ("transport.run", "hypervisor.facts", "hypervisor.preflight", "datastore.usage")
CASES = {
    "deploy": Case((), "create", "vm.deploy", ("datastore.create_disk", *_START), ("RUNNING",)),
    "deploy undone": Case((), "create", "vm.deploy", _CLEAR, ("BOOT_FAILURE",), fails="hypervisor.start"),
    "poweroff": Case(
        ("create",),
        "poweroff",
        "vm.poweroff",
        ("hypervisor.shutdown", "network.unplugged", "network.release"),
        ("POWEROFF",),
    ),
    "poweroff hard": Case(("create",), "poweroff_hard", "vm.poweroff", ("hypervisor.destroy",), ("POWEROFF",)),
    "resume": Case(("create", "poweroff"), "resume", "vm.start", _START, ("RUNNING",)),
    "resume of an adopted VM": Case(("adopt", "poweroff"), "resume", "vm.start", ("hypervisor.start_defined",), ("RUNNING",)),
    "resume of a paused VM": Case(("create", "pause"), "resume", "vm.start", ("hypervisor.unpause",), ("RUNNING",)),
    "resume undone": Case(
        ("create", "poweroff"),
        "resume",
        "vm.start",
        ("hypervisor.destroy", "network.unplugged", "network.release"),
        ("POWEROFF",),
        fails="hypervisor.start",
    ),
    "suspend": Case(
        ("create",), "suspend", "vm.suspend", ("hypervisor.save", "network.unplugged", "network.release"), ("SUSPENDED",)
    ),
    "suspend undone": Case(("create",), "suspend", "vm.suspend", _WAKE, ("RUNNING",), fails="network.unplugged"),
    "resume of a suspended VM": Case(("create", "suspend"), "resume", "vm.start", _WAKE, ("RUNNING",)),
    "resume of a suspended VM undone": Case(
        ("create", "suspend"),
        "resume",
        "vm.start",
        ("hypervisor.save", "network.unplugged", "network.release"),
        ("SUSPENDED",),
        fails="network.plugged",
    ),
    "stop": Case(("create",), "stop", "vm.stop", _STOP, ("STOPPED",)),
    "stop, shared": Case(("create",), "stop", "vm.stop", _STOP, ("STOPPED",), "shared"),
    "stop undone": Case(("create",), "stop", "vm.stop", _WAKE, ("RUNNING",), fails="hypervisor.undefine"),
    "stop of a suspended VM": Case(("create", "suspend"), "stop", "vm.stop-suspended", _STOP[1:], ("STOPPED",)),
    "stop of a suspended VM undone": Case(
        ("create", "suspend"), "stop", "vm.stop-suspended", _WAKE[:-1], ("SUSPENDED",), fails="hypervisor.undefine"
    ),
    "return of a stopped VM": Case(
        ("create", "stop"),
        "return_elsewhere",
        "vm.deploy-stopped",
        ("datastore.copy_image", "datastore.move_vm", *_WAKE, "datastore.remove_memory", "datastore.remove_vm"),
        ("RUNNING",),
    ),
    "return of a stopped VM, shared": Case(
        ("create", "stop"), "resume", "vm.deploy-stopped", (*_WAKE, "datastore.remove_memory"), ("RUNNING",), "shared"
    ),
    "return of a stopped VM, blocks": Case(
        ("create", "stop"),
        "return_elsewhere",
        "vm.deploy-stopped",
        ("datastore.move_vm", "hypervisor.restore", "datastore.remove_memory", "datastore.remove_vm"),
        ("RUNNING",),
        "blocks",
    ),
    "return of a stopped VM undone": Case(
        ("create", "stop"), "return_elsewhere", "vm.deploy-stopped", _CLEAR, ("BOOT_STOPPED_FAILURE",), fails="network.plugged"
    ),
    "undeploy": Case(("create",), "undeploy", "vm.undeploy", ("hypervisor.shutdown", *_CLEAR[1:4]), ("UNDEPLOYED",)),
    "undeploy hard": Case(("create",), "undeploy_hard", "vm.undeploy", ("hypervisor.destroy",), ("UNDEPLOYED",)),
    "undeploy while off": Case(("create", "poweroff"), "undeploy", "vm.undeploy-off", _CLEAR[:4], ("UNDEPLOYED",)),
    "return of an undeployed VM": Case(
        ("create", "undeploy"),
        "return_elsewhere",
        "vm.deploy-undeployed",
        ("datastore.copy_image", "datastore.move_vm", *_START, "datastore.remove_vm"),
        ("RUNNING",),
    ),
    "return of an undeployed VM undone": Case(
        ("create", "undeploy"),
        "return_elsewhere",
        "vm.deploy-undeployed",
        _CLEAR,
        ("BOOT_UNDEPLOY_FAILURE",),
        fails="hypervisor.start",
    ),
    "terminate while stopped": Case(("create", "stop"), "terminate", "vm.terminate-off", ("datastore.remove_vm",), ()),
    "resize": Case(("create",), "resize", "vm.resize", ("hypervisor.resize",), ("RUNNING",)),
    "disk attached": Case(
        ("create",), "disk_attach", "vm.disk-attach", ("datastore.create_disk", "hypervisor.attach_disk"), ("RUNNING",)
    ),
    "disk attached, undone": Case(
        ("create",),
        "disk_attach",
        "vm.disk-attach",
        ("hypervisor.detach_disk", "datastore.abandon", "datastore.remove_disk"),
        ("RUNNING",),
        fails="hypervisor.attach_disk",
    ),
    "disk attached while off": Case(
        ("create", "poweroff"), "disk_attach", "vm.disk-attach-off", ("datastore.create_disk",), ("POWEROFF",)
    ),
    "disk detached": Case(
        ("create",), "disk_detach", "vm.disk-detach", ("hypervisor.detach_disk", "datastore.remove_disk"), ("RUNNING",)
    ),
    "disk detached, undone": Case(
        ("create",),
        "disk_detach",
        "vm.disk-detach",
        ("hypervisor.attach_disk",),
        ("RUNNING",),
        fails="hypervisor.detach_disk",
    ),
    "disk detached while off": Case(
        ("create", "poweroff"), "disk_detach", "vm.disk-detach-off", ("datastore.remove_disk",), ("POWEROFF",)
    ),
    "disk grown": Case(("create",), "disk_resize", "vm.disk-resize", ("hypervisor.resize_disk",), ("RUNNING",)),
    "disk grown while off": Case(
        ("create", "poweroff"), "disk_resize", "vm.disk-resize-off", ("datastore.resize_disk",), ("POWEROFF",)
    ),
    "disk moved": Case(
        ("create_layered", "common"),
        "disk_move",
        "vm.disk-move",
        ("datastore.create_disk", "hypervisor.copy_disk", "hypervisor.take_copy", "datastore.remove_disk"),
        ("RUNNING",),
    ),
    "disk moved, undone": Case(
        ("create_layered", "common"),
        "disk_move",
        "vm.disk-move",
        ("hypervisor.drop_copy", "datastore.abandon", "datastore.remove_vm"),
        ("RUNNING",),
        fails="hypervisor.take_copy",
    ),
    "disk moved while off": Case(
        ("create_layered", "common", "poweroff"),
        "disk_move",
        "vm.disk-move-off",
        (
            "datastore.make_scratch",
            "datastore.copy_out",
            "datastore.fill_disk",
            "hypervisor.name_disk",
            "datastore.remove_scratch",
            "datastore.remove_disk",
        ),
        ("POWEROFF",),
    ),
    "disk moved while off, undone": Case(
        ("create_layered", "common", "poweroff"),
        "disk_move",
        "vm.disk-move-off",
        ("datastore.abandon", "datastore.remove_vm", "datastore.remove_scratch"),
        ("POWEROFF",),
        fails="hypervisor.name_disk",
    ),
    "disk moved back": Case(
        ("create_layered", "common", "disk_move"),
        "disk_move_back",
        "vm.disk-move",
        ("hypervisor.take_copy", "datastore.remove_vm"),
        ("RUNNING",),
    ),
    "disk moved with its image": Case(
        ("create_persistent", "common"),
        "disk_move",
        "vm.disk-move",
        ("datastore.create_empty", "hypervisor.copy_disk", "hypervisor.take_copy", "datastore.remove_image"),
        ("RUNNING",),
    ),
    "disk moved with its image, undone": Case(
        ("create_persistent", "common"),
        "disk_move",
        "vm.disk-move",
        ("hypervisor.drop_copy", "datastore.remove_image"),
        ("RUNNING",),
        fails="hypervisor.copy_disk",
    ),
    "CD ejected": Case(("create",), "cd_eject", "vm.cd-change", ("hypervisor.load_cd",), ("RUNNING",)),
    "CD inserted": Case(("create", "cd_eject"), "cd_insert", "vm.cd-change", ("hypervisor.load_cd",), ("RUNNING",)),
    "CD inserted while off": Case(
        ("create", "migrate", "poweroff"), "cd_spare", "vm.cd-change-off", ("datastore.copy_image",), ("POWEROFF",)
    ),
    "card attached": Case(
        ("create",),
        "nic_attach",
        "vm.nic-attach",
        ("network.prepare", "datastore.write_context", "hypervisor.attach_card", "network.plugged", "hypervisor.renew_medium"),
        ("RUNNING",),
    ),
    "card attached, undone": Case(
        ("create",),
        "nic_attach",
        "vm.nic-attach",
        ("hypervisor.detach_card", "network.unplugged"),
        ("RUNNING",),
        fails="network.plugged",
    ),
    "card detached": Case(
        ("create",),
        "nic_detach",
        "vm.nic-detach",
        (
            "hypervisor.detach_card",
            "network.unplugged",
            "network.release",
            "datastore.write_context",
            "hypervisor.renew_medium",
        ),
        ("RUNNING",),
    ),
    "alias attached": Case(
        ("guarded", "create"),
        "alias_attach",
        "vm.alias-attach",
        ("network.set_filters", "datastore.write_context", "hypervisor.renew_medium"),
        ("RUNNING",),
    ),
    "alias attached, undone": Case(
        ("guarded", "create"),
        "alias_attach",
        "vm.alias-attach",
        ("datastore.write_context",),
        ("RUNNING",),
        fails="datastore.write_context",
    ),
    "alias detached": Case(
        ("guarded", "create", "alias_attach"),
        "alias_detach",
        "vm.alias-detach",
        ("datastore.write_context", "hypervisor.renew_medium"),
        ("RUNNING",),
    ),
    "alias detached, undone": Case(
        ("guarded", "create", "alias_attach"),
        "alias_detach",
        "vm.alias-detach",
        ("datastore.write_context",),
        ("RUNNING",),
        fails="hypervisor.renew_medium",
    ),
    "card with other groups": Case(
        ("create",), "nic_groups", "vm.nic-update", ("network.set_filters", "hypervisor.update_card"), ("RUNNING",)
    ),
    "card with other groups, undone": Case(
        ("create",), "nic_groups", "vm.nic-update", ("network.set_filters",), ("RUNNING",), fails="hypervisor.update_card"
    ),
    "security group changed": Case(
        ("create", "nic_groups"), "group_update", "securitygroup.apply", ("network.set_filters",), ("RUNNING",)
    ),
    "card on a network with DHCP": Case(
        ("create", "inside"), "nic_inside", "vm.nic-attach", ("network.prepare", "network.serve"), ("RUNNING",)
    ),
    "card on a network with DHCP, undone": Case(
        ("create", "inside"),
        "nic_inside",
        "vm.nic-attach",
        ("network.serve", "network.release"),
        ("RUNNING",),
        fails="hypervisor.attach_card",
    ),
    "name on a network with DHCP": Case(
        ("create", "inside", "nic_inside"), "rename", "network.serve", ("network.serve",), ("RUNNING",)
    ),
    "card on a network whose hosts know each other": Case(
        ("create", "wire"), "nic_wire", "vm.nic-attach", ("network.prepare", "network.tunnel_to"), ("RUNNING",)
    ),
    "hosts of a network told of each other": Case(
        ("create", "wire", "nic_wire"), "host_leaves", "network.tunnel", ("network.tunnel_to",), ("RUNNING",)
    ),
    "datastore reached by hosts": Case(("create",), "mount", "datastore.setup", ("datastore.attach",), ("RUNNING",)),
    "datastore reached by hosts, undone": Case(
        ("create",), "mount", "datastore.setup", ("datastore.detach",), ("RUNNING",), fails="datastore.attach"
    ),
    "datastore left by hosts": Case(("create", "mount"), "unmount", "datastore.remove", ("datastore.detach",), ("RUNNING",)),
    "card changed": Case(("create",), "nic_update", "vm.nic-update", ("hypervisor.update_card",), ("RUNNING",)),
    "reboot": Case(("create",), "reboot", "vm.reboot", ("hypervisor.reboot",), ("RUNNING",)),
    "reboot hard": Case(("create",), "reboot_hard", "vm.reboot", ("hypervisor.reset",), ("RUNNING",)),
    "another context": Case(
        ("create",), "tell", "vm.context", ("datastore.write_context", "hypervisor.renew_medium"), ("RUNNING",)
    ),
    "disk saved": Case(("create_qcow2", "poweroff"), "save", "vm.disk-saveas-off", ("datastore.save_disk",), ("POWEROFF",)),
    "disk saved, undone": Case(
        ("create_qcow2", "poweroff"),
        "save",
        "vm.disk-saveas-off",
        ("datastore.abandon", "datastore.remove_image"),
        ("POWEROFF",),
        fails="datastore.save_disk",
    ),
    "snapshot of a disk saved": Case(
        ("create_qcow2", "snapshot"), "save_snapshot", "vm.disk-saveas", ("datastore.save_disk",), ("RUNNING",)
    ),
    "snapshot": Case(("create_layered",), "keep", "vm.snapshot-create", ("hypervisor.snapshot",), ("RUNNING",)),
    "snapshot undone": Case(
        ("create_layered",),
        "keep",
        "vm.snapshot-create",
        ("hypervisor.delete_snapshot",),
        ("RUNNING",),
        fails="hypervisor.snapshot",
    ),
    "back to a snapshot of all": Case(
        ("create_layered", "keep"), "go_back", "vm.snapshot-revert", ("hypervisor.revert",), ("RUNNING",)
    ),
    "snapshot of all deleted": Case(
        ("create_layered", "keep"), "unkeep", "vm.snapshot-delete", ("hypervisor.delete_snapshot",), ("RUNNING",)
    ),
    "snapshot of all deleted, off": Case(
        ("create_layered", "keep", "poweroff"),
        "unkeep",
        "vm.snapshot-delete-off",
        ("hypervisor.delete_snapshot",),
        ("POWEROFF",),
    ),
    "snapshot of a disk": Case(
        ("create_qcow2",),
        "snapshot",
        "vm.disk-snapshot-create",
        ("datastore.add_layer", "hypervisor.switch_disk"),
        ("RUNNING",),
    ),
    "snapshot of a disk undone": Case(
        ("create_qcow2",),
        "snapshot",
        "vm.disk-snapshot-create",
        ("datastore.remove_layers",),
        ("RUNNING",),
        fails="hypervisor.switch_disk",
    ),
    "snapshot of a disk, off": Case(
        ("create_qcow2", "poweroff"),
        "snapshot",
        "vm.disk-snapshot-create-off",
        ("datastore.add_layer", "hypervisor.switch_disk"),
        ("POWEROFF",),
    ),
    "back to a snapshot": Case(
        ("create_qcow2", "snapshot", "poweroff"),
        "revert",
        "vm.disk-snapshot-revert",
        ("datastore.add_layer", "hypervisor.switch_disk", "datastore.remove_layers"),
        ("POWEROFF",),
    ),
    "snapshot deleted": Case(
        ("create_qcow2", "snapshot"),
        "unsnapshot",
        "vm.disk-snapshot-delete",
        ("hypervisor.pull_disk", "datastore.remove_layers"),
        ("RUNNING",),
    ),
    "snapshot deleted, off": Case(
        ("create_qcow2", "snapshot", "poweroff"),
        "unsnapshot",
        "vm.disk-snapshot-delete-off",
        ("datastore.rebase_layer", "datastore.remove_layers"),
        ("POWEROFF",),
    ),
    "snapshot deleted, off, shared": Case(
        ("create_qcow2", "snapshot", "poweroff"),
        "unsnapshot",
        "vm.disk-snapshot-delete-off",
        ("datastore.rebase_layer",),
        ("POWEROFF",),
        "shared",
    ),
    "snapshot of a disk, blocks": Case(
        ("create",), "snapshot", "vm.disk-snapshot-create", ("datastore.take_snapshot",), ("RUNNING",), "blocks"
    ),
    "snapshot of a disk, off, blocks": Case(
        ("create", "poweroff"),
        "snapshot",
        "vm.disk-snapshot-create-off",
        ("datastore.take_snapshot",),
        ("POWEROFF",),
        "blocks",
    ),
    "back to a snapshot, blocks": Case(
        ("create", "snapshot", "poweroff"),
        "revert",
        "vm.disk-snapshot-revert",
        ("datastore.take_snapshot", "datastore.go_back", "datastore.remove_snapshot"),
        ("POWEROFF",),
        "blocks",
    ),
    "back to a snapshot undone, blocks": Case(
        ("create", "snapshot", "poweroff"),
        "revert",
        "vm.disk-snapshot-revert",
        ("datastore.remove_snapshot",),
        ("POWEROFF",),
        "blocks",
        fails="datastore.go_back",
    ),
    "snapshot deleted, blocks": Case(
        ("create", "snapshot"),
        "unsnapshot",
        "vm.disk-snapshot-delete",
        ("datastore.remove_snapshot",),
        ("RUNNING",),
        "blocks",
    ),
    "backup": Case(
        ("create_layered", "vault"),
        "backup",
        "vm.backup",
        (
            "repository.prepare",
            "datastore.make_scratch",
            "hypervisor.thaw",
            "hypervisor.freeze",
            "hypervisor.begin_backup",
            "repository.store",
            "datastore.remove_scratch",
        ),
        ("RUNNING",),
    ),
    "backup of what changed": Case(
        ("create_layered", "vault", "backup"),
        "backup",
        "vm.backup",
        ("hypervisor.freeze", "hypervisor.begin_backup", "repository.store", "hypervisor.forget_checkpoint"),
        ("RUNNING",),
    ),
    "backup undone": Case(
        ("create_layered", "vault", "backup"),
        "backup",
        "vm.backup",
        ("repository.abandon", "hypervisor.end_backup", "datastore.remove_scratch"),
        ("RUNNING",),
        fails="repository.store",
    ),
    "backup, shared": Case(
        ("create_layered", "vault"),
        "backup",
        "vm.backup",
        ("hypervisor.begin_backup", "repository.store"),
        ("RUNNING",),
        "shared",
    ),
    "backup, off": Case(
        ("create_qcow2", "vault", "poweroff"),
        "backup",
        "vm.backup-off",
        ("datastore.copy_out", "repository.store", "datastore.remove_scratch"),
        ("POWEROFF",),
    ),
    "backup, off, undone": Case(
        ("create_qcow2", "vault", "poweroff"),
        "backup",
        "vm.backup-off",
        ("datastore.abandon", "repository.abandon", "datastore.remove_scratch"),
        ("POWEROFF",),
        fails="datastore.copy_out",
    ),
    "disks restored": Case(
        ("create_layered", "vault", "backup", "poweroff"),
        "restore",
        "vm.restore",
        ("repository.fetch", "datastore.restore_disk", "datastore.replace_disk", "datastore.remove_scratch"),
        ("POWEROFF",),
    ),
    "disks restored, undone": Case(
        ("create_layered", "vault", "backup", "poweroff"),
        "restore",
        "vm.restore",
        ("datastore.abandon", "datastore.discard_restored", "repository.abandon", "datastore.remove_scratch"),
        ("POWEROFF",),
        fails="datastore.restore_disk",
    ),
    "another VM of a backup": Case(
        ("create_layered", "vault", "backup"),
        "backup_restore",
        "backup.restore",
        ("repository.fetch", "datastore.fill_image", "datastore.remove_scratch"),
        ("RUNNING", "RUNNING"),
    ),
    "another VM of a backup, undone": Case(
        ("create_layered", "vault", "backup"),
        "backup_restore",
        "backup.restore",
        ("datastore.abandon", "datastore.remove_image", "datastore.remove_scratch"),
        ("RUNNING", "CLONING_FAILURE"),
        fails="datastore.fill_image",
    ),
    "backup verified": Case(
        ("create_layered", "vault", "backup"),
        "backup_verify",
        "backup.verify",
        ("repository.fetch", "datastore.remove_scratch"),
        ("RUNNING",),
    ),
    "backup deleted": Case(
        ("create_layered", "vault", "backup"),
        "backup_remove",
        "backup.forget",
        ("repository.forget", "repository.prune"),
        ("RUNNING",),
    ),
    "live migration with a snapshot": Case(
        ("create_qcow2", "snapshot"), "migrate_live", "vm.migrate-live", ("hypervisor.migrate",), ("RUNNING",), "shared"
    ),
    "live migration, copied": Case(
        ("create",),
        "migrate_live",
        "vm.migrate-live",
        ("datastore.copy_image", "datastore.prepare_incoming", "network.prepare", "hypervisor.migrate", "datastore.remove_vm"),
        ("RUNNING",),
    ),
    "live migration, shared": Case(
        ("create",), "migrate_live", "vm.migrate-live", ("hypervisor.migrate", "network.unplugged"), ("RUNNING",), "shared"
    ),
    "live migration, blocks": Case(
        ("create",),
        "migrate_live",
        "vm.migrate-live",
        ("datastore.prepare_incoming", "hypervisor.migrate", "datastore.remove_vm"),
        ("RUNNING",),
        "blocks",
    ),
    "live migration undone": Case(
        ("create",),
        "migrate_live",
        "vm.migrate-live",
        ("hypervisor.abort_migration", "network.unplugged", "network.release", "datastore.remove_vm"),
        ("RUNNING",),
        fails="hypervisor.migrate",
    ),
    "cold migration": Case(
        ("create",),
        "migrate",
        "vm.migrate",
        ("hypervisor.shutdown", "datastore.move_vm", *_START[1:], *_CLEAR[1:]),
        ("RUNNING",),
    ),
    "cold migration undone": Case(
        ("create",), "migrate", "vm.migrate", (*_CLEAR, "hypervisor.start"), ("RUNNING",), fails="hypervisor.start"
    ),
    "migration while off": Case(
        ("create", "poweroff"), "migrate", "vm.migrate-off", ("datastore.move_vm", "datastore.remove_vm"), ("POWEROFF",)
    ),
    "migration while off undone": Case(
        ("create", "poweroff"),
        "migrate",
        "vm.migrate-off",
        ("network.unplugged", "network.release", "datastore.remove_vm"),
        ("POWEROFF",),
        fails="datastore.move_vm",
    ),
    "terminate": Case(("create",), "terminate", "vm.terminate", ("hypervisor.shutdown", *_CLEAR), ()),
    "terminate hard": Case(("create",), "terminate_hard", "vm.terminate", _CLEAR, ()),
    "terminate while off": Case(("create", "poweroff"), "terminate", "vm.terminate-off", _CLEAR, ()),
    "terminate an adopted VM and its disks": Case(
        ("adopt",),
        "terminate_with_disks",
        "vm.terminate",
        ("hypervisor.shutdown", "hypervisor.destroy", "hypervisor.undefine", "hypervisor.delete_files"),
        (),
    ),
    "delete": Case(("create",), "delete", "vm.delete", _CLEAR, ()),
    "recreate": Case(("create",), "recreate", "vm.recreate", _CLEAR, ("RUNNING",)),
    "evacuate": Case(("create",), "evacuate", "host.evacuate", ("hypervisor.migrate",), ("RUNNING",)),
    "clean": Case(
        ("create", "terminate", "leave_behind"),
        "clean",
        "host.clean",
        ("datastore.forget_vm", "network.clear_stray"),
        (),
    ),
    "plan": Case(("create", "plan"), "apply_plan", "drs.apply", ("hypervisor.migrate", "datastore.remove_vm"), ("RUNNING",)),
    "image": Case((), "image", "image.create", ("transport.upload", "datastore.take_in"), ()),
    "image undone": Case(
        (), "image", "image.create", ("datastore.abandon", "datastore.remove_image"), (), fails="datastore.take_in"
    ),
    "image, empty": Case((), "image_empty", "image.create", ("datastore.create_empty",), ()),
    "image cloned": Case((), "image_clone", "image.clone", ("datastore.clone_image",), ()),
    "image cloned, undone": Case(
        (), "image_clone", "image.clone", ("datastore.abandon", "datastore.remove_image"), (), fails="datastore.clone_image"
    ),
    "image removed": Case((), "image_remove", "image.remove", ("datastore.remove_image",), ()),
    "host": Case((), "host_add", "host.setup", _LOOK, ()),
    "host removed": Case((), "host_remove", "host.remove", ("hypervisor.baseline",), ()),
    "network removed": Case(("create", "terminate"), "network_remove", "network.remove", ("network.release",), ()),
}
NOT_HERE = {
    "datastore.copy_layers": "live migrations that copy disks with snapshots are refused for now",
    "hypervisor.ask_agent": "programs in guests are no jobs",
    "hypervisor.pause": "no verb pauses a VM",
    "transport.write_file": "only keys between hosts are written as files, and simulated hosts have none",
}
"""Operations that change something and are part of no job on simulated hosts."""


def possible_ends(case: Case) -> set[tuple[str, ...]]:
    """As the case ends; and as it ends without the fault, for an engine that was killed between the fault and the note of
    it: the next one tries the step again.
    """
    alike = [other for other in CASES.values() if (other.before, other.verb, other.storage) == (*case[:2], case.storage)]
    return {case.ends} | {other.ends for other in alike if case.fails and not other.fails}
