"""The commands of `nebula vmgroup`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import listing, ownership, refs, remove, rename, show

_RULES = (
    Option(
        "--role",
        "A role; its own VMs share a host (affined) or keep apart (anti-affined); may be repeated.",
        "many",
        metavar="ROLE[:POLICY]",
    ),
    Option("--affined", "Roles whose VMs all share one host; may be repeated.", "many", metavar="ROLE,ROLE"),
    Option("--anti-affined", "Roles whose VMs share no host; may be repeated.", "many", metavar="ROLE,ROLE"),
    Option("--host-affined", "The only hosts for a role; may be repeated.", "many", metavar="ROLE:HOST,HOST"),
    Option("--host-anti-affined", "Hosts that a role keeps off; may be repeated.", "many", metavar="ROLE:HOST,HOST"),
)
COMMANDS = (
    listing("vmgroup", "nebula vmgroup list"),
    show("vmgroup"),
    Command(
        "create",
        "Create a group of VMs that share hosts or keep apart.",
        "nebula vmgroup create shop --role web:anti-affined --role db --anti-affined web,db",
        "verbs.vmgroup:create",
        (Argument("name", "Its name."),),
        _RULES,
        changes=True,
        key="n",
    ),
    rename("vmgroup"),
    Command(
        "update",
        "Change roles and rules; VMs that run stay where they are.",
        "nebula vmgroup update shop --role cache --host-affined db:a1,a2",
        "verbs.vmgroup:update",
        (refs("vmgroup"),),
        (*_RULES, Option("--without", "A role to take away; may be repeated.", "many", metavar="ROLE")),
        changes=True,
        key="e",
    ),
    remove("vmgroup", "Remove groups without VMs."),
    *ownership("vmgroup"),
)
