"""The commands of `nebula vm`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option, Risk
from nebula.cli.table.common import PLAIN_FORMAT, SET, SHOW_FORMAT, listing, ownership, ref, refs, rename, show, top
from nebula.cli.table.vm_create import CONTEXT, CREATE
from nebula.cli.table.vm_hardware import COMMANDS as HARDWARE
from nebula.cli.table.vm_snapshots import COMMANDS as SNAPSHOTS

_HARD = Option("--hard", "Do not ask the guest; pull the plug.", "flag")
_HOST = Option("--host", "The host to go to; without it the scheduler chooses.", metavar="HOST", complete="host")
_FORCE = Option("--force", "Also against the rules of its VM group.", "flag")
_REFRESH = Option("--no-refresh", "Do not ask the host; say what is known.", "flag")
_FOLLOW = Option("--follow", "Stay and print what comes.", "flag", short="-f")
_OPEN = Option("--open", "Start a viewer on it.", "flag")
_TIMEOUT = Option("--timeout", "Give up after so long (exit 7).", metavar="TIME")


def _verb(
    name: str, text: str, example: str, *options: Option, handler: str = "", verbs: tuple[str, ...] = (), key: str = "",
    risk: Risk = "", undo: str = "",
) -> Command:  # fmt: skip
    handler = handler or f"verbs.vm:{name.replace('-', '_')}"
    command = Command(name, text, f"nebula vm {example}", handler, (refs("vm"),), options, verbs=verbs or (name,), changes=True)
    return command._replace(key=key, risk=risk, undo=undo)


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
    Command(
        "explain",
        "Say where a VM could run, why not elsewhere, and what would make it fit.",
        "nebula vm explain web",
        "showing:explain",
        (refs("vm"),),
        (SHOW_FORMAT,),
    ),
    CREATE,
    _verb("hold", "Keep pending VMs from being placed.", "hold web", key="h", undo="release"),
    _verb("release", "Let held VMs be placed.", "release web", key="u", undo="hold"),
    _verb("deploy", "Place VMs on a host now.", "deploy web --host a1", _HOST, _FORCE, key="d", risk="asks"),
    _verb(
        "poweroff",
        "Power VMs off; their disks stay on the host.",
        "poweroff web 7 12..20 'db*'",
        _HARD,
        key="o",
        risk="asks",
        undo="resume",
    ),
    _verb("resume", "Start VMs that are off, suspended, stopped, undeployed or unknown.", "resume web", key="r"),
    _verb(
        "suspend",
        "Save VMs' memory on their host, which keeps their place.",
        "suspend web",
        key="z",
        risk="asks",
        undo="resume",
    ),
    _verb("stop", "Save VMs' memory beside their disks, and free their host.", "stop web", key="Z", risk="asks", undo="resume"),
    _verb(
        "undeploy",
        "Power VMs off and free their host; their disks are kept.",
        "undeploy web",
        _HARD,
        key="U",
        risk="asks",
        undo="resume",
    ),
    _verb(
        "resched", "Let the scheduler move VMs to another host as soon as one can take them.", "resched web", undo="unresched"
    ),
    _verb("unresched", "Let VMs stay where they are after all.", "unresched web", undo="resched"),
    _verb("reboot", "Reboot guests.", "reboot web --hard", _HARD, key="R", risk="asks"),
    _verb(
        "migrate",
        "Move VMs to another host.",
        "migrate web --host a2 --live",
        _HOST,
        Option("--live", "Without a pause for the guest.", "flag"),
        _HARD,
        _FORCE,
        verbs=("migrate", "migrate-live"),
        key="m",
        risk="asks",
    ),
    _verb(
        "terminate",
        "End VMs for good; their own disks are deleted, those of adopted VMs if you say so.",
        "terminate web",
        _HARD,
        Option("--delete-disks", "Delete the disks of adopted VMs, too.", "flag"),
        Option("--keep-disks", "Keep the disks of adopted VMs, and do not ask.", "flag"),
        key="D",
        risk="destroys",
    ),
    Command(
        "adopt",
        "Take a domain that somebody else made under management, running or not; nothing changes on its host.",
        "nebula vm adopt a1 mailserver mail",
        "verbs.adopt:adopt",
        (
            Argument("host", "The host that it is on.", complete="host"),
            Argument("domain", "Its name or UUID there."),
            Argument("name", "What to call the VM (default: as the domain).", optional=True),
        ),
        changes=True,
    ),
    _verb(
        "disown",
        "Let go of adopted VMs; their domains stay as they are.",
        "disown mail",
        handler="verbs.adopt:disown",
        risk="asks",
    ),
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
        key="f",
        risk="destroys",
    ),
    *HARDWARE,
    rename("vm"),
    *ownership("vm"),
    *SNAPSHOTS,
    Command(
        "update",
        "Change attributes, and what the guest is told: a running one gets another context CD.",
        "nebula vm update web --set AUTOSTART=YES",
        "verbs.vm:update",
        (refs("vm"),),
        (
            Option(
                "--file",
                "Attributes that replace those of the VM, in any of the ways of a template (- is stdin).",
                metavar="FILE",
                complete="file",
            ),
            SET,
            Option("--autostart", "Start it again after its host lost power.", metavar="YES|NO", choices=("yes", "no")),
            *CONTEXT,
        ),
        changes=True,
        key="e",
    ),
    Command(
        "create-chart",
        "Schedule what a template orders (SCHED_ACTION), with times that count from now.",
        "nebula vm create-chart web --template lease",
        "verbs.schedule:chart",
        (refs("vm"),),
        (Option("--template", "The template (default: of which each was made).", metavar="TEMPLATE", complete="template"),),
        changes=True,
    ),
    top("vm"),
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
        "Wait until a VM is in one of the states, or until its guest has reported that it is READY.",
        "nebula vm wait web RUNNING --timeout 5m",
        "verbs.vm_reads:wait",
        (ref("vm"), Argument("states", "Names of states, or READY.", many=True, complete="state")),
        (_TIMEOUT,),
        terminal=True,
    ),
    Command(
        "console",
        "Attach to the serial console; Ctrl-] leaves it.",
        "nebula vm console web",
        "verbs.vm_access:console",
        (ref("vm"),),
        key="c",
        terminal=True,
        states=("RUNNING",),
    ),
    Command(
        "vnc",
        "Open a way to the VNC console and keep it open until Ctrl-C.",
        "nebula vm vnc web --open",
        "verbs.vm_access:vnc",
        (ref("vm"),),
        (_OPEN,),
        terminal=True,
        states=("RUNNING",),
    ),
    Command(
        "spice",
        "Open a way to the SPICE console and keep it open until Ctrl-C.",
        "nebula vm spice web --open",
        "verbs.vm_access:spice",
        (ref("vm"),),
        (_OPEN,),
        terminal=True,
        states=("RUNNING",),
    ),
    Command(
        "xml",
        "Print a VM's domain as its host has it, in libvirt's XML, without passwords.",
        "nebula vm xml web",
        "verbs.vm_reads:xml",
        (ref("vm"),),
    ),
    Command(
        "screenshot",
        "Write what a VM's screen shows to a PNG file.",
        "nebula vm screenshot web web.png",
        "verbs.vm_guest:screenshot",
        (ref("vm"), Argument("file", "Where to write it.", complete="file")),
        states=("RUNNING",),
    ),
    Command(
        "exec",
        "Run a command in a guest, through its agent.",
        "nebula vm exec web -- uname -a",
        "verbs.vm_guest:execute",
        (ref("vm"), Argument("command", "What to run there, behind --; no shell is in between.", many=True, optional=True)),
        (
            Option("--timeout", "Kill it after so long (exit 7).", metavar="TIME"),
            Option("--stdin", "Give it what comes on standard input.", "flag", short="-i"),
        ),
        rest=True,
        states=("RUNNING",),
    ),
    Command(
        "cp",
        "Copy a file into a guest or out of one, through its agent.",
        "nebula vm cp notes.txt web:/tmp/notes.txt",
        "verbs.vm_guest:copy",
        (
            Argument("source", "A file here, or VM:/PATH.", complete="file"),
            Argument("target", "VM:/PATH, or a file or directory here.", complete="file"),
        ),
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
            Option("--nic", "To an address of this card or alias.", metavar="NIC"),
        ),
        rest=True,
        key="l",
        terminal=True,
    ),
)
