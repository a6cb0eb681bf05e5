"""The commands of `nebula daemon`."""

from __future__ import annotations

from nebula.cli.command import DRY_RUN, Command, Option

_PRINT = Option("--print", "Only print it.", "flag")

COMMANDS = (
    Command("run", "Run the engine in the foreground (as `nebula --daemon`).", "nebula daemon run", "verbs.daemon:run"),
    Command(
        "install",
        "Write the systemd unit that runs the engine, and start it.",
        "nebula daemon install --print",
        "verbs.daemon:install",
        (),
        (_PRINT, DRY_RUN),
    ),
    Command(
        "uninstall",
        "Stop and remove the systemd unit.",
        "nebula daemon uninstall",
        "verbs.daemon:uninstall",
        (),
        (DRY_RUN,),
    ),
    Command(
        "onegate",
        "Show where guests report to (OpenNebula's OneGate), or change it: at their next start guests are told.",
        "nebula daemon onegate --listen 10.0.0.1:5030",
        "verbs.daemon:onegate",
        (),
        (
            Option("--listen", "Let the daemon listen there.", metavar="ADDRESS:PORT"),
            Option("--endpoint", "What guests are told, where that is not http://ADDRESS:PORT.", metavar="URL"),
            Option("--off", "Listen nowhere, and give no guest a token.", "flag"),
            DRY_RUN,
        ),
    ),
    Command(
        "stop",
        "Ask the engine to stop at the next safe point.",
        "nebula daemon stop",
        "verbs.daemon:stop",
        (),
        (DRY_RUN,),
    ),
)
