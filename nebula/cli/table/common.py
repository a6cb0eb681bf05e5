"""Commands and options that several nouns share."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option

LIST_FORMATS = ("table", "wide", "json", "jsonl", "yaml", "csv", "name")
SHOW_FORMATS = ("text", "yaml", "json")
LIST_OPTIONS = (
    Option("--format", "How to print.", short="-f", metavar="FORMAT", choices=LIST_FORMATS),
    Option("--columns", "Columns, separated by commas.", short="-c", metavar="COL,COL"),
    Option("--sort", "Columns to sort by; -COL for falling.", metavar="COL,COL"),
    Option("--limit", "At most so many rows.", "integer", metavar="N"),
    Option("--watch", "Stay and show changes.", "flag", short="-w"),
)
SHOW_FORMAT = Option("--format", "How to print.", short="-f", metavar="FORMAT", choices=SHOW_FORMATS)
PLAIN_FORMAT = Option("--format", "How to print.", short="-f", metavar="FORMAT", choices=LIST_FORMATS)
FILTERS = Argument(
    "filters", "Conditions like state=RUNNING,POWEROFF 'memory>2G' 'name~^web'; all must hold.", many=True, optional=True
)
BACKUP_OPTIONS = (
    Option("--datastore", "Where to keep it; without it, where the last one is.", metavar="DATASTORE", complete="datastore"),
    Option("--full", "Copy everything, not only what was written since the last one.", "flag"),
)
SET = Option("--set", "An attribute; may be repeated.", "many", metavar="KEY=VALUE")

FINGERPRINT = Option("--fingerprint", "The fingerprint that its key must have.", metavar="SHA256:…")
ACCEPT_NEW_KEY = Option("--accept-new-key", "Pin whatever key it shows, unseen.", "flag")
NEW_FINGERPRINT = Option("--fingerprint", "Pin the key with this fingerprint, which it shows now.", metavar="SHA256:…")


def _called(noun: str) -> str:
    return "VM" if noun == "vm" else noun


def refs(noun: str) -> Argument:
    """One or more objects."""
    text = f"Each {_called(noun)} by id, name, range of ids (12..20) or pattern ('db*')."
    return Argument("refs", text, many=True, complete=noun)


def ref(noun: str) -> Argument:
    """Exactly one object."""
    return Argument("ref", f"The {_called(noun)}, by id or name.", complete=noun)


def listing(noun: str, example: str, *extra: Option) -> Command:
    """NOUN list."""
    return Command("list", f"List {_called(noun)}s.", example, "listing:run", (FILTERS,), (*LIST_OPTIONS, *extra))


def show(noun: str, *extra: Option) -> Command:
    """NOUN show."""
    text = f"Show all there is to know of a {_called(noun)}."
    return Command("show", text, f"nebula {noun} show 3 -f yaml", "showing:run", (refs(noun),), (SHOW_FORMAT, *extra))


def rename(noun: str) -> Command:
    """NOUN rename."""
    name = Argument("name", "The new name.")
    example = f"nebula {noun} rename 3 blue"
    return Command(
        "rename",
        f"Give a {_called(noun)} another name.",
        example,
        "verbs.common:rename",
        (ref(noun), name),
        changes=True,
        key="N",
    )


LOCKS = (
    Option("--use", "Nothing may be done but look at them, as without any of these.", "flag"),
    Option("--manage", "They may be used, and not changed.", "flag"),
    Option("--admin", "Only what their administrators may is kept off.", "flag"),
    Option("--all", "OpenNebula's other name of --use.", "flag"),
)
"""Levels of locks; see `verbs.ownership.lock`."""


def ownership(noun: str) -> tuple[Command, ...]:
    """NOUN chown, chgrp, chmod, lock and unlock, where objects belong to somebody."""

    def verb(name: str, text: str, argument: Argument, example: str) -> Command:
        example = f"nebula {noun} {name} web {example}"
        return Command(name, text, example, f"verbs.ownership:{name}", (refs(noun), argument), changes=True)

    things = f"{_called(noun)}s"
    mode = "Three digits for owner, group and others, each the sum of 4 (use), 2 (manage), 1 (administrate)."
    return (
        verb("chown", f"Give {things} to another user.", Argument("owner", "A user of the engine's machine."), "alice"),
        verb("chgrp", f"Share {things} with a group.", Argument("group", "A group of the engine's machine."), "staff"),
        verb("chmod", f"Say who may use, manage and administrate {things}.", Argument("mode", mode), "640"),
        Command(
            "lock",
            f"Keep everybody but administrators from {things}, until they are unlocked.",
            f"nebula {noun} lock web --manage",
            "verbs.ownership:lock",
            (refs(noun),),
            LOCKS,
            changes=True,
        ),
        Command(
            "unlock",
            f"Let {things} be used and changed again.",
            f"nebula {noun} unlock web",
            "verbs.ownership:unlock",
            (refs(noun),),
            changes=True,
        ),
    )


def remove(noun: str, help_text: str, *extra: Option) -> Command:
    """NOUN remove."""
    example = f"nebula {noun} remove blue"
    return Command(
        "remove", help_text, example, "verbs.common:remove", (refs(noun),), extra, changes=True, key="D", risk="destroys"
    )


def update(noun: str, help_text: str) -> Command:
    """NOUN update where attributes are all that changes."""
    example = f"nebula {noun} update blue --set RACK=7"
    return Command("update", help_text, example, "verbs.common:update", (refs(noun),), (SET,), changes=True, key="e")


def check(noun: str, help_text: str) -> Command:
    """NOUN check."""
    return Command(
        "check", help_text, f"nebula {noun} check blue", "verbs.common:check", (refs(noun),), (PLAIN_FORMAT,), key="x"
    )


def top(noun: str) -> Command:
    """NOUN top."""
    limit = Option("--limit", "At most so many rows.", "integer", metavar="N")
    watch = Option("--watch", "Stay and show changes.", "flag", short="-w")
    objects = "running VMs" if noun == "vm" else f"{noun}s"
    text = f"List what {objects} use now, busiest first."
    return Command("top", text, f"nebula {noun} top --limit 10 -w", "verbs.metrics:top", (), (PLAIN_FORMAT, limit, watch))
