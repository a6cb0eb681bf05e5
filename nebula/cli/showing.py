"""NOUN show and describe: one object, for reading or as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nebula.cli import attention
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

    def fetch(engine: Engine, target: Target) -> Detail:
        detail = engine.vms.describe(target.ref)
        job: Mapping[str, Any] = detail.body.get("last_job") or {}
        if job.get("state") in attention.OPEN and not engine.system.status().owner_pid:
            context.say(attention.nobody_at(int(job["id"])))
        return detail

    return _print_all(context, line, fetch, sentences)


def explain(context: Context, line: Invocation) -> int:
    """Say where VMs could be, and why not elsewhere."""
    from nebula.cli.output.sentences import explained

    return _print_all(context, line, lambda engine, target: engine.vms.explain(target.ref), explained)


def describe_host(context: Context, line: Invocation) -> int:
    """How hosts are, what is on them, what to type next."""
    return _print_all(context, line, lambda engine, target: engine.hosts.describe(target.ref), _plain)


def _print_all(context: Context, line: Invocation, fetch: Callable[[Engine, Target], Detail], render: Render) -> int:
    with context.reader() as engine:
        targets, missing = resolve(engine, line.command.noun, line.texts("refs"), gone=True)
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
    print_details(context, found, line.text("format"), render)
    return tally.status()


def print_details(context: Context, found: Sequence[Detail], format_name: str, render: Render | None = None) -> None:
    """Print them as text (by `render`), YAML or JSON."""
    for text in _rendered(context, found, format_name, render or _plain):
        context.write(text)


def _rendered(context: Context, found: Sequence[Detail], format_name: str, render: Render) -> Iterator[str]:
    if format_name in {"yaml", "json"}:
        yield from _data([as_data(detail) for detail in found], format_name)
        return
    for index, detail in enumerate(found):
        if index:
            yield ""
        yield from render(context, detail)


def _data(bodies: Sequence[Mapping[str, Any]], format_name: str) -> Iterator[str]:
    """One mapping as itself, several as a list, none as nothing."""
    write = yaml_text if format_name == "yaml" else json_text
    if bodies:
        yield write(dict(bodies[0]) if len(bodies) == 1 else [dict(body) for body in bodies])


def as_data(detail: Detail) -> dict[str, Any]:
    """A detail as one mapping: kind, id and name first."""
    return {"kind": detail.kind, "id": detail.id, "name": detail.name, **detail.body}


def _plain(context: Context, detail: Detail) -> Iterator[str]:
    return tree(as_data(detail), coloured=context.colours(context.out))


def print_mapping(context: Context, value: Mapping[str, Any], format_name: str) -> None:
    """A mapping as text, YAML or JSON."""
    print_mappings(context, [value], format_name)


def print_mappings(context: Context, values: Sequence[Mapping[str, Any]], format_name: str) -> None:
    """Mappings as text, with an empty line between two of them, as YAML or JSON."""
    if format_name in {"yaml", "json"}:
        for text in _data(values, format_name):
            context.write(text)
        return
    for index, value in enumerate(values):
        if index:
            context.write("")
        for text in tree(value, coloured=context.colours(context.out)):
            context.write(text)
