"""What attributes are: numbers, text, or several texts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Value = int | float | str | tuple[str | int, ...]
Attributes = Mapping[str, Value]
"""What is known of a host, datastore or network. A name that is not in it is missing."""

LONGEST = 4096
"""Characters of a value that count; what comes after is cut off."""
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")


def number_of(value: Value | None) -> float | None:
    """The value as a number; None for what is missing or no number."""
    if isinstance(value, tuple):
        value = value[0] if value else None
    if isinstance(value, str):
        return _parsed(value)
    return value


@lru_cache(4096)
def _parsed(text: str) -> float | None:
    """Attributes' texts come again with every VM."""
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


def text_of(value: Value) -> str:
    """The value as text; of several the first."""
    if isinstance(value, tuple):
        return str(value[0]) if value else ""
    return value if isinstance(value, str) else f"{value:.15g}"


def texts_of(value: Value) -> tuple[str, ...]:
    """All its texts."""
    return tuple(map(str, value)) if isinstance(value, tuple) else (text_of(value),)


def value_of(raw: Any) -> Value | None:
    """An attribute as people set it; None for what no expression can use."""
    if isinstance(raw, bool):
        return "YES" if raw else "NO"
    if isinstance(raw, int | float):
        return raw if math.isfinite(raw) and abs(raw) < 1e18 else None
    if isinstance(raw, str):
        return raw[:LONGEST]
    if isinstance(raw, list | tuple):
        return tuple(str(item)[:LONGEST] for item in raw[:LONGEST])
    return None


def custom(attributes: Mapping[str, Any]) -> dict[str, Value]:
    """Attributes that people set, names in upper case; those of a group are called GROUP/NAME."""
    found: dict[str, Value] = {}
    for key, raw in attributes.items():
        name = str(key).upper()
        parts = {f"{name}/{str(part).upper()}": item for part, item in raw.items()} if isinstance(raw, Mapping) else {name: raw}
        for path, item in parts.items():
            value = value_of(item)
            if value is not None:
                found[path] = value
    return found
