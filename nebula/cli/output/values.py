"""A stored value as people read it, and as programs do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.cli.output.text import printable
from nebula.engine.lifecycle.names import HOST_STATES, IMAGE_STATES, place_name
from nebula.units import MIB, format_cpu, format_duration, format_size

RIGHT = frozenset({"number", "cpu", "mib", "bytes", "percent", "decimal", "rate", "share", "mode"})
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
    if show == "json":
        return printable(value)
    return _words(show, value, plain)


def machine(show: str, value: Any) -> Any:
    """For JSON, YAML and CSV: cores, MiB, bytes, seconds since the epoch, names of states; None for what is not known."""
    if value is None or (show in _UNKNOWN_BELOW_ZERO and value < 0) or (show in {"age", "time"} and not value):
        return None
    if show == "state":
        return _state(int(value))
    if show == "host_state":
        return _named(HOST_STATES, value)
    if show == "image_state":
        return _named(IMAGE_STATES, value)
    if show == "problem":
        return _problem(value)
    if show == "json":
        return _stored(value)
    if show == "cpu":
        return value / 100
    if show == "mode":
        return f"{int(value):03o}"
    return bool(value) if show == "bool" else value


def local_time(seconds: float) -> str:
    """A moment in this machine's own time zone."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _words(show: str, value: Any, plain: Any) -> str:
    if show == "time":
        return local_time(float(value))
    if show == "rate":
        return format_size(int(value * MIB))
    if show == "share":
        return f"{value:.0%}"
    if show == "decimal":
        return f"{value:.2f}".rstrip("0").rstrip(".")
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


def _problem(text: str) -> str | None:
    """What an error that is stored as JSON says."""
    import json

    found = json.loads(text or "{}")
    return ": ".join(str(found[key]) for key in ("message", "cause") if found.get(key)) or None


def _stored(text: str) -> Any:
    import json

    return json.loads(text)


def _named(names: Mapping[int, str], value: Any) -> str:
    return names.get(int(value), f"STATE {value}")
