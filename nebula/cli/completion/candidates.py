"""What TAB offers: `nebula __complete WORD… CURRENT` prints a line for each, help behind a tab.

It reads the table, and the engine only where a live name is wanted; it never asks a host.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from nebula.cli import streams, table
from nebula.cli.command import GLOBALS, Argument, Command, Option, options_of
from nebula.cli.options import GlobalOptions
from nebula.engine.api.tables import Query
from nebula.errors import NebulaError

if TYPE_CHECKING:
    from nebula.cli.connect import Lister
    from nebula.cli.context import Connect
    from nebula.engine.api.tables import Listing

MOST = 500
"""Candidates printed at once."""


class Candidate(NamedTuple):
    """A word and what it is."""

    word: str
    help: str = ""


class Place(NamedTuple):
    """Where the cursor stands. `places`: words by their place so far; `pending`: the option whose value is wanted."""

    noun: str
    command: Command | None
    places: tuple[str, ...]
    pending: Option | None
    home: str


def run_completion(words: Sequence[str], connect: Connect) -> int:
    """Print the candidates for the last word. An engine that cannot be asked means no names, and a status that shells
    ignore.
    """
    current = words[-1] if words else ""
    place = locate(words[:-1])
    try:
        found = list(candidates(place, current, connect))
    except NebulaError as error:
        return error.exit_status
    with suppress(OSError):  # the shell has gone; `lost` says so, too
        sys.stdout.write("".join(f"{candidate.word}\t{candidate.help}\n" for candidate in found[:MOST]))
    return int(streams.lost() is not None)


def locate(words: Sequence[str]) -> Place:
    """Read the words before the cursor, forgiving whatever is wrong with them."""
    noun, command, places, home = "", None, list[str](), ""
    pending: Option | None = None
    for word in words:
        if pending is not None:
            home = word if pending.name == "--home" else home
            pending = None
        elif word.startswith("--home="):
            home = word.partition("=")[2]
        elif word.startswith("-") and word != "-":
            pending = _waits_for_value(word, command)
        elif command is not None:
            places.append(word)
        elif not noun and table.noun_named(word):
            noun = word
        else:
            command = table.find(noun, word)
    return Place(noun, command, tuple(places), pending, home)


def candidates(place: Place, current: str, connect: Connect) -> Iterator[Candidate]:
    """Everything that may stand at the place and begins with `current`."""
    return (candidate for candidate in _all(place, current, connect) if candidate.word.startswith(current))


def _all(place: Place, current: str, connect: Connect) -> Iterable[Candidate]:
    if place.pending is not None:
        return _values(place.pending.choices, place.pending.complete, place, connect)
    if current.startswith("-"):
        declared = options_of(place.command) if place.command else GLOBALS
        return [Candidate(option.name, option.help) for option in declared]
    if place.command is None:
        verbs = [Candidate(command.name, command.help) for command in table.commands(place.noun) if not command.hidden]
        return verbs if place.noun else [*(Candidate(noun.name, noun.help) for noun in table.NOUNS), *verbs]
    argument = _argument(place.command, len(place.places))
    if argument is None:
        return []
    if argument.name == "filters":
        return _filters(place.noun)
    taken = set(place.places)
    return [found for found in _values((), argument.complete, place, connect) if not (argument.many and found.word in taken)]


def _argument(command: Command, index: int) -> Argument | None:
    for position, argument in enumerate(command.arguments):
        if argument.many or position == index:
            return argument
    return None


def _filters(noun: str) -> Iterable[Candidate]:
    from nebula.engine.api.columns import SOURCES

    return [Candidate(f"{column.name}=") for column in SOURCES[noun].columns] if noun in SOURCES else []


def _values(choices: Sequence[str], complete: str, place: Place, connect: Connect) -> Iterable[Candidate]:
    if choices or "|" in complete:
        return [Candidate(choice) for choice in choices or complete.split("|")]
    if complete in {"", "file", "directory", "move"}:
        return []
    if complete == "state":
        from nebula.engine.lifecycle.states import LcmState, VmState

        states = [state.name for state in (*VmState, *LcmState) if state.name not in {"ACTIVE", "INIT", "LCM_INIT"}]
        return [Candidate(name) for name in (*states, "READY")]
    options = GlobalOptions(home=place.home, quiet=True)
    if complete == "catalogue":
        return _catalogue(connect, options)
    lister, _ = connect.lister(options)
    try:
        return _live(lister, complete, place.command)
    finally:
        lister.close()


def _catalogue(connect: Connect, options: GlobalOptions) -> list[Candidate]:
    engine = connect.reader(options)
    try:
        return list(dict.fromkeys(Candidate(entry.name, entry.description) for entry in engine.images.catalogue()))
    finally:
        engine.close()


def _live(lister: Lister, noun: str, command: Command | None) -> list[Candidate]:
    if noun == "job":
        rows = lister.list("job", Query(columns=("id", "kind", "state"), sort=("-id",), limit=100)).rows
        return [Candidate(str(row[0]), f"{row[1]} {row[2]}") for row in rows]
    if noun == "vm":
        return _vms(lister.list("vm", Query(columns=("name", "state"), sort=("name",))), command)
    return [Candidate(str(row[0])) for row in lister.list(noun, Query(columns=("name",), sort=("name",))).rows]


def _vms(listing: Listing, command: Command | None) -> list[Candidate]:
    """VMs for which the command is allowed now (all for none), with their state."""
    from nebula.engine.lifecycle.names import place_name

    shown = listing.rows
    if command and command.verbs:
        from nebula.engine.lifecycle.table import sources_of  # the whole table, which takes milliseconds

        allowed = {place.state * 1000 + place.lcm for verb in command.verbs for place in sources_of(verb)}
        shown = [row for row in shown if row[1] in allowed]
    found = [Candidate(str(name), place_name(*divmod(int(state), 1000))) for name, state in shown]
    return [item for item in found if item.help in command.states] if command and command.states else found


def _waits_for_value(word: str, command: Command | None) -> Option | None:
    declared = options_of(command) if command else GLOBALS
    found = next((option for option in declared if word in {option.name, option.short}), None)
    return found if found is not None and found.kind != "flag" else None
