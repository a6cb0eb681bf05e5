"""Tabs beside a list: every command of the table that says something of one object, and what lists cannot say."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nebula.cli.options import GlobalOptions
from nebula.cli.output.values import local_time, machine
from nebula.engine.api.tables import Query
from nebula.tui import lines
from nebula.tui.saying import said

if TYPE_CHECKING:
    from nebula.cli.context import Connect
    from nebula.engine.api.verbs import Engine
    from nebula.tui.offers import Offer

    Write = Callable[["Engine", int, int], str]
    """(engine, the object's id, columns of the screen) -> text, which may have ANSI colours."""

_FIRST = ("describe", "show", "log", "history", "explain")
_TITLES = {"describe": "summary"}
_EVENTS = 200


class Tab(NamedTuple):
    """`write` makes its text. `drawn`: it is drawn of measurements instead. `always`: it is not about the row."""

    name: str
    write: Write
    drawn: bool = False
    always: bool = False


def tabs(
    noun: str, found: Sequence[Offer], connect: Connect, options: GlobalOptions, clock: Callable[[], float] = time.time
) -> list[Tab]:
    """The tabs of a noun's objects, the most asked for first."""
    quiet = options._replace(color="always", quiet=False)
    reading = sorted((offer for offer in found if offer.reads), key=_place)
    written = [Tab(_title(offer, reading), _command(offer, {}, connect, quiet, clock)) for offer in reading]
    show = next((offer for offer in reading if offer.command.name == "show"), None)
    if show is not None:
        plain = options._replace(color="never")
        written.append(Tab("yaml", _command(show, {"format": "yaml"}, connect, plain, clock)))
    balance = next((offer for offer in found if offer.command.path == "drs status"), None)
    if noun == "drs" and balance is not None:
        written[1:1] = [Tab("hosts", _hosts), Tab("replay", _nothing, drawn=True)]
        written.append(Tab("balance", _command(balance, {}, connect, quiet, clock), always=True))
    if noun in {"vm", "host"}:
        written.insert(1, Tab("metrics", _nothing, drawn=True))
    if noun == "vm":
        written[3:3] = [Tab(name, _part(name)) for name in ("disks", "nics")]
    if noun == "event":
        written.append(Tab("summary", _event))
    if noun not in {"drs", "event", "job"}:
        written.append(Tab("events", _events(noun)))
    return written


def _place(offer: Offer) -> int:
    return _FIRST.index(offer.command.name) if offer.command.name in _FIRST else len(_FIRST)


def _title(offer: Offer, reading: Sequence[Offer]) -> str:
    """What the tab is called; the first is the summary, whatever the command."""
    name = offer.command.name
    described = any(other.command.name == "describe" for other in reading)
    if name == "show":
        return "all" if described else "summary"
    return _TITLES.get(name, name.replace("-list", "s"))


def _command(offer: Offer, more: dict[str, str], connect: Connect, options: GlobalOptions, clock: Callable[[], float]) -> Write:
    command = offer.command
    extra: dict[str, str | bool] = dict(more)
    if any(option.name == "--no-refresh" for option in command.options):
        extra["no_refresh"] = True

    target = offer.target

    def write(engine: Engine, key: int, columns: int) -> str:
        about: dict[str, str | list[str]] = {target.name: [str(key)] if target.many else str(key)} if target else {}
        from nebula.tui import running

        line = lines.check(command, {**about, **extra}, options)
        context = running.Captured(running.OnEngine(engine, connect), options, columns=columns, now=clock)
        return running.run(context, line).text

    return write


def _part(name: str) -> Write:
    """One list of what is known of a VM: its disks, its cards."""

    def write(engine: Engine, key: int, _columns: int) -> str:
        from nebula.cli.output.tree import tree

        found = engine.vms.show(str(key)).body.get(name) or []
        return "\n".join(tree({name: found}, coloured=True)) if found else f"no {name}"

    return write


def _events(noun: str) -> Write:
    """What happened to it, the latest first."""

    def write(engine: Engine, key: int, columns: int) -> str:
        from nebula.cli.output.formats import Field, Table, render

        filters = (("object_kind", "=", noun), ("object_id", "=", str(key)))
        listing = engine.events.table(Query(columns=("at", "kind", "actor", "body"), filters=filters, limit=_EVENTS))
        fields = (Field("at", "TIME", "time"), Field("kind", "KIND"), Field("actor", "ACTOR"), Field("said", "WHAT"))
        rows = [(at, kind, actor, said(machine("json", body))) for at, kind, actor, body in listing.rows]
        return "\n".join(render(Table(fields, rows), "table", 0.0, terminal=columns)) or "no events"

    return write


def _event(engine: Engine, key: int, _columns: int) -> str:
    """All that an event says."""
    from nebula.cli.output.tree import tree

    found = engine.events.list(after=key - 1, limit=1)
    if not found or found[0].seq != key:
        return "it is forgotten"
    event = found[0]
    on = {"kind": event.object_kind, "id": event.object_id}
    known = {
        "event": event.seq,
        "kind": event.kind,
        "at": local_time(event.at),
        "actor": event.actor,
        "on": on,
        "says": event.body,
    }
    return "\n".join(tree(known, coloured=True))


def _hosts(engine: Engine, key: int, columns: int) -> str:
    """The hosts before and after a plan."""
    from rich.console import Console

    from nebula.tui.bars import before_and_after

    console = Console(force_terminal=True, color_system="standard", width=columns)
    with console.capture() as captured:
        for line in before_and_after(engine.drs.show(key).body, columns):
            console.print(line, no_wrap=True, overflow="crop")
    return captured.get() or "no host was looked at"


def _nothing(_engine: Engine, _key: int, _columns: int) -> str:
    return ""
