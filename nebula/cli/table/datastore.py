"""The commands of `nebula datastore`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import check, listing, remove, rename, show, update

COMMANDS = (
    listing("datastore", "nebula datastore list --sort free"),
    show("datastore"),
    Command(
        "create",
        "Create a datastore.",
        "nebula datastore create nfs --driver shared --path /srv/nebula",
        "verbs.datastore:create",
        (Argument("name", "Its name."),),
        (
            Option(
                "--driver",
                "shared: all hosts see the same files; ssh: each host has its own; restic: backups.",
                metavar="DRIVER",
                choices=("shared", "ssh", "restic", "sim"),
            ),
            Option(
                "--type",
                "image (default), system, file, or backup.",
                metavar="TYPE",
                choices=("image", "system", "file", "backup"),
            ),
            Option("--path", "Directory on the hosts; of backups: that of the restic repository.", metavar="DIR"),
            Option(
                "--host",
                "Of backups: the host that has the directory; without it, every host sees it.",
                metavar="HOST",
                complete="host",
            ),
            Option(
                "--password-file",
                "Of backups: a file with the repository's password; - is what is piped in.",
                metavar="FILE",
                complete="file",
            ),
            *(
                Option(f"--keep-{name}", f"Of backups: keep {text} of each VM.", "integer", metavar="N")
                for name, text in (
                    ("last", "so many"),
                    ("daily", "one of each of so many days"),
                    ("weekly", "one of each of so many weeks"),
                    ("monthly", "one of each of so many months"),
                )
            ),
            Option("--cluster", "Only for this cluster.", metavar="CLUSTER", complete="cluster"),
        ),
        changes=True,
        key="n",
    ),
    check("datastore", "Look whether the hosts can use datastores."),
    rename("datastore"),
    update("datastore", "Set attributes of datastores, for expressions to name."),
    remove("datastore", "Remove empty datastores."),
)
