"""A stored value as people read it, and as programs do."""

from __future__ import annotations

from typing import Any

from nebula.cli.output.text import printable
from nebula.engine.lifecycle.states import HostState, ImageState, place_name
from nebula.units import MIB, format_cpu, format_duration, format_size

RIGHT = frozenset({"number", "cpu", "mib", "bytes", "percent"})
"""Kinds that stand at the right edge of their column."""
_UNKNOWN_BELOW_ZERO = frozenset({"cpu", "mib", "bytes", "percent"})


def human(show: str, value: Any, now: float) -> str:
    """For a table: 2.0G, 1h4m, RUNNING; "-" for what is not known."""
    plain = machine(show, value)
    if plain is None or plain == "":
        return "-"
    if show == "mib":
        return format_size(int(value) * MIB)
    if show == "bytes":
        return format_size(int(value))
    if show == "cpu":
        return format_cpu(int(value))
    if show == "age":
        return format_duration(now - float(value))
    return _words(show, value, plain)


def machine(show: str, value: Any) -> Any:
    """For JSON, YAML and CSV: cores, MiB, bytes, seconds since the epoch, names of states; None for what is not known."""
    if value is None or (show in _UNKNOWN_BELOW_ZERO and value < 0) or (show in {"age", "time"} and not value):
        return None
    if show == "state":
        return _state(int(value))
    if show == "host_state":
        return _named(HostState, value)
    if show == "image_state":
        return _named(ImageState, value)
    if show == "cpu":
        return value / 100
    return bool(value) if show == "bool" else value


def local_time(seconds: float) -> str:
    """A moment in this machine's own time zone."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _words(show: str, value: Any, plain: Any) -> str:
    if show == "time":
        return local_time(float(value))
    if show == "percent":
        return f"{value:.0f}%"
    if show == "bool":
        return "yes" if plain else "no"
    return printable(str(plain))


def _state(packed: int) -> str:
    try:
        return place_name(*divmod(packed, 1000))
    except ValueError:
        return f"STATE {packed}"


def _named(states: type[HostState] | type[ImageState], value: Any) -> str:
    try:
        return states(int(value)).name
    except ValueError:
        return f"STATE {value}"
