"""What to say of a line that makes no sense: what is wrong with it, and what was probably meant."""

from __future__ import annotations

from nebula.cli import table
from nebula.cli.command import GLOBALS, Command, options_of
from nebula.cli.opennebula.families import meant as opennebula
from nebula.errors import UsageError
from nebula.names import near

_NOUNS = {
    "domain": "vm", "guest": "vm", "instance": "vm", "machine": "vm", "virtual-machine": "vm", "node": "host",
    "hypervisor": "host", "server": "host", "img": "image", "volume": "image", "net": "network", "vnet": "network",
    "storage": "datastore", "store": "datastore", "ds": "datastore", "pool": "datastore", "task": "job", "log": "event",
    "database": "db", "service": "daemon", "onevm": "vm", "onehost": "host", "oneimage": "image", "onevnet": "network",
    "onetemplate": "template", "onedatastore": "datastore", "onecluster": "cluster", "onevmgroup": "vmgroup",
    "onesecgroup": "securitygroup", "onedb": "db",
}  # fmt: skip
"""Other programs' words for our nouns."""
_VERBS = {
    "ls": ("list",), "ps": ("list",), "top": ("list",), "info": ("show",), "get": ("show",), "inspect": ("show",),
    "dumpxml": ("xml",), "dominfo": ("show",), "config": ("show",), "status": ("describe", "show"),
    "add": ("create",), "new": ("create",), "launch": ("instantiate", "create"),
    "run": ("instantiate", "create"), "instantiate": ("create",),
    "define": ("create",), "import": ("create",), "start": ("resume", "run"), "unpause": ("resume",), "boot": ("resume",),
    "stop": ("poweroff",), "shutdown": ("poweroff",), "off": ("poweroff",), "suspend": ("poweroff",), "restart": ("reboot",),
    "reset": ("reboot",), "move": ("migrate",), "delete": ("terminate", "remove"), "destroy": ("terminate", "remove", "delete"),
    "remove": ("terminate",), "rm": ("terminate", "remove", "delete"), "kill": ("terminate", "cancel"),
    "undefine": ("terminate",), "purge": ("terminate",), "drain": ("evacuate",),
    "flush": ("evacuate",), "maintenance": ("evacuate",),
    "edit": ("update",), "set": ("update",), "modify": ("update",), "logs": ("log",), "shell": ("ssh",), "exec": ("ssh",),
    "enter": ("ssh",), "mv": ("rename",), "watch": ("follow", "list"), "tail": ("follow",), "dump": ("backup",),
    "fsck": ("check",), "addleases": ("add-range",),
}  # fmt: skip
"""Other programs' words for our verbs; the first that a noun has is meant."""


_OPTIONS = {
    "ram": "memory", "mem": "memory", "vcpu": "cpus", "vcpus": "cpus", "cores": "cpus", "nic": "network", "net": "network",
    "bridge": "network", "sshkey": "ssh-key", "ssh": "ssh-key", "sshkeys": "ssh-key", "userdata": "user-data",
    "cloud-init": "user-data", "multiple": "count", "dry": "dry-run", "force": "hard", "target": "host", "node": "host",
    "online": "live", "nowait": "no-wait", "async": "no-wait", "json": "format", "output": "format", "filter": "columns",
    "list": "columns", "template": "file",
}  # fmt: skip
"""Other programs' words for our options."""


def unknown_word(noun: str, word: str) -> UsageError:
    """For a word that is no verb of the noun; with "" for one that is neither noun nor command."""
    meant = _verbs_like(noun, word) if noun else _words_like(word)
    theirs = opennebula(noun, word.lower())
    if theirs is not None and theirs.ways:
        meant = [f"nebula {way}" for way in theirs.ways]
    what = f"nebula {noun} has no verb {word[:60]!r}" if noun else f"nebula has no command {word[:60]!r}"
    usual = f"nebula {noun} --help".replace("  ", " ")
    cause = theirs.note if theirs is not None else ""
    return UsageError(what, cause=cause, hint=f"did you mean {' or '.join(meant)}? {usual} shows all" if meant else usual)


def unknown_option(path: str, command: Command | None, word: str) -> UsageError:
    """For an option that the command does not have."""
    declared = [option.name.lstrip("-") for option in (options_of(command) if command else GLOBALS)]
    typed = word.lstrip("-")
    foreign = [_OPTIONS[typed]] if _OPTIONS.get(typed) in declared else []
    meant = foreign or near(typed, declared) or [name for name in declared if len(typed) > 1 and name.startswith(typed)]
    hint = f"did you mean --{' or --'.join(meant[:3])}? {path} --help shows all" if meant else f"{path} --help"
    return UsageError(f"{path} has no option {word[:60]!r}", hint=hint)


def missing(path: str, command: Command | None, name: str) -> UsageError:
    """For an argument that is not there."""
    argument = next((item for item in command.arguments if item.name.upper() == name.upper()), None) if command else None
    return UsageError(
        f"{path} wants {name.upper()}",
        cause=argument.help if argument else "",
        hint=command.example if command else f"{path} --help",
    )


def _verbs_like(noun: str, word: str) -> list[str]:
    have = [command.name for command in table.commands(noun) if not command.hidden]
    foreign = [verb for verb in _VERBS.get(word.lower(), ()) if verb in have][:1]
    return [f"nebula {noun} {verb}" for verb in foreign or near(word.lower(), have)]


def _words_like(word: str) -> list[str]:
    """Nouns and commands that are like the word; for a bare verb, the nouns that have it."""
    singular = word.lower().removesuffix("s")
    nouns = [noun.name for noun in table.NOUNS]
    tops = [command.name for command in table.commands("") if not command.hidden]
    known = _NOUNS.get(singular) or (singular if singular in nouns else "")
    if known:
        return [f"nebula {known}"]
    if table.find("vm", word) or (word in _VERBS and _verbs_like("vm", word)):
        return _verbs_like("vm", word) if table.find("vm", word) is None else [f"nebula vm {word}"]
    return [f"nebula {name}" for name in near(word.lower(), [*nouns, *tops])]
