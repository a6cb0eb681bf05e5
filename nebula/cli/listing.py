"""NOUN list: one implementation for every noun, format and parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.cli import attention, filters
from nebula.cli.output.formats import Field, Table, render
from nebula.engine.api.columns import SOURCES
from nebula.units import format_duration

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.tables import Listing

PEOPLE = frozenset({"", "table", "wide"})
"""Formats for reading."""
_ROWS = {"drs": "plan"}
"""What a noun lists, where it is not what the noun is called."""
STALE = 60.0
"""Seconds after which measured host data is called old."""


def row_word(noun: str) -> str:
    """What a row of a noun's list is called: a row of `drs history` is a plan."""
    return _ROWS.get(noun, noun)


def run(context: Context, line: Invocation) -> int:
    """Print the list; stay with --watch."""
    query = filters.query(line, context.now())
    people = line.text("format") in PEOPLE and not context.options.quiet
    if line.flag("watch"):
        from nebula.cli.watch import watch

        with context.reader() as engine:
            return watch(context, line, engine, query)
    noun = line.command.noun
    lister, running = context.connect.lister(context.options)
    try:
        listing = lister.list(noun, query._replace(columns=attention.with_columns(noun, query.columns)) if people else query)
    finally:
        lister.close()
    show(context, noun, line.text("format"), first_columns(listing, len(query.columns)))
    if people:
        for text in attention.lines(noun, listing):
            context.say(text)
    if not running:
        if people and attention.left_alone(noun, listing):
            context.say(attention.left_alone(noun, listing))
        _say_age(context, listing)
    return 0


def first_columns(listing: Listing, count: int) -> Listing:
    """The list without the columns behind the first `count`."""
    if len(listing.columns) == count:
        return listing
    return listing._replace(columns=listing.columns[:count], rows=[row[:count] for row in listing.rows])


def show(context: Context, noun: str, format_name: str, listing: Listing) -> None:
    """Print rows; in a table an empty list is a line on stderr."""
    table = table_of(noun, listing)
    if not table.rows and format_name in PEOPLE:
        context.say(f"no {row_word(noun)}s")
    coloured = context.colours(context.out)
    for text in render(table, format_name, context.now(), terminal=context.width(), coloured=coloured):
        context.write(text)


def table_of(noun: str, listing: Listing) -> Table:
    """The rows with what is known of their columns."""
    columns = {column.name: column for column in SOURCES[noun].columns}
    return Table([Field(name, columns[name].header, columns[name].show) for name in listing.columns], listing.rows)


def _say_age(context: Context, listing: Listing) -> None:
    age = context.now() - listing.as_of
    if not listing.as_of or age < STALE or context.options.quiet:
        return
    context.say(f"host data is {format_duration(age)} old: no engine runs (nebula --daemon keeps it fresh)")
