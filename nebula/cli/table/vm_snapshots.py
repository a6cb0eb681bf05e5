"""The commands of `nebula vm` for backups and snapshots."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option, Risk
from nebula.cli.table.common import BACKUP_OPTIONS, PLAIN_FORMAT, ref, refs

_DISK = Argument("disk", "Its id, or its name in the guest.")
_SNAPSHOT = Argument("snapshot", "Its id or name.")


def _command(verb: str, text: str, example: str, *arguments: Argument, risk: Risk = "") -> Command:
    name = f"disk-snapshot-{verb}"
    handler = f"verbs.vm_snapshots:disk_{verb}"
    command = Command(name, text, f"nebula vm {name} {example}", handler, (ref("vm"), _DISK, *arguments), verbs=(name,))
    return command._replace(changes=True, risk=risk)


def _whole(verb: str, text: str, argument: Argument, *, key: str = "", risk: Risk = "") -> Command:
    name = f"snapshot-{verb}"
    handler = f"verbs.vm_snapshots:{verb}"
    command = Command(name, text, f"nebula vm {name} web clean", handler, (ref("vm"), argument), verbs=(name,), changes=True)
    return command._replace(key=key, risk=risk)


COMMANDS = (
    Command(
        "backup",
        "Back up VMs, running or off.",
        "nebula vm backup web --full",
        "verbs.backup:create",
        (refs("vm"),),
        BACKUP_OPTIONS,
        verbs=("backup",),
        changes=True,
    ),
    Command(
        "save",
        "Make a template of a VM that is off, with images of its disks.",
        "nebula vm save web golden",
        "verbs.vm_snapshots:save",
        (ref("vm"), Argument("name", "The new template's name.")),
        (Option("--persistent", "The images are for one VM at a time, which writes them.", "flag"),),
        verbs=("disk-saveas",),
        changes=True,
    ),
    Command(
        "clone",
        "Make another VM like one that is off, of images of its disks.",
        "nebula vm clone web web-2",
        "verbs.vm_snapshots:clone",
        (ref("vm"), Argument("name", "The new VM's name.")),
        (Option("--hold", "Do not place it yet.", "flag"),),
        verbs=("disk-saveas",),
        changes=True,
    ),
    Command(
        "disk-saveas",
        "Make an image of a disk: of a VM that is off, or of a snapshot.",
        "nebula vm disk-saveas web vda golden --snapshot clean",
        "verbs.vm_snapshots:saveas",
        (ref("vm"), _DISK, Argument("name", "The new image's name.")),
        (Option("--snapshot", "What the disk held then; also while the VM runs.", metavar="SNAPSHOT"),),
        verbs=("disk-saveas",),
        changes=True,
    ),
    Command(
        "snapshot-list",
        "List what is kept of a VM's memory and disks.",
        "nebula vm snapshot-list web",
        "verbs.vm_snapshots:listing",
        (ref("vm"),),
        (PLAIN_FORMAT,),
    ),
    _whole(
        "create",
        "Keep memory and disks of a running VM.",
        Argument("name", "Its name; without one it is numbered.", optional=True),
        key="w",
    ),
    _whole("revert", "Let a running VM go on from what was kept.", _SNAPSHOT, risk="destroys"),
    _whole("delete", "Delete what was kept.", _SNAPSHOT, risk="destroys"),
    Command(
        "snapshot-rename",
        "Give what was kept another name.",
        "nebula vm snapshot-rename web 1 clean",
        "verbs.vm_snapshots:rename",
        (ref("vm"), _SNAPSHOT, Argument("name", "Its new name.")),
        changes=True,
    ),
    Command(
        "disk-snapshot-list",
        "List a disk's snapshots: the tree, and on which one the guest goes on.",
        "nebula vm disk-snapshot-list web vda",
        "verbs.vm_snapshots:disk_list",
        (ref("vm"), _DISK),
        (PLAIN_FORMAT,),
    ),
    _command(
        "create",
        "Keep what a disk holds now, also while the VM runs.",
        "web vda before-upgrade",
        Argument("name", "Its name; without one it is numbered.", optional=True),
    ),
    _command(
        "revert",
        "Let the disk of a VM that is off hold again what it held then.",
        "web vda before-upgrade",
        _SNAPSHOT,
        risk="destroys",
    ),
    _command(
        "delete",
        "Delete a snapshot; later ones and the disk stay as they are.",
        "web vda before-upgrade",
        _SNAPSHOT,
        risk="destroys",
    ),
    _command("rename", "Give a snapshot another name.", "web vda 1 clean", _SNAPSHOT, Argument("name", "Its new name.")),
)
