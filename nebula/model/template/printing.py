"""OpenNebula's template syntax, written: what `parse_one` reads back as the same template."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nebula.errors import UsageError
from nebula.model.template.values import Template, Value

_BARE = re.compile(r"[^=#\[\], \t\r\n\"][^=#\[\], \t\r\n]*")


def print_one(template: Template) -> str:
    """The text. UsageError for the one value that the syntax has no words for: one with blanks that ends in a backslash."""
    return "".join(f"{line}\n" for line in _lines(template))


def _lines(template: Template) -> Iterator[str]:
    for name, value in template.items():
        for item in value if isinstance(value, list) else [value]:
            yield f"{name}={_value(name, item)}"


def _value(name: str, value: Value) -> str:
    if isinstance(value, str):
        return _quoted(name, value)
    pairs = [f"  {key}={_quoted(f'{name}/{key}', item)}" for key, item in value.items()]
    return "[\n" + ",\n".join(pairs) + " ]" if pairs else "[ ]"


def _quoted(where: str, value: str) -> str:
    if not value.endswith("\\"):
        text = value.replace('"', '\\"')
        return f'"{text}"'
    if _BARE.fullmatch(value):
        return value
    raise UsageError(
        f"{where} ends in a backslash, which OpenNebula's syntax cannot say of a value in quotes",
        hint="print it as YAML, JSON or XML: -f yaml",
    )
