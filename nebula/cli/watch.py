"""NOUN list --watch: a table that is drawn anew on a terminal, lines of changes in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli import attention
from nebula.cli.filters import known
from nebula.cli.listing import PEOPLE, first_columns, row_word, table_of
from nebula.cli.nouns import part
from nebula.cli.output.formats import json_line, records, render
from nebula.cli.output.text import plural, printable, shorten
from nebula.cli.output.values import local_time

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.tables import Query
    from nebula.engine.api.verbs import Engine

_REDRAW = 2.0
"""Seconds after which ages and measured values are drawn anew though nothing happened."""
_PAUSE = 0.2
"""Seconds between two drawings, however much happens."""


def watch(context: Context, line: Invocation, engine: Engine, query: Query) -> int:
    """Until Ctrl-C."""
    noun = line.command.noun
    terminal = context.out.isatty() and line.text("format") in PEOPLE
    view = _Screen(context, line, len(query.columns)) if terminal else _Changes(context, noun)
    wanted = query._replace(columns=attention.with_columns(noun, query.columns)) if terminal else _with_id(query, noun)
    after, dirty, drawn = engine.system.status().last_event, True, 0.0
    source = part(engine, line.command.noun)
    view.draw(source.list(wanted))
    for event in engine.events.follow(after):
        dirty = dirty or event is not None
        age = context.monotonic() - drawn
        if (dirty and age >= _PAUSE) or age >= _REDRAW:
            view.draw(source.list(wanted))
            dirty, drawn = False, context.monotonic()
    return 0


class _Screen:
    def __init__(self, context: Context, line: Invocation, columns: int) -> None:
        self._context, self._line, self._columns = context, line, columns

    def draw(self, listing: Any) -> None:
        """Write the table over the one before: what is wrong first, then as many rows as the screen has room for."""
        context, noun = self._context, self._line.command.noun
        terminal, height = context.width(), context.height()
        rows = render(
            table_of(noun, first_columns(listing, self._columns)),
            self._line.text("format"),
            context.now(),
            terminal=terminal,
            coloured=context.colours(context.out),
        )
        wrong = [shorten(printable(text), terminal) for text in attention.lines(noun, listing)]
        head = f"{plural(len(listing.rows), row_word(noun))}  {local_time(context.now())}  Ctrl-C ends"
        texts = [shorten(head, terminal), *wrong, *rows]
        if len(texts) >= height:
            texts = [*texts[: height - 2], f"… {len(texts) - height + 2} more rows: use conditions, --sort or --limit"]
        context.out.write("\x1b[H" + "".join(f"{text}\x1b[K\n" for text in texts) + "\x1b[J")
        context.out.flush()


class _Changes:
    def __init__(self, context: Context, noun: str) -> None:
        self._context, self._noun = context, noun
        self._known: dict[Any, dict[str, Any]] | None = None

    def draw(self, listing: Any) -> None:
        """Write a line for every object that is new, changed or gone (at first: present)."""
        now = {record["id"]: record for record in records(table_of(self._noun, listing))}
        before = self._known or {}
        word = "present" if self._known is None else "new"
        for key, record in now.items():
            if before.get(key) != record:
                self._write("changed" if key in before else word, record)
        for key in before.keys() - now.keys():
            self._write("gone", before[key])
        self._known = now

    def _write(self, change: str, record: dict[str, Any]) -> None:
        self._context.write(json_line({"change": change, **record}))
        self._context.out.flush()


def _with_id(query: Query, noun: str) -> Query:
    if "id" in query.columns:
        return query
    return query._replace(columns=("id", *(column.name for column in known(noun, query.columns))))
