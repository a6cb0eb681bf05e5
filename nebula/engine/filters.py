"""Filter values that people typed, as the database holds them."""

from __future__ import annotations

from typing import Any

from nebula.engine.api.columns import TEXTS, Column
from nebula.errors import UsageError
from nebula.names import near


def decode(column: Column, value: str) -> Any:
    """The stored value: "RUNNING" is 3003, "2G" is 2048 MiB, "1.5" CPUs are 150; UsageError for what the column cannot hold."""
    if column.show == "state":
        return _state(value)
    if column.show in {"host_state", "image_state"}:
        return _named_state(column, value)
    if column.show == "mode":
        return _mode(value)
    return value if column.show in TEXTS else _number(column, value)


def _mode(value: str) -> int:
    if not (len(value) == 3 and set(value) <= set("01234567")):
        raise UsageError(f"{value[:40]!r} is no mode", hint="three digits from 0 to 7: mode=640")
    return int(value, 8)


def _state(value: str) -> int:
    from nebula.engine.lifecycle.states import place_named

    place = place_named(value)
    if place is None:
        from nebula.engine.lifecycle.states import LcmState, VmState

        meant = near(value.upper(), [state.name for state in (*VmState, *LcmState)])
        hint = f"did you mean {' or '.join(meant)}?" if meant else "for example RUNNING, PENDING, POWEROFF"
        raise UsageError(f"{value[:40]!r} is no state of a VM", hint=hint)
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
        return _truth(value)
    if column.show == "mib":
        return parse_mib(value)
    if column.show == "bytes":
        return parse_size(value)
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not abs(number) < 1 << 63:
        raise UsageError(
            f"{value[:40]!r} is no number", cause=f"column {column.name} holds numbers", hint=f"write it like '{column.name}>2'"
        )
    return number * (100 if column.show == "cpu" else 1)


def _truth(value: str) -> int:
    words = {"yes": 1, "true": 1, "1": 1, "no": 0, "false": 0, "0": 0}
    if value.lower() not in words:
        raise UsageError(f"{value[:40]!r} is neither yes nor no", hint="use yes or no")
    return words[value.lower()]
