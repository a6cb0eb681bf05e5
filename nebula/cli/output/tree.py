"""Nested values as aligned plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nebula.cli.colour import paint, state_colour
from nebula.cli.output.text import printable
from nebula.cli.output.values import local_time
from nebula.units import MIB, format_size

_MOMENTS = frozenset({"created", "changed", "since", "started", "ended", "monitored", "at", "not_before", "taken", "verified"})
_BYTES = frozenset({"size", "stored"})
_DEEPEST = 12
_SHORT = 60
"""Characters of a list that stands on one line."""


def tree(value: Mapping[str, Any], *, depth: int = 0, coloured: bool = False) -> Iterator[str]:
    """A line for every value; groups are indented below their name, empty ones are left out. Sizes get their units."""
    named = dict(_sized(str(key), item) for key, item in value.items() if not _is_empty(item))
    shown = {key: _inline(item) for key, item in named.items()}
    size = max((len(key) for key, item in shown.items() if not _is_group(item)), default=0)
    indent = "  " * depth
    for key, item in shown.items():
        if depth >= _DEEPEST or not _is_group(item):
            yield from _line(indent, key, item, size, coloured=coloured)
        elif isinstance(item, Mapping):
            yield f"{indent}{paint(printable(key), 'bold', wanted=coloured)}:"
            yield from tree(item, depth=depth + 1, coloured=coloured)
        else:
            yield f"{indent}{paint(printable(key), 'bold', wanted=coloured)}:"
            yield from _items(item, depth + 1, coloured=coloured)


def _sized(key: str, item: Any) -> tuple[str, Any]:
    """Amounts of memory and of bytes as people read them: memory_mib 512 is memory 512.0M."""
    if key.endswith("_mib"):
        return key.removesuffix("_mib"), _amount(item, MIB)
    return key, _amount(item, 1) if key in _BYTES else item


def _amount(item: Any, unit: int) -> Any:
    if isinstance(item, Mapping):
        return {key: _amount(value, unit) for key, value in item.items()}
    countable = isinstance(item, int | float) and not isinstance(item, bool)
    return format_size(int(item * unit)) if countable else item


def scalar(key: str, value: Any) -> str:
    """One value: moments as local time, yes and no for truth."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.lower() in _MOMENTS and isinstance(value, int | float):
        return local_time(value) if value > 0 else "-"
    return str(value)


def _is_empty(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_empty(item) for item in value.values())
    return value is None or value in ("", (), [])


def _inline(value: Any) -> Any:
    """A short list of plain values as one text."""
    if not _is_group(value) or isinstance(value, Mapping) or any(_is_group(item) for item in value):
        return value
    text = ", ".join(str(item) for item in value)
    return text if len(text) <= _SHORT else value


def _is_group(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str))


def _line(indent: str, key: str, value: Any, size: int, *, coloured: bool) -> Iterator[str]:
    lines = scalar(key, value).splitlines() or [""]
    first = printable(lines[0])
    colour = state_colour(first) if key.lower() == "state" else ""
    yield f"{indent}{printable(key).ljust(size)}  {paint(first, colour, wanted=coloured and bool(colour))}".rstrip()
    for text in lines[1:]:
        yield f"{indent}{' ' * size}  {printable(text)}".rstrip()


def _items(items: Sequence[Any], depth: int, *, coloured: bool) -> Iterator[str]:
    for item in items:
        lines = list(tree(item, depth=0, coloured=coloured)) if isinstance(item, Mapping) else [printable(str(item))]
        for index, text in enumerate(lines):
            yield f"{'  ' * depth}{'  ' if index else '- '}{text}"
