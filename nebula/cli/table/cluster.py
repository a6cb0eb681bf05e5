"""The commands of `nebula cluster`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command
from nebula.cli.table.common import listing, remove, rename, show

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
    ),
    rename("cluster"),
    remove("cluster", "Remove empty clusters."),
)
