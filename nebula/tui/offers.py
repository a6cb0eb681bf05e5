"""What the command table offers for the objects of a screen; keys, menus, palette, help and footer all ask here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from nebula.cli import table
from nebula.cli.command import Argument, Command, Noun, Option
from nebula.cli.output.values import machine

STAYS = frozenset({"follow", "watch", "wait", "no_wait", "dry_run", "format", "columns", "sort"})
"""Options whose part the dashboard plays itself."""
_STATES = {"vm": "state", "host": "host_state"}
"""Nouns whose states say what may be done, and how lists show those."""
_TARGETS = {"job": "jobs", "drs": "plan"}
"""What the argument that names the object is called, where the table cannot complete it."""
_ELSEWHERE = frozenset({"daemon", "db", "metrics"})
"""Nouns without a screen."""
_UNSUITED = frozenset({"completion", "demo", "tui", "version", "apply", "export"})
"""Commands that write for a shell, or are the dashboard."""


class Offer(NamedTuple):
    """A command as a screen offers it. `target`: the argument that is filled with the objects chosen."""

    command: Command
    target: Argument | None

    @property
    def id(self) -> str:
        """How keys.json calls it: vm.poweroff."""
        return f"{self.command.noun}.{self.command.name}".lstrip(".")

    @property
    def reads(self) -> bool:
        """Whether it only says something of one object: then it is a tab beside the list."""
        command = self.command
        return (
            bool(self.target and command.noun)
            and len(command.arguments) == 1
            and not (command.changes or command.terminal or command.key)
        )

    @property
    def many(self) -> bool:
        """Whether several objects at once are meant by it, in one line."""
        return bool(self.target and self.target.many)

    @property
    def fields(self) -> list[Argument | Option]:
        """What may be filled in besides the objects."""
        arguments = [argument for argument in self.command.arguments if argument is not self.target]
        return [*arguments, *(option for option in self.command.options if option.key not in STAYS)]

    @property
    def asks(self) -> bool:
        """Whether a dialog comes before it."""
        wanted = any(isinstance(field, Argument) and not field.optional for field in self.fields)
        return bool(self.command.risk or wanted or not self.target or (self.command.key == "e") or _empty(self))

    def allowed(self, state: int | None) -> bool:
        """Whether it does anything in an object's state as lists pack it; of VMs the transition table says so."""
        noun = self.target.complete if self.target else ""
        if state is None or noun not in _STATES:
            return True
        if self.command.states:
            return machine(_STATES[noun], state) in self.command.states
        if not self.command.verbs or noun != "vm":
            return True
        return divmod(state, 1000) in _places(self.command.verbs)


def _empty(offer: Offer) -> bool:
    """Whether it does nothing before something was filled in: it changes by options alone."""
    options = [field for field in offer.fields if isinstance(field, Option)]
    return bool(options) and all(option.kind != "flag" for option in options)


@lru_cache(maxsize=256)
def _places(verbs: tuple[str, ...]) -> frozenset[tuple[int, ...]]:
    from nebula.engine.lifecycle.table import sources_of  # which takes milliseconds, and is of no use before there are rows

    return frozenset(tuple(place) for verb in verbs for place in sources_of(verb))


def offers(noun: str) -> list[Offer]:
    """Everything that a screen of that noun offers: its own commands, then those of others that are about its objects."""
    own = [Offer(command, _target(noun, command)) for command in table.commands(noun) if not command.hidden]
    own = [offer for offer in own if offer.command.name != "list"]
    others = (command for other in (*table.NOUNS, Noun("", "", "top")) for command in table.commands(other.name)
              if other.name != noun)  # fmt: skip
    about = [Offer(command, _target(noun, command)) for command in others if not command.hidden]
    return [*own, *(offer for offer in about if offer.target is not None)]


def anywhere() -> list[Offer]:
    """What needs no object: new ones, and the commands without a noun."""
    found = []
    for noun in (*table.NOUNS, Noun("", "", "top")):
        if noun.name in _ELSEWHERE:
            continue
        commands = [command for command in table.commands(noun.name) if not command.hidden and command.name not in _UNSUITED]
        found += [
            Offer(command, None) for command in commands if command.name != "list" and _target(noun.name, command) is None
        ]
    return found


def verbs() -> set[str]:
    """What keys.json may call verbs."""
    nouns = (*table.NOUNS, Noun("", "", "top"))
    return {Offer(command, None).id for noun in nouns for command in table.commands(noun.name)}


def _target(noun: str, command: Command) -> Argument | None:
    if not command.arguments or not noun:
        return None
    first = command.arguments[0]
    named = command.noun == noun and first.name == _TARGETS.get(noun)
    return first if first.complete == noun or named else None


def offered(found: Iterable[Offer], states: Sequence[int | None]) -> list[Offer]:
    """Those allowed for at least one of the objects chosen."""
    return [offer for offer in found if offer.target is None or any(offer.allowed(state) for state in states)]


def keys_of(found: Iterable[Offer], remapped: Mapping[str, str]) -> dict[str, Offer]:
    """Key -> offer: a person's own keys, then the table's. A command of another noun has its key on that noun's screen."""
    known = list(found)
    mine = {remapped[offer.id]: offer for offer in known if remapped.get(offer.id)}
    first = dict[str, Offer]()
    for offer in known:
        if offer.command.key and offer.id not in remapped and offer.command.noun == known[0].command.noun:
            first.setdefault(offer.command.key, offer)
    return first | mine


def elsewhere(here: str, nouns: Iterable[str]) -> list[tuple[str, Offer]]:
    """What other screens' objects can have done to them, with the noun of the screen."""
    return [(noun, offer) for noun in nouns if noun != here
            for offer in offers(noun) if offer.target and offer.command.noun == noun and not offer.reads]  # fmt: skip
