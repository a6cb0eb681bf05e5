"""Commands without a noun."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import PLAIN_FORMAT, SHOW_FORMAT

COMMANDS = (
    Command(
        "tui",
        "The dashboard: everything there is, live (what `nebula` alone is on a terminal).",
        "nebula tui",
        "verbs.tui:run",
        (Argument("view", "The screen to begin with: vm, host, job …", optional=True),),
        (
            Option("--readonly", "Only look: nothing that changes anything is offered.", "flag"),
            Option("--web", "In a browser on this machine, at an address that works once (needs textual-serve).", "flag"),
        ),
    ),
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
        "apply",
        "Make clusters, hosts, datastores, networks, images, templates, VM groups and VMs be as YAML says.",
        "nebula apply -f homelab/ --diff",
        "verbs.apply:apply",
        (),
        (
            Option(
                "--file",
                "A file, a directory of files, or - for stdin; may be repeated.",
                "many",
                short="-f",
                metavar="FILE|DIR",
                complete="file",
            ),
            Option("--diff", "Print what would change and change nothing; exit 1 if something would.", "flag"),
            Option("--prune", "Remove what this set made and its files no longer name.", "flag"),
            Option("--label", "The set's name (default: that of the file or directory).", metavar="NAME"),
            Option("--yes", "Remove without asking.", "flag"),
        ),
    ),
    Command(
        "export",
        "Print YAML for apply of what exists, without secrets.",
        "nebula export network vm > lab.yaml",
        "verbs.export:export",
        (
            Argument(
                "kinds",
                "Kinds of objects; without one: all.",
                many=True,
                optional=True,
                complete="cluster|host|datastore|network|image|template|vmgroup|vm",
            ),
        ),
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
