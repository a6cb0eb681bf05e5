"""The commands of `nebula backup`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import BACKUP_OPTIONS, listing, ownership, ref, refs, remove, show

COMMANDS = (
    listing("backup", "nebula backup list vm=web"),
    show("backup"),
    Command(
        "create",
        "Back up VMs, running or off.",
        "nebula backup create web",
        "verbs.backup:create",
        (refs("vm"),),
        BACKUP_OPTIONS,
        changes=True,
        key="n",
    ),
    Command(
        "restore",
        "Make a VM of a backup, or put its disks in the place of its own VM's.",
        "nebula backup restore 7 --name web-2",
        "verbs.backup:restore",
        (ref("backup"),),
        (
            Option("--in-place", "The VM itself, which is off, gets its disks back.", "flag"),
            Option("--name", "The new VM's name.", metavar="NAME"),
            Option("--datastore", "The image datastore of its disks.", metavar="DATASTORE", complete="datastore"),
            Option("--hold", "It is not started before it is released.", "flag"),
        ),
        changes=True,
        key="r",
        risk="asks",
    ),
    Command(
        "verify",
        "Restore backups to a place of their own and compare them with what was stored.",
        "nebula backup verify 7",
        "verbs.backup:verify",
        (refs("backup"),),
        changes=True,
        key="x",
    ),
    Command(
        "forget",
        "Delete the backups that a datastore's retention does not keep.",
        "nebula backup forget vault",
        "verbs.backup:forget",
        (Argument("datastore", "A datastore of backups.", complete="datastore"),),
        changes=True,
        risk="destroys",
    ),
    *ownership("backup"),
    remove("backup", "Delete backups."),
)
