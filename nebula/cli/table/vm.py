"""The commands of `nebula vm`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import PLAIN_FORMAT, SET, SHOW_FORMAT, listing, ref, refs, rename, show
from nebula.cli.table.vm_create import CREATE

_HARD = Option("--hard", "Do not ask the guest; pull the plug.", "flag")
_HOST = Option("--host", "The host to go to; without it the scheduler chooses.", metavar="HOST", complete="host")
_REFRESH = Option("--no-refresh", "Do not ask the host; say what is known.", "flag")
_FOLLOW = Option("--follow", "Stay and print what comes.", "flag", short="-f")
_TIMEOUT = Option("--timeout", "Give up after so long (exit 7).", metavar="TIME")


def _verb(name: str, text: str, example: str, *options: Option, handler: str = "", verbs: tuple[str, ...] = ()) -> Command:
    handler = handler or f"verbs.vm:{name.replace('-', '_')}"
    return Command(name, text, f"nebula vm {example}", handler, (refs("vm"),), options, verbs=verbs or (name,), changes=True)


COMMANDS = (
    listing(
        "vm",
        "nebula vm list state=RUNNING 'memory>2G' --sort -memory",
        Option("--done", "Also those that are gone.", "flag", short="-a"),
    ),
    show("vm", _REFRESH),
    Command(
        "describe",
        "Say in sentences how a VM is, why, and what may be typed now.",
        "nebula vm describe web",
        "showing:describe",
        (refs("vm"),),
        (SHOW_FORMAT,),
    ),
    CREATE,
    _verb("hold", "Keep pending VMs from being placed.", "hold web"),
    _verb("release", "Let held VMs be placed.", "release web"),
    _verb("deploy", "Place VMs on a host now.", "deploy web --host a1", _HOST),
    _verb("poweroff", "Power VMs off; their disks stay on the host.", "poweroff web 7 12..20 'db*'", _HARD),
    _verb("resume", "Start VMs that are off, suspended or unknown.", "resume web"),
    _verb("reboot", "Reboot guests.", "reboot web --hard", _HARD),
    _verb(
        "migrate",
        "Move VMs to another host.",
        "migrate web --host a2 --live",
        _HOST,
        Option("--live", "Without a pause for the guest.", "flag"),
        verbs=("migrate", "migrate-live"),
    ),
    _verb("terminate", "End VMs for good; their own disks are deleted.", "terminate web", _HARD),
    _verb(
        "recover",
        "Get VMs out of a failed or unknown state.",
        "recover web --retry",
        Option("--retry", "Try again what failed.", "flag"),
        Option("--success", "It did work: go on as if it had.", "flag"),
        Option("--failure", "It did not work: go back.", "flag"),
        Option("--delete", "Delete the VM and its disks.", "flag"),
        Option("--recreate", "Delete its disks and place it anew.", "flag"),
        Option("--delete-db", "Forget the VM and touch no host.", "flag"),
        verbs=(
            "recover-retry",
            "recover-success",
            "recover-failure",
            "recover-delete",
            "recover-recreate",
            "recover-delete-db",
        ),
    ),
    rename("vm"),
    Command(
        "update",
        "Change attributes that need no host.",
        "nebula vm update web --set AUTOSTART=YES",
        "verbs.vm:update",
        (refs("vm"),),
        (SET, Option("--autostart", "Start it again after its host lost power.", metavar="YES|NO", choices=("yes", "no"))),
        changes=True,
    ),
    Command("log", "Print a VM's log.", "nebula vm log web -f", "verbs.vm_reads:log", (ref("vm"),), (_FOLLOW,)),
    Command(
        "history",
        "List the hosts on which a VM was.",
        "nebula vm history web",
        "verbs.vm_reads:history",
        (ref("vm"),),
        (PLAIN_FORMAT,),
    ),
    Command(
        "wait",
        "Wait until a VM is in one of the states.",
        "nebula vm wait web RUNNING --timeout 5m",
        "verbs.vm_reads:wait",
        (ref("vm"), Argument("states", "Names of states.", many=True, complete="state")),
        (_TIMEOUT,),
    ),
    Command(
        "console",
        "Attach to the serial console; Ctrl-] leaves it.",
        "nebula vm console web",
        "verbs.vm_access:console",
        (ref("vm"),),
    ),
    Command(
        "vnc",
        "Open a way to the graphical console and keep it open until Ctrl-C.",
        "nebula vm vnc web --open",
        "verbs.vm_access:vnc",
        (ref("vm"),),
        (Option("--open", "Start a viewer on it.", "flag"),),
    ),
    Command(
        "ssh",
        "Log in to a VM with ssh.",
        "nebula vm ssh web -- uptime",
        "verbs.vm_access:ssh",
        (ref("vm"), Argument("command", "What to run there, behind --.", many=True, optional=True)),
        (
            Option("--user", "Log in as; without it the user of the image.", short="-l", metavar="USER"),
            Option("--jump", "Go through the VM's host.", "flag", short="-J"),
        ),
        rest=True,
    ),
)
