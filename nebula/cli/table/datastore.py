"""The commands of `nebula datastore`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import check, listing, remove, rename, show

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
                "shared: all hosts see the same files; ssh: each host has its own.",
                metavar="DRIVER",
                choices=("shared", "ssh", "sim"),
            ),
            Option("--type", "image (default), system or file.", metavar="TYPE", choices=("image", "system", "file")),
            Option("--path", "Directory on the hosts.", metavar="DIR"),
            Option("--cluster", "Only for this cluster.", metavar="CLUSTER", complete="cluster"),
        ),
        changes=True,
    ),
    check("datastore", "Look whether the hosts can use datastores."),
    rename("datastore"),
    remove("datastore", "Remove empty datastores."),
)
