"""NOUN show and describe: one object, for reading or as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nebula.cli.changes import Tally
from nebula.cli.nouns import part
from nebula.cli.objects import Target, resolve
from nebula.cli.output.formats import json_text, yaml_text
from nebula.cli.output.tree import tree
from nebula.errors import NebulaError, TimedOutError, UnreachableError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Detail
    from nebula.engine.api.verbs import Engine

    Render = Callable[[Context, "Detail"], Iterator[str]]


def run(context: Context, line: Invocation) -> int:
    """Show every object that was named."""
    noun = line.command.noun

    def fetch(engine: Engine, target: Target) -> Detail:
        if noun == "vm":
            return _vm(context, engine, target, refresh=not line.flag("no_refresh"))
        if noun == "host":
            return engine.hosts.show(target.ref, refresh=line.flag("refresh"))
        return part(engine, noun).show(target.ref)

    return _print_all(context, line, fetch, _plain)


def _vm(context: Context, engine: Engine, target: Target, *, refresh: bool) -> Detail:
    """Asked of its host; where that does not answer, what is known and a word about it."""
    if refresh:
        try:
            return engine.vms.show(target.ref, refresh=True)
        except (UnreachableError, TimedOutError) as error:
            context.say(f"its host could not be asked, this is what was known: {error}")
    return engine.vms.show(target.ref)


def describe(context: Context, line: Invocation) -> int:
    """Say in sentences how VMs are."""
    from nebula.cli.output.sentences import sentences

    return _print_all(context, line, lambda engine, target: engine.vms.describe(target.ref), sentences)


def describe_host(context: Context, line: Invocation) -> int:
    """How hosts are, what is on them, what to type next."""
    return _print_all(context, line, lambda engine, target: engine.hosts.describe(target.ref), _plain)


def _print_all(context: Context, line: Invocation, fetch: Callable[[Engine, Target], Detail], render: Render) -> int:
    with context.reader() as engine:
        targets, missing = resolve(engine, line.command.noun, line.texts("refs"))
        tally = Tally(context, single=len(targets) + len(missing) == 1)
        found: list[Detail] = []
        for word, error in missing:
            tally.failed(word, error)
        for target in targets:
            try:
                found.append(fetch(engine, target))
            except NebulaError as error:
                tally.failed(target.name, error)
    tally.done = len(found)
    for text in _rendered(context, found, line.text("format"), render):
        context.write(text)
    return tally.status()


def _rendered(context: Context, found: Sequence[Detail], format_name: str, render: Render) -> Iterator[str]:
    if format_name in {"yaml", "json"}:
        bodies = [as_data(detail) for detail in found]
        write = yaml_text if format_name == "yaml" else json_text
        if bodies:
            yield write(bodies[0] if len(bodies) == 1 else bodies)
        return
    for index, detail in enumerate(found):
        if index:
            yield ""
        yield from render(context, detail)


def as_data(detail: Detail) -> dict[str, Any]:
    """A detail as one mapping: kind, id and name first."""
    return {"kind": detail.kind, "id": detail.id, "name": detail.name, **detail.body}


def _plain(context: Context, detail: Detail) -> Iterator[str]:
    return tree(as_data(detail), coloured=context.colours(context.out))


def print_mapping(context: Context, value: Mapping[str, Any], format_name: str) -> None:
    """A mapping as text, YAML or JSON."""
    if format_name == "json":
        context.write(json_text(value))
    elif format_name == "yaml":
        context.write(yaml_text(dict(value)))
    else:
        for text in tree(value, coloured=context.colours(context.out)):
            context.write(text)
