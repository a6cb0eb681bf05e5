"""The commands of `nebula event`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli import filters, listing
from nebula.cli.output.formats import json_line, records
from nebula.cli.output.text import printable
from nebula.cli.output.values import human, local_time

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.tables import Listing, Query
    from nebula.engine.api.values import Event

_NAMES = ("seq", "at", "kind", "object_kind", "object_id", "actor", "body")
_MOST = 100
"""Events that are listed where nobody says how many."""


def list_events(context: Context, line: Invocation) -> int:
    """Print events; with --watch also those to come."""
    query = _query(context, line)
    if line.flag("watch"):
        return _watch(context, line, query)
    lister, _ = context.connect.lister(context.options)
    try:
        found = lister.list("event", query)
    finally:
        lister.close()
    listing.show(context, "event", line.text("format"), _in_order(query, found))
    return 0


def _query(context: Context, line: Invocation) -> Query:
    """The latest ones, or with --after the first behind that one."""
    query = filters.query(line, context.now())
    query = query._replace(limit=query.limit or _MOST)
    if not line.has("after"):
        return query
    behind = ("seq", ">", str(line.number("after", most=1 << 53)))
    return query._replace(filters=(*query.filters, behind), sort=query.sort or ("seq",))


def _in_order(query: Query, found: Listing) -> Listing:
    """The newest come first where no order was asked for, and are printed last."""
    return found if query.sort else found._replace(rows=found.rows[::-1])


def _watch(context: Context, line: Invocation, query: Query) -> int:
    """The list, then a line for each event that fits and comes: JSON for programs, else its values."""
    people = line.text("format") in listing.PEOPLE
    with context.reader() as engine:
        last = engine.system.status().last_event
        found = _in_order(query, engine.events.table(query))
        if people:
            listing.show(context, "event", line.text("format"), found)
        else:
            _write_rows(context, found, people=False)
        for event in engine.events.follow(last):
            if event is not None and event.seq > last:
                come = (("seq", ">", str(last)), ("seq", "<=", str(event.seq)))
                fresh = engine.events.table(query._replace(filters=(*query.filters, *come), sort=("seq",), limit=0))
                _write_rows(context, fresh, people=people)
                last = event.seq
    return 0


def _write_rows(context: Context, found: Listing, *, people: bool) -> None:
    table = listing.table_of("event", found)
    for row, record in zip(table.rows, records(table), strict=True):
        values = zip(table.fields, row, strict=True)
        words = "  ".join(human(field.show, value, context.now()) for field, value in values)
        context.write(words if people else json_line(record))
    context.out.flush()


def follow(context: Context, line: Invocation) -> int:
    """Print events as they come."""
    after = line.number("after", most=1 << 53) if line.has("after") else -1
    with context.reader() as engine:
        for event in engine.events.follow(after):
            if event is not None:
                context.write(_data(event) if line.text("format") == "jsonl" else _sentence(event))
                context.out.flush()
    return 0


def _data(event: Event) -> str:
    values: dict[str, Any] = {name: getattr(event, name) for name in _NAMES}
    return json_line(values)


def _sentence(event: Event) -> str:
    actor = f" by {event.actor}" if event.actor else ""
    about = f"{event.kind}  {event.object_kind} {event.object_id}{actor}"
    return printable(f"{local_time(event.at)}  {event.seq}  {about}  {json_line(event.body)}")
