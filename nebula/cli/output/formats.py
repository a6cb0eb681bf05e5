"""Rows in every format a list can have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from nebula.cli.output.grid import Grid
from nebula.cli.output.text import printable
from nebula.cli.output.values import RIGHT, human, machine

_FORMULA = ("=", "+", "-", "@")


class Field(NamedTuple):
    """A column of what is printed: its name, its header, how its values are shown (`Column.show`)."""

    name: str
    header: str
    show: str = "text"


class Table(NamedTuple):
    """Rows to print, values as they are stored."""

    fields: Sequence[Field]
    rows: Sequence[Sequence[Any]]


def render(table: Table, format_name: str, now: float, *, terminal: int = 0, coloured: bool = False) -> Iterator[str]:
    """The lines of the output; a table without rows has none."""
    if format_name in {"table", "wide", ""}:
        return grid(table, now).lines(terminal, coloured=coloured) if table.rows else iter(())
    if format_name == "name":
        return _names(table)
    return _DATA[format_name](table)


def grid(table: Table, now: float) -> Grid:
    """The rows as text for people."""
    shows = [field.show for field in table.fields]
    cells = [[human(show, value, now) for show, value in zip(shows, row, strict=True)] for row in table.rows]
    right = frozenset(index for index, show in enumerate(shows) if show in RIGHT)
    states = frozenset(index for index, show in enumerate(shows) if show.endswith("state"))
    return Grid([field.header for field in table.fields], cells, right, states)


def records(table: Table) -> list[dict[str, Any]]:
    """The rows as programs want them."""
    return [
        {field.name: machine(field.show, value) for field, value in zip(table.fields, row, strict=True)} for row in table.rows
    ]


def json_line(value: Any) -> str:
    """JSON on one line."""
    import json

    return _escaped(json.dumps(value, ensure_ascii=False, default=str))


def json_text(value: Any) -> str:
    """JSON for reading."""
    import json

    return "\n".join(_escaped(line) for line in json.dumps(value, ensure_ascii=False, indent=2, default=str).split("\n"))


def _escaped(text: str) -> str:
    """The JSON text with what a terminal might obey (C1, marks of direction) written as JSON's own escapes."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def yaml_text(value: Any) -> str:
    """YAML."""
    import yaml

    fast: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    def dump(*, allow_unicode: bool) -> str:
        text: str = yaml.dump(
            value, Dumper=fast, sort_keys=False, allow_unicode=allow_unicode, default_flow_style=False, width=120
        )
        return text.rstrip("\n")

    text = dump(allow_unicode=True)
    return text if all(line.isprintable() for line in text.split("\n")) else dump(allow_unicode=False)


def _json(table: Table) -> Iterator[str]:
    yield json_text(records(table))


def _jsonl(table: Table) -> Iterator[str]:
    for record in records(table):
        yield json_line(record)


def _yaml(table: Table) -> Iterator[str]:
    yield yaml_text(records(table))


def _csv(table: Table) -> Iterator[str]:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in table.fields])
    for record in records(table):
        writer.writerow([_cell(value) for value in record.values()])
    yield text.getvalue().rstrip("\n")


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    if value is None or not isinstance(value, str):
        return "" if value is None else value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _names(table: Table) -> Iterator[str]:
    names = [field.name for field in table.fields]
    place = names.index("name") if "name" in names else 0
    for row in table.rows:
        yield human("text", row[place], 0.0)


_DATA = {"json": _json, "jsonl": _jsonl, "yaml": _yaml, "csv": _csv}
