"""Commands without a noun."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import PLAIN_FORMAT, SHOW_FORMAT

COMMANDS = (
    Command(
        "status", "Say how the engine and what it manages are.", "nebula status", "verbs.system:status", (), (SHOW_FORMAT,)
    ),
    Command(
        "doctor",
        "Look for what is missing, here or on hosts, with the command that mends it.",
        "nebula doctor a1",
        "verbs.system:doctor",
        (Argument("hosts", "Hosts to look at; without one: everything.", many=True, optional=True, complete="host"),),
        (PLAIN_FORMAT,),
    ),
    Command(
        "support",
        "Make a bundle for a bug report, without secrets.",
        "nebula support bundle.tar.gz",
        "verbs.system:support",
        (Argument("path", "A file that does not exist yet.", complete="file"),),
    ),
    Command(
        "demo",
        "Make a home with simulated hosts and VMs to play with.",
        "nebula demo --home /tmp/demo",
        "verbs.demo:demo",
        (),
        (
            Option("--hosts", "How many hosts (default 4, more for many VMs).", "integer", metavar="N"),
            Option("--vms", "How many VMs (default 12).", "integer", metavar="N"),
        ),
    ),
    Command("version", "Print the version.", "nebula version", "verbs.version:version"),
    Command(
        "completion",
        "Print the shell's completion script.",
        "nebula completion bash > /etc/bash_completion.d/nebula",
        "completion.scripts:show",
        (Argument("shell", "bash, zsh or fish.", complete="bash|zsh|fish"),),
    ),
)
