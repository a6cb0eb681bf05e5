"""The commands of `nebula cluster`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import SET, listing, refs, remove, rename, show

COMMANDS = (
    listing("cluster", "nebula cluster list"),
    show("cluster"),
    Command(
        "create",
        "Create clusters.",
        "nebula cluster create lab",
        "verbs.cluster:create",
        (Argument("names", "Their names.", many=True),),
        changes=True,
        key="n",
    ),
    rename("cluster"),
    Command(
        "update",
        "Change how VMs migrate in clusters, or set attributes for expressions to name.",
        "nebula cluster update lab --migration-tunnel tls --migration-bandwidth 100",
        "verbs.cluster:update",
        (refs("cluster"),),
        (
            Option(
                "--migration-tunnel",
                "How live migrations travel; plain is not encrypted: only for a network that you trust.",
                metavar="WAY",
                choices=("ssh", "tls", "plain"),
            ),
            Option("--migration-bandwidth", "The most that one migration takes; 0 is unlimited.", "integer", metavar="MIB/S"),
            SET,
        ),
        changes=True,
        key="e",
    ),
    remove("cluster", "Remove empty clusters."),
)
