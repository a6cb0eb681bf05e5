"""The command table: nouns here, their verbs in a module each, read when the noun is typed."""

from __future__ import annotations

from importlib import import_module

from nebula.cli.command import Command, Noun

NOUNS = (
    Noun("vm", "Virtual machines.", "vm"),
    Noun("template", "Templates, of which virtual machines are made.", "template"),
    Noun("backup", "Backups of virtual machines.", "backup"),
    Noun("schedule", "What is to be done to virtual machines, and when.", "schedule"),
    Noun("vmgroup", "Groups of virtual machines that share hosts or keep apart.", "vmgroup"),
    Noun("host", "Hosts, on which virtual machines run.", "host"),
    Noun("image", "Images, from which disks are made.", "image"),
    Noun("network", "Virtual networks and their addresses.", "network"),
    Noun("securitygroup", "Security groups: what may pass network cards.", "securitygroup"),
    Noun("datastore", "Datastores, where images and disks lie.", "datastore"),
    Noun("cluster", "Clusters of hosts.", "cluster"),
    Noun("drs", "Balancing: running VMs where they do best.", "drs"),
    Noun("metrics", "What was measured.", "metrics"),
    Noun("job", "Work under way and done.", "job"),
    Noun("event", "What happened.", "event"),
    Noun("db", "The engine's database.", "db"),
    Noun("daemon", "The engine as a service.", "daemon"),
)
"""In the order of the help."""


def noun_named(name: str) -> Noun | None:
    """The noun, or None."""
    return next((noun for noun in NOUNS if noun.name == name), None)


def commands(noun: str) -> tuple[Command, ...]:
    """The verbs of a noun; "" for the commands without one."""
    module = import_module(f"nebula.cli.table.{noun or 'top'}")
    found: tuple[Command, ...] = module.COMMANDS
    return tuple(command._replace(noun=noun) for command in found)


def find(noun: str, name: str) -> Command | None:
    """One command, or None."""
    return next((command for command in commands(noun) if command.name == name), None)
