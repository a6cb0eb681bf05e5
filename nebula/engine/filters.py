"""Filter values that people typed, as the database holds them."""

from __future__ import annotations

from typing import Any

from nebula.engine.api.columns import Column
from nebula.errors import UsageError


def decode(column: Column, value: str) -> Any:
    """The stored value: "RUNNING" is 3003, "2G" is 2048 MiB, "1.5" CPUs are 150; UsageError for what the column cannot hold."""
    if column.show == "state":
        return _state(value)
    if column.show in {"host_state", "image_state"}:
        return _named_state(column, value)
    return value if column.show == "text" else _number(column, value)


def _state(value: str) -> int:
    from nebula.engine.lifecycle.states import place_named

    place = place_named(value)
    if place is None:
        raise UsageError(f"{value[:40]!r} is no state of a VM", hint="for example RUNNING, PENDING, POWEROFF")
    return int(place.state) * 1000 + int(place.lcm)


def _named_state(column: Column, value: str) -> int:
    from nebula.engine.lifecycle.states import HostState, ImageState

    states = HostState if column.show == "host_state" else ImageState
    if value.upper() not in states.__members__:
        raise UsageError(f"{value[:40]!r} is no state", hint=f"one of: {', '.join(states.__members__)}")
    return int(states[value.upper()])


def _number(column: Column, value: str) -> float:
    from nebula.units import parse_mib, parse_size

    if column.show == "bool":
        return 1 if value.lower() in {"1", "yes", "true"} else 0
    if column.show == "mib":
        return parse_mib(value)
    if column.show == "bytes":
        return parse_size(value)
    try:
        return float(value) * (100 if column.show == "cpu" else 1)
    except ValueError:
        raise UsageError(f"{value[:40]!r} is no number", cause=f"column {column.name} holds numbers") from None
