"""The commands of `nebula securitygroup`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import SET, listing, ownership, ref, refs, remove, rename, show

_RULE = "tcp:22,80-90@10.0.0.0/8, icmp:8, all@group=app, udp:53@network=lan"
_RULES = (
    Option("--inbound", f"What may come in; may be repeated: {_RULE}.", "many", metavar="RULE"),
    Option("--outbound", "What may go out, written alike; may be repeated.", "many", metavar="RULE"),
)
_FILE = Option(
    "--file",
    "Rules (RULE) as OpenNebula writes them, or in YAML, JSON or XML (- is stdin).",
    short="-f",
    metavar="FILE",
    complete="file",
)
COMMANDS = (
    listing("securitygroup", "nebula securitygroup list"),
    show("securitygroup"),
    Command(
        "create",
        "Create a security group. Nothing comes in but what a rule says; all may go out, unless a rule says what.",
        "nebula securitygroup create web --inbound tcp:80,443 --inbound tcp:22@10.0.0.0/8",
        "verbs.securitygroup:create",
        (Argument("name", "Its name."),),
        (*_RULES, _FILE),
        changes=True,
        key="n",
    ),
    Command(
        "clone",
        "Make another security group with the same rules.",
        "nebula securitygroup clone web web-test",
        "verbs.securitygroup:clone",
        (ref("securitygroup"), Argument("name", "The new one's name.")),
        changes=True,
        key="c",
    ),
    rename("securitygroup"),
    Command(
        "update",
        "Change rules, on running VMs at once: add some, take some away (--without), or give others (--file).",
        "nebula securitygroup update web --inbound tcp:8080@group=proxy --without 1",
        "verbs.securitygroup:update",
        (refs("securitygroup"),),
        (*_RULES, Option("--without", "The number of a rule that goes; may be repeated.", "many", metavar="N"), _FILE, SET),
        changes=True,
        key="e",
    ),
    Command(
        "commit",
        "Tell all hosts the rules again, and clear away there what is left of cards that are gone.",
        "nebula securitygroup commit default",
        "verbs.securitygroup:commit",
        (refs("securitygroup"),),
        changes=True,
    ),
    *ownership("securitygroup"),
    remove("securitygroup", "Remove security groups that nobody has."),
)
