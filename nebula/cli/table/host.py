"""The commands of `nebula host`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option, Risk
from nebula.cli.table.common import (
    ACCEPT_NEW_KEY,
    FINGERPRINT,
    NEW_FINGERPRINT,
    PLAIN_FORMAT,
    SET,
    SHOW_FORMAT,
    check,
    listing,
    ref,
    refs,
    remove,
    rename,
    show,
    top,
)

_CLUSTER = Option("--cluster", "Its cluster.", metavar="CLUSTER", complete="cluster")
_USER = Option("--user", "Whom to log in as (default root).", metavar="USER")
_PORT = Option("--port", "sshd's port (default 22).", "integer", metavar="PORT")
_VIRT = Option("--virt", "Virtualisation; auto finds out.", metavar="TYPE", choices=("auto", "kvm", "qemu"))
_ASK_PASSWORD = Option("--ask-password", "Put the engine's key there with a password.", "flag")
_RESERVED = (
    Option("--reserved-cpu", "CPU kept from VMs: cores or percent; negative overcommits.", metavar="CPU"),
    Option("--reserved-memory", "Memory kept from VMs: size or percent; negative overcommits.", metavar="SIZE"),
)

_TAKE_OVER = Option("--take-over", "Also if another engine manages it, which is gone for good.", "flag")


def _verb(name: str, text: str, key: str, risk: Risk = "", undo: str = "") -> Command:
    command = Command(name, text, f"nebula host {name} a1", f"verbs.host:{name}", (refs("host"),), changes=True)
    return command._replace(key=key, risk=risk, undo=undo)


COMMANDS = (
    listing("host", "nebula host list cluster=lab --sort -memory_used"),
    show("host", Option("--refresh", "Ask the host now.", "flag")),
    Command(
        "describe",
        "Say how hosts are and why, what is on them, and what may be typed now.",
        "nebula host describe a1",
        "showing:describe_host",
        (refs("host"),),
        (SHOW_FORMAT,),
    ),
    Command(
        "add",
        "Add a host. Without --address: this machine.",
        "nebula host add a1 --address 10.0.0.11 --fingerprint SHA256:…",
        "verbs.host_add:add",
        (Argument("name", "What to call it."),),
        (
            Option("--address", "Name or IP address to reach it by ssh.", metavar="ADDRESS"),
            _USER,
            _PORT,
            _VIRT,
            _CLUSTER,
            FINGERPRINT,
            ACCEPT_NEW_KEY,
            _ASK_PASSWORD,
            *_RESERVED,
            _TAKE_OVER,
            Option("--driver", "Hypervisor driver (default libvirt).", metavar="DRIVER", choices=("libvirt", "sim")),
        ),
        changes=True,
        key="n",
    ),
    check("host", "Look at hosts now: what is missing and what mends it."),
    Command(
        "import",
        "List domains on a host that are no VMs yet, or adopt them all.",
        "nebula host import a1 --all",
        "verbs.adopt:import_domains",
        (ref("host"),),
        (Option("--all", "Adopt every one that can be.", "flag"), PLAIN_FORMAT),
        changes=True,
        key="i",
    ),
    _verb("enable", "Let hosts take VMs again.", "u"),
    _verb("disable", "Give hosts no new VMs.", "o", "asks", "enable"),
    _verb("offline", "Give hosts no new VMs and leave them alone.", "O", "asks", "enable"),
    _verb("clean", "Take away what VMs and networks that are gone left on hosts.", "", "asks"),
    _verb("evacuate", "Disable hosts and migrate every VM away.", "v", "asks")._replace(states=("MONITORED", "DISABLED")),
    rename("host"),
    Command(
        "update",
        "Change a host.",
        "nebula host update a1 --reserved-memory 2G",
        "verbs.host:update",
        (refs("host"),),
        (
            Option("--address", "Name or IP address.", metavar="ADDRESS"),
            NEW_FINGERPRINT,
            *(_ASK_PASSWORD, _USER, _PORT, _VIRT, _CLUSTER, *_RESERVED, _TAKE_OVER, SET),
        ),
        changes=True,
        key="e",
    ),
    remove("host", "Forget hosts without VMs.", Option("--force", "Also hosts with VMs: they are gone for good.", "flag")),
    top("host"),
    Command(
        "scan",
        "Print the keys that a machine shows, to compare.",
        "nebula host scan 10.0.0.11",
        "verbs.host_add:scan",
        (Argument("address", "Name or IP address."),),
        (_PORT,),
    ),
    Command("key", "Print the engine's public key, for hosts' authorized_keys.", "nebula host key", "verbs.host_add:key"),
)
