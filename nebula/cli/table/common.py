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
    "filters", "Conditions like state=RUNNING, 'memory>2G', 'name~^web'; all must hold.", many=True, optional=True
)
SET = Option("--set", "An attribute; may be repeated.", "many", metavar="KEY=VALUE")


def refs(noun: str) -> Argument:
    """One or more objects."""
    return Argument("refs", f"Each {noun} by id, name, range of ids (12..20) or pattern ('db*').", many=True, complete=noun)


def ref(noun: str) -> Argument:
    """Exactly one object."""
    return Argument("ref", f"The {noun}, by id or name.", complete=noun)


def listing(noun: str, example: str, *extra: Option) -> Command:
    """NOUN list."""
    return Command("list", f"List {noun}s.", example, "listing:run", (FILTERS,), (*LIST_OPTIONS, *extra))


def show(noun: str, *extra: Option) -> Command:
    """NOUN show."""
    text = f"Show all there is to know of a {noun}."
    return Command("show", text, f"nebula {noun} show 3 -f yaml", "showing:run", (refs(noun),), (SHOW_FORMAT, *extra))


def rename(noun: str) -> Command:
    """NOUN rename."""
    name = Argument("name", "The new name.")
    example = f"nebula {noun} rename 3 blue"
    return Command("rename", f"Give a {noun} another name.", example, "verbs.common:rename", (ref(noun), name), changes=True)


def remove(noun: str, help_text: str, *extra: Option) -> Command:
    """NOUN remove."""
    example = f"nebula {noun} remove blue"
    return Command("remove", help_text, example, "verbs.common:remove", (refs(noun),), extra, changes=True)


def check(noun: str, help_text: str) -> Command:
    """NOUN check."""
    return Command("check", help_text, f"nebula {noun} check blue", "verbs.common:check", (refs(noun),), (PLAIN_FORMAT,))
