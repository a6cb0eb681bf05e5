"""The commands of `nebula template`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import SET, listing, ownership, ref, refs, rename
from nebula.cli.table.vm_create import CREATE as _CREATE_VM

_FORMATS = ("text", "yaml", "json", "one", "xml")
_FILE = Option(
    "--file",
    "A template as OpenNebula writes it, or in YAML, JSON or XML (- is stdin).",
    short="-f",
    metavar="FILE",
    complete="file",
)
_APPEND = Option("--append", "Keep what the file does not name.", "flag", short="-a")
_IMAGES = Option("--recursive", "And the images of its disks.", "flag")
_OVERRIDES = tuple(
    option
    for option in _CREATE_VM.options
    if option.name
    in {"--memory", "--cpus", "--cpu", "--network", "--disk", "--ssh-key", "--user-data", "--start-script", "--host",
        "--requirements", "--group", "--autostart", "--context", "--machine", "--uefi", "--secure-boot", "--boot",
        "--cpu-model", "--graphics", "--tpm", "--pci"}
)  # fmt: skip
"""What `vm create` has, too."""
_INPUTS = (
    Option("--input", "An answer to what the template asks for; may be repeated.", "many", metavar="NAME=VALUE"),
    Option("--inputs", "A file of answers (- is stdin): passwords need not be typed.", metavar="FILE", complete="file"),
)
_DELETE = Command(
    "delete",
    "Delete templates; VMs that were made of them stay.",
    "nebula template delete web",
    "verbs.template:delete",
    (refs("template"),),
    (_IMAGES,),
    changes=True,
    key="D",
    risk="destroys",
)
COMMANDS = (
    listing("template", "nebula template list owner=alice"),
    Command(
        "show",
        "Show a template; what is secret only to those who may manage it, with --secrets.",
        "nebula template show web -f one",
        "verbs.template:show",
        (refs("template"),),
        (
            Option("--format", "How to print; one is OpenNebula's syntax.", short="-f", metavar="FORMAT", choices=_FORMATS),
            Option("--secrets", "Passwords and tokens, too.", "flag"),
        ),
    ),
    Command(
        "create",
        "Store a template (or several): what VMs are made of.",
        "nebula template create web -f web.one",
        "verbs.template:create",
        (Argument("name", "Its name, if the file has none.", optional=True),),
        (_FILE, SET, *_OVERRIDES, *(option for option in _CREATE_VM.options if option.name in {"--image", "--size"})),
        changes=True,
        key="n",
    ),
    Command(
        "update",
        "Change templates by a file, by --set, or in an editor; VMs that were made of them stay as they are.",
        "nebula template update web --set MEMORY=2048",
        "verbs.template:update",
        (refs("template"),),
        (_FILE, _APPEND, SET),
        changes=True,
        key="e",
        terminal=True,
    ),
    rename("template"),
    Command(
        "clone",
        "Copy a template.",
        "nebula template clone web web-2",
        "verbs.template:clone",
        (ref("template"), Argument("name", "The copy's name.")),
        (Option("--recursive", "With copies of its disks' images.", "flag"),),
        changes=True,
        key="w",
    ),
    Command(
        "instantiate",
        "Make a VM (or several) of a template.",
        "nebula template instantiate web --name shop --input DB_NAME=shop",
        "verbs.template:instantiate",
        (ref("template"),),
        (
            Option("--name", "The VM's name; with --count its beginning.", metavar="NAME"),
            Option(
                "--count",
                "Make so many: NAME-0, NAME-1 …, or with %i (or %idx) in NAME where the number goes.",
                "integer",
                short="-n",
                metavar="N",
            ),
            *_INPUTS,
            Option("--hold", "Do not place it yet.", "flag"),
            Option("--persistent", "Of a copy of the template whose images are copies, too, and persistent.", "flag"),
            _FILE._replace(help="Attributes that replace those of the template (- is stdin)."),
            SET,
            *_OVERRIDES,
        ),
        changes=True,
        key="i",
    ),
    Command(
        "explain",
        "Say what would become of a template, attribute by attribute, and where a VM of it could run.",
        "nebula template explain web",
        "verbs.template:explain",
        (Argument("ref", "The template, by id or name; none with --file.", optional=True, complete="template"),),
        (
            _FILE._replace(short=""),
            SET,
            *_INPUTS,
            Option("--format", "How to print.", short="-f", metavar="FORMAT", choices=("text", "yaml", "json")),
        ),
    ),
    *(
        command._replace(handler="verbs.template:chmod", options=(_IMAGES,)) if command.name == "chmod" else command
        for command in ownership("template")
    ),
    _DELETE,
    _DELETE._replace(name="remove", example="nebula template remove web", hidden=True),
)
