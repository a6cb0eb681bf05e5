"""What a command that makes something would make, as a document for `nebula apply`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nebula.cli import entry
from nebula.cli.output.formats import yaml_text
from nebula.tui import lines, running

if TYPE_CHECKING:
    from nebula.cli.command import Command
    from nebula.cli.context import Connect
    from nebula.cli.options import GlobalOptions
    from nebula.engine.api.verbs import Engine
    from nebula.tui.lines import Filled

KINDS = frozenset({"cluster", "datastore", "image", "network", "securitygroup", "template", "vm", "vmgroup"})
"""Nouns whose `create` a document can stand for."""


class _AskedToMake(Exception):
    def __init__(self, spec: Any) -> None:
        self.spec = spec
        super().__init__()


class _Noun:
    def __init__(self, part: Any) -> None:
        self._part = part

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._part, verb)

    def create(self, spec: Any, *_given: Any, **_named: Any) -> None:
        """Nothing is made; whoever looks on hears what was to be."""
        raise _AskedToMake(spec)


class _Onlooker:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, noun: str) -> Any:
        return _Noun(getattr(self._engine, noun))

    def close(self) -> None:
        """It is not ours."""


def can(command: Command) -> bool:
    """Whether there is a document for it."""
    return command.name == "create" and command.noun in KINDS


def document(engine: Engine, connect: Connect, command: Command, filled: Filled, options: GlobalOptions) -> str:
    """The document; NebulaError for what was filled in wrong."""
    line = lines.check(command, filled, options)
    onlooker: Any = _Onlooker(engine)
    context = running.Captured(running.OnEngine(onlooker, connect), options)
    spec: Any = {}
    try:
        entry.handler(line)(context, line)
    except _AskedToMake as asked:
        spec = asked.spec
    whole = spec if isinstance(spec, Mapping) else {"name": spec}
    body = _lower({key: value for key, value in whole.items() if value not in ("", [], {}, ())})
    return yaml_text({"kind": command.noun, "name": body.pop("name", ""), **body}).rstrip()


def _lower(value: Any) -> Any:
    """Keys as documents are written."""
    if isinstance(value, Mapping):
        return {str(key).lower(): _lower(item) for key, item in value.items()}
    return [_lower(item) for item in value] if isinstance(value, list | tuple) else value
