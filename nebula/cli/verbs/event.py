"""The commands of `nebula event`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli.output.formats import Field, Table, json_line
from nebula.cli.output.text import printable
from nebula.cli.output.values import local_time
from nebula.cli.verbs.common import print_rows

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Event

_FIELDS = (
    Field("seq", "SEQ", "number"),
    Field("at", "TIME", "time"),
    Field("kind", "KIND"),
    Field("object_kind", "ON"),
    Field("object_id", "OBJECT", "number"),
    Field("actor", "ACTOR"),
    Field("body", "DETAIL"),
)


def list_events(context: Context, line: Invocation) -> int:
    """Print events."""
    limit = line.number("limit", most=100_000) or 100
    with context.reader() as engine:
        last = engine.system.status().last_event
        after = line.number("after", most=1 << 53) if line.has("after") else max(0, last - limit)
        events = engine.events.list(after, limit)
    people = line.text("format") in {"", "table"}
    rows = [[_value(event, field.name, people=people) for field in _FIELDS] for event in events]
    print_rows(context, Table(_FIELDS, rows), line.text("format"), empty="no events")
    return 0


def follow(context: Context, line: Invocation) -> int:
    """Print events as they come."""
    after = line.number("after", most=1 << 53) if line.has("after") else -1
    with context.reader() as engine:
        for event in engine.events.follow(after):
            if event is not None:
                context.write(_data(event) if line.text("format") == "jsonl" else _sentence(event))
                context.out.flush()
    return 0


def _value(event: Event, name: str, *, people: bool) -> Any:
    value = getattr(event, name)
    return json_line(value) if people and name == "body" else value


def _data(event: Event) -> str:
    return json_line({field.name: getattr(event, field.name) for field in _FIELDS})


def _sentence(event: Event) -> str:
    actor = f" by {event.actor}" if event.actor else ""
    about = f"{event.kind}  {event.object_kind} {event.object_id}{actor}"
    return printable(f"{local_time(event.at)}  {event.seq}  {about}  {json_line(event.body)}")
