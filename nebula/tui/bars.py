"""Bars of loads, for the DRS screen: also read without colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from nebula.cli.output.plan import METRICS
from nebula.cli.output.text import printable, shorten, width

_HIGH, _FULL = 0.8, 0.95
_STEPS = "▁▂▃▄▅▆▇█"
_NAME, _LEAST = 18, 8
"""Columns of a name at most, of a bar at least."""


def colour(load: float) -> str:
    """Of a share of what there is."""
    return "red" if load > _FULL else "yellow" if load > _HIGH else "green"


def bar(load: float, columns: int) -> Text:
    """██████░░░░  62%, in so many columns."""
    room = max(columns - 5, 1)
    full = round(min(max(load, 0.0), 1.0) * room)
    text = Text("█" * full, colour(load))
    text.append("░" * (room - full), "dim")
    text.append(f" {load:>4.0%}")
    return text


def line(values: Iterable[float], top: float) -> str:
    """A value a column, as high as its share of the top."""
    return "".join(_STEPS[min(int(value / top * len(_STEPS)), len(_STEPS) - 1)] if top > 0 else _STEPS[0] for value in values)


def names(hosts: Sequence[str]) -> int:
    """Columns that the hosts' names take, and the titles above them."""
    return min(max([len("MEMORY"), *(width(printable(host)) for host in hosts)]), _NAME)


def name(host: str, columns: int) -> str:
    """A host's name in so many columns."""
    text = shorten(printable(host), columns)
    return text + " " * (columns - width(text))


def before_and_after(body: Mapping[str, Any], columns: int) -> Iterator[Text]:
    """Every host's loads as a plan found them and as it leaves them, measure by measure."""
    hosts: Sequence[Mapping[str, Any]] = body["hosts"]
    room = names([host["host"] for host in hosts])
    size = max((columns - room - 16) // 2, _LEAST + 5)
    for place, metric in enumerate(METRICS):
        if not any(host[word][place] for host in hosts for word in ("before", "after")):
            continue
        yield Text(f"{name(metric.upper(), room)}  {'BEFORE':<{size}}  {'AFTER':<{size}}  VMS", "bold")
        for host in hosts:
            text = Text(f"{name(host['host'], room)}  ")
            text.append_text(bar(host["before"][place], size))
            text.append("  ")
            text.append_text(bar(host["after"][place], size))
            vms = host["vms_before"], host["vms_after"]
            text.append(f"  {vms[0]} → {vms[1]}" if vms[0] != vms[1] else f"  {vms[0]}", "" if vms[0] != vms[1] else "dim")
            yield text
        yield Text()
