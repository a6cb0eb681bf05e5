"""What a command is: the words that parsing, help, completion and running all read."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["flag", "text", "integer", "many"]
"""flag: no value; many: repeatable text."""
Risk = Literal["", "asks", "destroys"]
"""What the dashboard does before: asks: a dialog; destroys: what is lost is named first."""


class Argument(NamedTuple):
    """A word by its place. `complete`: a noun whose live names are offered, "a|b" for fixed words, or ""."""

    name: str
    help: str
    many: bool = False
    optional: bool = False
    complete: str = ""


class Option(NamedTuple):
    """A `--word`. `metavar` is what its value is called in the help; `choices` are the only values."""

    name: str
    help: str
    kind: Kind = "text"
    short: str = ""
    default: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    complete: str = ""

    @property
    def key(self) -> str:
        """Its name in an Invocation: --no-wait is no_wait."""
        return self.name.lstrip("-").replace("-", "_")


class Command(NamedTuple):
    """One verb. `handler` is "module:function" below nebula.cli, imported when it runs.

    `verbs` are rows of the transition table: completion offers only VMs for which one of them is allowed now.
    """

    name: str
    help: str
    example: str
    handler: str
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    verbs: tuple[str, ...] = ()
    noun: str = ""
    changes: bool = False
    """Files work: takes --dry-run, --wait, --no-wait."""
    rest: bool = False
    """Everything behind `--` is kept as it stands."""
    hidden: bool = False
    key: str = ""
    """The dashboard's key for it, on the screen of the objects that it is about."""
    risk: Risk = ""
    terminal: bool = False
    """Talks with whoever types it, or runs until it is ended: the dashboard steps aside meanwhile."""

    undo: str = ""
    """The command of the same noun that takes it back, told nothing but the objects; "" where there is none."""

    states: tuple[str, ...] = ()
    """States of the objects in which alone it does anything, where no row of the transition table says so; () for all."""

    @property
    def path(self) -> str:
        """The words that name it: "vm list"."""
        return f"{self.noun} {self.name}".strip()


class Noun(NamedTuple):
    """A kind of object: its help and the module of nebula.cli.table that declares its commands."""

    name: str
    help: str
    module: str


GLOBALS = (
    Option("--home", "Directory that holds the engine's state.", metavar="DIR", complete="directory"),
    Option("--quiet", "Say nothing but data and errors.", "flag", short="-q"),
    Option("--verbose", "Say more.", "flag", short="-v"),
    Option("--color", "When to colour.", metavar="WHEN", choices=("auto", "always", "never")),
    Option("--debug", "Show Python's traceback of an unexpected error.", "flag"),
)
DRY_RUN = Option("--dry-run", "Check everything, print what would be done, change nothing.", "flag")
WAITING = (
    Option("--wait", "Wait until the work is done (this is what happens anyway).", "flag"),
    Option("--no-wait", "Print the job's id and return.", "flag"),
    DRY_RUN,
)


def options_of(command: Command) -> tuple[Option, ...]:
    """All options of a command: its own, those of changing verbs, the global ones."""
    return (*command.options, *(WAITING if command.changes else ()), *GLOBALS)
